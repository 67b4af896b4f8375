"""The warehouse in PostgreSQL: what is loaded, and trips for training.

Loading is in ``loading``, the tables are migrations in ``infra/postgres/warehouse``.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg2
import pyarrow as pa
from psycopg2 import sql

from trainer.data.copying import copy_out
from trainer.data.errors import MonthNotLoaded
from trainer.data.months import Month
from trainer.data.source import Service, SourceName
from trainer.data.transaction import Connection, transaction

__all__ = ["EXTRACTED", "Connection", "Load", "available_months", "connect", "extract", "loads"]

EXTRACTED = pa.schema(
    [
        ("pickup_at", pa.timestamp("us")),
        ("dropoff_at", pa.timestamp("us")),
        ("pu_location_id", pa.int32()),
        ("do_location_id", pa.int32()),
        ("trip_distance", pa.float64()),
        ("passenger_count", pa.int32()),
    ]
)
"""What ``extract`` gives: New York local time, TLC zones, miles."""


@dataclass(frozen=True, slots=True)
class Load:
    """A month as it stands in the warehouse."""

    source: SourceName
    service: Service
    month: Month
    uri: str
    sha256: str
    size: int
    """Bytes of the file."""
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rejected: dict[str, int]
    """Rows rejected, by reason."""
    loaded_at: datetime
    """With offset."""


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """A connection that is closed at the end; what isn't committed by then is undone.

    Args:
        url: ``postgresql://user:password@host:port/warehouse``.

    Raises:
        psycopg2.OperationalError: the database can't be reached.
    """
    connection = psycopg2.connect(
        url, connect_timeout=10, application_name="trainer", keepalives_idle=30, options="-c datestyle=ISO"
    )
    with closing(connection):
        yield connection


def loads(connection: Connection, source: SourceName, service: Service, months: Sequence[Month]) -> list[Load]:
    """Those of the months that are loaded, in order."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT month, uri, sha256, bytes, rows_read, rows_loaded, rows_rejected, rejected, loaded_at FROM loads"
            " WHERE source = %s AND service = %s AND month = ANY(%s::date[]) ORDER BY month",
            (source, service, [month.first_day for month in months]),
        )
        return [Load(source, service, Month.of(day), *rest) for day, *rest in cursor]


def available_months(connection: Connection, source: SourceName, service: Service) -> list[Month]:
    """All months that are loaded, in order."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT month FROM loads WHERE source = %s AND service = %s ORDER BY month", (source, service))
        return [Month.of(day) for (day,) in cursor]


def extract(connection: Connection, source: SourceName, service: Service, months: Sequence[Month]) -> pa.Table:
    """Trips of the months with the columns of ``EXTRACTED``, by month and then in their files' order.

    All months are as of one moment, even if one is being loaded again.

    Raises:
        MonthNotLoaded: naming all that the warehouse lacks.
    """
    _check_loaded(connection, source, service, months)
    # month by month, so that the CSV of no more than one is held
    with transaction(connection) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        parts = [copy_out(cursor, _query(source, service, month), EXTRACTED) for month in sorted(set(months))]
    return pa.concat_tables(parts) if parts else EXTRACTED.empty_table()


def _check_loaded(connection: Connection, source: SourceName, service: Service, months: Sequence[Month]) -> None:
    absent = set(months) - {load.month for load in loads(connection, source, service, months)}
    if absent:
        raise MonthNotLoaded(source, service, sorted(absent))


def _query(source: SourceName, service: Service, month: Month) -> sql.Composable:
    return sql.SQL(
        "SELECT {columns} FROM trips WHERE source = {source} AND service = {service} AND month = {month}"
        " ORDER BY file_row"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, EXTRACTED.names)),
        source=sql.Literal(source),
        service=sql.Literal(service),
        month=sql.Literal(month.first_day),
    )
