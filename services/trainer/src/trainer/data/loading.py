"""A month into the warehouse: all of it or nothing, once or again."""

import json
import math
from collections import Counter
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extras import Json

from trainer.data.copying import copy_in
from trainer.data.errors import AllRowsRejected, EmptyMonth
from trainer.data.months import Month
from trainer.data.sifted import Sifted
from trainer.data.source import MonthFile, Service, SourceName
from trainer.data.transaction import Connection, Cursor, transaction
from trainer.data.warehouse import Load


def load_month(
    connection: Connection,
    source: SourceName,
    service: Service,
    month: Month,
    *,
    parts: Iterable[Sifted],
    file: MonthFile,
) -> Load:
    """Replaces what the warehouse has of the month, in one transaction.

    Whoever reads meanwhile sees the old state, and so does everyone after a failure. Loads of the same month wait for
    each other.

    Args:
        parts: all rows of the file; no more than one part is held at a time. Their columns are those of the table
            ``trips`` but source, service and month.

    Returns:
        The month as it now stands.

    Raises:
        EmptyMonth, AllRowsRejected: there would be nothing in it.
    """
    rejected: Counter[str] = Counter()
    loaded = 0
    with transaction(connection) as cursor:
        _lock(cursor, f"load {source} {service} {month}")
        _ensure_partition(cursor, month)
        _delete(cursor, source, service, month)
        for part in parts:
            copy_in(cursor, "trips", _of(part.accepted, source, service, month))
            copy_in(cursor, "trips_rejected", _of(_quarantined(part.rejected), source, service, month))
            loaded += part.accepted.num_rows
            rejected.update(part.reasons)
        if not loaded:
            raise AllRowsRejected(file.uri, dict(rejected.most_common())) if rejected else EmptyMonth(file.uri)
        return _record(cursor, source, service, month, file, loaded, dict(rejected.most_common()))


def _record(
    cursor: Cursor,
    source: SourceName,
    service: Service,
    month: Month,
    file: MonthFile,
    loaded: int,
    rejected: dict[str, int],
) -> Load:
    counts = (loaded + sum(rejected.values()), loaded, sum(rejected.values()))
    cursor.execute(
        "INSERT INTO loads"
        " (source, service, month, uri, sha256, bytes, rows_read, rows_loaded, rows_rejected, rejected)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING loaded_at",
        (source, service, month.first_day, file.uri, file.sha256, file.size, *counts, Json(rejected)),
    )
    (loaded_at,) = cursor.fetchone() or (None,)
    return Load(source, service, month, file.uri, file.sha256, file.size, *counts, rejected, loaded_at)


def partition_name(month: Month) -> str:
    return f"trips_{month.year}_{month.number:02}"


def _lock(cursor: Cursor, what: str) -> None:
    """Waits for the advisory lock of that name and holds it to the transaction's end."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (what,))


def _ensure_partition(cursor: Cursor, month: Month) -> None:
    if _exists(cursor, partition_name(month)):
        return
    _lock(cursor, "partitions of trips")
    if _exists(cursor, partition_name(month)):
        return
    # CREATE TABLE … PARTITION OF would lock out all readers of all months until this load ends; ATTACH doesn't
    names = {"partition": sql.Identifier(partition_name(month))}
    cursor.execute(sql.SQL("CREATE TABLE {partition} (LIKE trips INCLUDING ALL)").format(**names))
    cursor.execute(
        sql.SQL("ALTER TABLE trips ATTACH PARTITION {partition} FOR VALUES FROM ({first}) TO ({end})").format(
            **names, first=sql.Literal(month.first_day), end=sql.Literal(month.next().first_day)
        )
    )


def _exists(cursor: Cursor, table: str) -> bool:
    # not to_regclass: after waiting for a lock it may still answer from the session's cache
    cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema() AND tablename = %s)", (table,)
    )
    row = cursor.fetchone()
    return row is not None and bool(row[0])


def _delete(cursor: Cursor, source: SourceName, service: Service, month: Month) -> None:
    for table in ("trips", "trips_rejected", "loads"):
        cursor.execute(
            sql.SQL("DELETE FROM {} WHERE source = %s AND service = %s AND month = %s").format(sql.Identifier(table)),
            (source, service, month.first_day),
        )


def _of(rows: pa.Table, source: SourceName, service: Service, month: Month) -> pa.Table:
    constants = {"source": source, "service": service, "month": month.first_day}
    for name, value in constants.items():
        rows = rows.append_column(name, pa.repeat(pa.scalar(value), rows.num_rows))
    return rows


def _quarantined(rejected: pa.Table) -> pa.Table:
    """Rows as JSON objects: the quarantine's columns stay the same whatever a file has.

    Times are written by Arrow, for Python knows none after the year 9999; numbers that JSON doesn't know, as texts.
    """
    contents = rejected.drop_columns(["file_row", "reason"])
    for position, field in enumerate(contents.schema):
        if pa.types.is_timestamp(field.type):
            texts = pc.replace_substring_regex(contents[field.name].cast(pa.string()), r"\.0+$", "")
            contents = contents.set_column(position, field.name, texts)
    rows = ({name: _in_json(value) for name, value in row.items()} for row in contents.to_pylist())
    as_json = [json.dumps(row, default=str) for row in rows]
    return rejected.select(["file_row", "reason"]).append_column("row", pa.array(as_json, pa.string()))


def _in_json(value: object) -> object:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
