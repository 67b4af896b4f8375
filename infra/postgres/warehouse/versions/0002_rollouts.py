"""What was served when, why and by whose decision."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # what went wrong may be said of a rollout that is done: its driver died after the alias had moved
    op.execute(
        """
        CREATE TABLE rollouts (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            model text NOT NULL,
            kind text NOT NULL CHECK (kind IN ('train', 'promote', 'rollback', 'by hand')),
            from_version text,
            to_version text NOT NULL,
            actor text NOT NULL,
            reason text NOT NULL,
            gate jsonb,
            steps jsonb NOT NULL DEFAULT '{}',
            outcome text NOT NULL DEFAULT 'under way' CHECK (outcome IN ('under way', 'done', 'failed')),
            failure text,
            begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            ended_at timestamptz,
            CHECK ((outcome = 'under way') = (ended_at IS NULL)),
            CHECK (ended_at >= begun_at),
            CHECK (outcome <> 'failed' OR failure IS NOT NULL),
            CHECK (outcome <> 'under way' OR failure IS NULL),
            CHECK (from_version <> to_version)
        )
        """
    )
    op.execute("COMMENT ON COLUMN rollouts.from_version IS 'the champion before; null where there was none'")
    op.execute("COMMENT ON COLUMN rollouts.actor IS 'who, or which flow run'")
    op.execute("COMMENT ON COLUMN rollouts.gate IS 'the verdict with every number'")
    op.execute("COMMENT ON COLUMN rollouts.steps IS 'seconds by step'")
    # the lock lets one rollout of a model be under way; should it ever fail, this doesn't
    op.execute("CREATE UNIQUE INDEX rollouts_under_way ON rollouts (model) WHERE outcome = 'under way'")
    op.execute("CREATE INDEX rollouts_by_model ON rollouts (model, id DESC)")


def downgrade() -> None:
    op.execute("DROP TABLE rollouts")
