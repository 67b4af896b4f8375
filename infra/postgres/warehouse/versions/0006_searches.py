"""A schema for Optuna, which makes its tables itself."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # its tables have plain names, one of them alembic_version, as ours
    op.execute("CREATE SCHEMA optuna")
    op.execute("COMMENT ON SCHEMA optuna IS 'hyper-parameter searches'")


def downgrade() -> None:
    op.execute("DROP SCHEMA optuna CASCADE")
