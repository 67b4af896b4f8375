"""Tables of use cases, which the trainer makes from their declarations, and what is loaded into them."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA usecases")
    op.execute("COMMENT ON SCHEMA usecases IS 'a table for each use case, by its declaration'")
    op.execute(
        """
        CREATE TABLE table_loads (
            usecase text NOT NULL,
            source text NOT NULL,
            period date NOT NULL,
            digest text NOT NULL,
            rows_read bigint NOT NULL,
            rows_loaded bigint NOT NULL,
            rows_rejected bigint NOT NULL,
            rejected jsonb NOT NULL,
            loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (usecase, source, period)
        )
        """
    )
    op.execute("COMMENT ON TABLE table_loads IS 'periods of use cases as they stand in the warehouse'")
    op.execute("COMMENT ON COLUMN table_loads.period IS 'first day; 1970-01-01 for a table without periods'")
    op.execute("COMMENT ON COLUMN table_loads.digest IS 'of the rows and of the declaration they were read by'")
    op.execute(
        """
        CREATE TABLE table_rejections (
            usecase text NOT NULL,
            source text NOT NULL,
            period date,
            row_number bigint NOT NULL,
            reason text NOT NULL,
            row jsonb NOT NULL
        )
        """
    )
    op.execute(
        "CREATE TABLE table_sources (usecase text NOT NULL, source text NOT NULL, fingerprint text NOT NULL,"
        " PRIMARY KEY (usecase, source))"
    )
    op.execute("COMMENT ON TABLE table_sources IS 'the files of a source of which all rows are loaded'")
    op.execute("ALTER TABLE outcomes DROP CONSTRAINT outcomes_source_check")
    op.execute(
        "ALTER TABLE outcomes ADD CONSTRAINT outcomes_source_check CHECK (source IN ('feedback', 'trips', 'table'))"
    )
    op.execute("CREATE INDEX ON table_rejections (usecase, source, period)")
    op.execute("COMMENT ON TABLE table_rejections IS 'rows that can''t be true, kept apart, with the first reason'")


def downgrade() -> None:
    op.execute("DELETE FROM outcomes WHERE source = 'table'")
    op.execute("ALTER TABLE outcomes DROP CONSTRAINT outcomes_source_check")
    op.execute("ALTER TABLE outcomes ADD CONSTRAINT outcomes_source_check CHECK (source IN ('feedback', 'trips'))")
    op.execute("DROP TABLE table_sources")
    op.execute("DROP TABLE table_rejections")
    op.execute("DROP TABLE table_loads")
    op.execute("DROP SCHEMA usecases CASCADE")
