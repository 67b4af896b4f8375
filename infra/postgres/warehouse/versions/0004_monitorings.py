"""What each monitoring found, and what the replicas had counted by then."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE monitorings (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            model text NOT NULL,
            version text NOT NULL,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            since timestamptz NOT NULL,
            until timestamptz NOT NULL CHECK (until > since),
            rows bigint NOT NULL,
            outcomes bigint NOT NULL,
            verdict text NOT NULL CHECK (verdict IN
                ('quiet', 'drifted', 'decayed', 'drifted and decayed', 'too few predictions', 'no reference')),
            alarms int NOT NULL,
            message text NOT NULL,
            terms jsonb NOT NULL,
            run_id text
        )
        """
    )
    op.execute("COMMENT ON COLUMN monitorings.rows IS 'predictions of the version from since on, before until'")
    op.execute(
        "COMMENT ON COLUMN monitorings.run_id IS 'the run in MLflow that has the report; null where there is none'"
    )
    op.execute("CREATE INDEX monitorings_by_time ON monitorings (model, at)")
    op.execute(
        """
        CREATE TABLE measurements (
            monitoring_id bigint NOT NULL REFERENCES monitorings ON DELETE CASCADE,
            kind text NOT NULL,
            name text NOT NULL,
            measure text NOT NULL,
            value float8,
            expected float8,
            threshold float8,
            p_value float8,
            alarm boolean NOT NULL,
            PRIMARY KEY (monitoring_id, kind, name, measure)
        )
        """
    )
    op.execute("COMMENT ON COLUMN measurements.value IS 'null where there was nothing to measure'")
    op.execute("COMMENT ON COLUMN measurements.expected IS 'what the reference has, or training promised'")
    op.execute("COMMENT ON COLUMN measurements.p_value IS 'adjusted for all tests of the monitoring'")
    op.execute(
        """
        CREATE TABLE counted (
            monitoring_id bigint NOT NULL REFERENCES monitorings ON DELETE CASCADE,
            replica text NOT NULL,
            counter text NOT NULL,
            label text NOT NULL,
            status text NOT NULL,
            value float8 NOT NULL,
            PRIMARY KEY (monitoring_id, replica, counter, label, status)
        )
        """
    )
    op.execute(
        "COMMENT ON TABLE counted IS 'counters of the replicas at a monitoring: the next one takes the difference'"
    )
    op.execute("COMMENT ON COLUMN counted.label IS 'the route, or the reason of a refusal'")


def downgrade() -> None:
    op.execute("DROP TABLE counted")
    op.execute("DROP TABLE measurements")
    op.execute("DROP TABLE monitorings")
