"""What was predicted, and what came true."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # a prediction that is sent twice has the same id and the same time
    op.execute(
        """
        CREATE TABLE predictions (
            id uuid NOT NULL,
            at timestamptz NOT NULL,
            role text NOT NULL CHECK (role IN ('champion', 'challenger')),
            model text NOT NULL,
            version text NOT NULL,
            fields jsonb NOT NULL,
            prediction float8 NOT NULL,
            low float8,
            high float8,
            seconds real,
            PRIMARY KEY (id, at, role)
        ) PARTITION BY RANGE (at)
        """
    )
    op.execute("COMMENT ON TABLE predictions IS 'one partition a day (UTC), made when its first row comes'")
    op.execute("COMMENT ON COLUMN predictions.role IS 'champion: the answer; challenger: what it would have been'")
    op.execute("COMMENT ON COLUMN predictions.fields IS 'the raw fields as they were sent'")
    op.execute("COMMENT ON COLUMN predictions.low IS 'lower end of the promised interval; null where none was'")
    op.execute("COMMENT ON COLUMN predictions.seconds IS 'from the request to its answer'")
    op.execute("CREATE INDEX predictions_by_time ON predictions (model, at)")
    op.execute(
        """
        CREATE TABLE outcomes (
            prediction_id uuid PRIMARY KEY,
            actual float8 NOT NULL,
            source text NOT NULL CHECK (source IN ('feedback', 'trips')),
            received_at timestamptz NOT NULL
        )
        """
    )
    op.execute("COMMENT ON TABLE outcomes IS 'the newest that was said of each prediction'")
    op.execute("CREATE INDEX outcomes_by_time ON outcomes (received_at)")
    op.execute(
        """
        CREATE VIEW judged AS
        SELECT p.*, o.actual, o.source AS outcome_source, o.received_at AS outcome_at
        FROM predictions p JOIN outcomes o ON o.prediction_id = p.id
        """
    )
    op.execute(
        """
        CREATE VIEW live_quality AS
        SELECT model, version, role, (at AT TIME ZONE 'UTC')::date AS day, count(*) AS rows,
            sqrt(avg((prediction - actual) ^ 2)) AS rmse,
            avg(abs(prediction - actual)) AS mae,
            avg((actual BETWEEN low AND high)::int) AS coverage
        FROM judged GROUP BY model, version, role, day
        """
    )
    # as the owner, who alone may make tables; the lock keeps two replicas from making the same one
    op.execute(
        """
        CREATE FUNCTION ensure_prediction_day(day date) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            partition text := 'predictions_' || to_char(day, 'YYYY_MM_DD');
        BEGIN
            IF to_regclass(partition) IS NOT NULL THEN
                RETURN;
            END IF;
            PERFORM pg_advisory_xact_lock(7246002);
            EXECUTE format(
                'CREATE TABLE IF NOT EXISTS %I PARTITION OF predictions FOR VALUES FROM (%L) TO (%L)',
                partition, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
            );
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION ensure_prediction_day FROM PUBLIC")
    # the model service's own role; a database that was made before it existed has none
    op.execute(
        """
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'serving') THEN
                EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO serving', current_database());
                GRANT SELECT ON rollouts TO serving;
                GRANT INSERT ON predictions TO serving;
                GRANT SELECT, INSERT, UPDATE ON outcomes TO serving;
                GRANT EXECUTE ON FUNCTION ensure_prediction_day TO serving;
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'serving') THEN
                REVOKE ALL ON rollouts FROM serving;
                EXECUTE format('REVOKE ALL ON DATABASE %I FROM serving', current_database());
            END IF;
        END $$
        """
    )
    op.execute("DROP FUNCTION ensure_prediction_day")
    op.execute("DROP VIEW live_quality")
    op.execute("DROP VIEW judged")
    op.execute("DROP TABLE outcomes")
    op.execute("DROP TABLE predictions")
