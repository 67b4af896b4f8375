"""Trips by month, the rows that were rejected, and what was loaded from where."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # the primary key makes it impossible that a month is there twice
    op.execute(
        """
        CREATE TABLE trips (
            source text NOT NULL,
            service text NOT NULL,
            month date NOT NULL CHECK (extract(day FROM month) = 1),
            file_row integer NOT NULL,
            pickup_at timestamp NOT NULL,
            dropoff_at timestamp NOT NULL,
            pu_location_id integer NOT NULL,
            do_location_id integer NOT NULL,
            trip_distance double precision NOT NULL,
            passenger_count integer,
            vendor_id integer,
            ratecode_id integer,
            store_and_fwd_flag text,
            payment_type integer,
            trip_type integer,
            fare_amount double precision,
            extra double precision,
            mta_tax double precision,
            tip_amount double precision,
            tolls_amount double precision,
            ehail_fee double precision,
            improvement_surcharge double precision,
            congestion_surcharge double precision,
            airport_fee double precision,
            cbd_congestion_fee double precision,
            total_amount double precision,
            PRIMARY KEY (month, source, service, file_row)
        ) PARTITION BY RANGE (month)
        """
    )
    op.execute("COMMENT ON COLUMN trips.pickup_at IS 'New York local time'")
    op.execute("COMMENT ON COLUMN trips.dropoff_at IS 'New York local time'")
    op.execute("COMMENT ON COLUMN trips.trip_distance IS 'miles'")
    op.execute("COMMENT ON COLUMN trips.file_row IS 'row number in the file that was loaded, from 0'")
    op.execute(
        """
        CREATE TABLE trips_rejected (
            source text NOT NULL,
            service text NOT NULL,
            month date NOT NULL CHECK (extract(day FROM month) = 1),
            file_row integer NOT NULL,
            reason text NOT NULL,
            "row" jsonb NOT NULL,
            PRIMARY KEY (month, source, service, file_row)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE loads (
            source text NOT NULL,
            service text NOT NULL,
            month date NOT NULL CHECK (extract(day FROM month) = 1),
            uri text NOT NULL,
            sha256 text NOT NULL,
            bytes bigint NOT NULL,
            rows_read bigint NOT NULL,
            rows_loaded bigint NOT NULL,
            rows_rejected bigint NOT NULL,
            rejected jsonb NOT NULL,
            loaded_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (source, service, month),
            CHECK (rows_read = rows_loaded + rows_rejected)
        )
        """
    )
    op.execute("COMMENT ON COLUMN loads.rejected IS 'rows rejected by reason'")


def downgrade() -> None:
    op.execute("DROP TABLE loads, trips_rejected, trips")
