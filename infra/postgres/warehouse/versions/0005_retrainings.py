"""What followed from alarms: which began a retraining, which were held back, and why."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE retrainings (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            model text NOT NULL,
            cause text NOT NULL,
            alarm jsonb NOT NULL,
            wanted jsonb NOT NULL,
            actor text NOT NULL,
            outcome text NOT NULL
                CHECK (outcome IN ('under way', 'held back', 'promoted', 'refused', 'failed')),
            reason text NOT NULL,
            decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            ended_at timestamptz,
            CHECK ((outcome = 'under way') = (ended_at IS NULL)),
            CHECK (ended_at >= decided_at)
        )
        """
    )
    op.execute("COMMENT ON COLUMN retrainings.cause IS 'the event, such as roundhouse.model.drifted'")
    op.execute("COMMENT ON COLUMN retrainings.alarm IS 'what the event says'")
    op.execute("COMMENT ON COLUMN retrainings.wanted IS 'what the training is to be run with'")
    op.execute("COMMENT ON COLUMN retrainings.reason IS 'why it began or was held back, or how it ended'")
    # decisions wait for each other; should that ever fail, this doesn't
    op.execute("CREATE UNIQUE INDEX retrainings_under_way ON retrainings (model) WHERE outcome = 'under way'")
    op.execute("CREATE INDEX retrainings_by_time ON retrainings (model, decided_at)")


def downgrade() -> None:
    op.execute("DROP TABLE retrainings")
