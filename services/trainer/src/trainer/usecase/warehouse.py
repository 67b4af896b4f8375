"""A use case's table in PostgreSQL: made and widened by its declaration, and loaded period by period."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from psycopg2 import sql
from psycopg2.extras import Json

from trainer.data.copying import copied_parts, copy_in
from trainer.data.errors import DataError
from trainer.data.transaction import Connection, Cursor, transaction
from trainer.usecase.declaration import Declaration
from trainer.usecase.periods import Period, select
from trainer.usecase.rows import Counted, Rows, schema_of

SCHEMA = "usecases"
TYPES = {
    "number": "double precision",
    "integer": "bigint",
    "text": "text",
    "timestamp": "timestamp without time zone",
    "boolean": "boolean",
}
ALL_HASHES = 1 << 62
LONGEST = 63
"""Bytes of a name in PostgreSQL, which cuts what is longer."""


class TableChanged(DataError):
    """The declaration has a column otherwise than the table that exists."""

    def __init__(self, name: str, column: str, is_now: str, wanted: str) -> None:
        super().__init__(
            f"the table {SCHEMA}.{name} has the column {column!r} as {is_now}, the declaration as {wanted}: give the "
            f"column another name and `from: [{column}]`, or drop the table, and the next ingestion loads it again"
        )


class NothingToLoad(DataError):
    """A source has no row that can be loaded."""


class NotLoaded(DataError):
    """The warehouse doesn't have a period."""


@dataclass(frozen=True)
class Load:
    """A period as it stands in the warehouse."""

    period: Period
    digest: str
    counted: Counted
    loaded_at: datetime
    """With offset."""


@dataclass(frozen=True)
class Extract:
    """Rows of some periods, as of one moment, with the columns of the declaration, and ``_period``."""

    rows: int
    """That the warehouse has of them."""
    parts: Iterator[pa.Table]
    """Those of them that are drawn, in parts of bounded size; by period, then as in their files."""
    schema: pa.Schema

    def table(self) -> pa.Table:
        """All at once."""
        parts = list(self.parts)
        return pa.concat_tables(parts) if parts else self.schema.empty_table()


@dataclass(frozen=True)
class Loaded:
    """What an ingestion did."""

    loads: Sequence[Load]
    """The periods that it loaded."""
    unchanged: Sequence[Period]
    """Those that stood there already, with the same rows."""
    lost: Mapping[str, int]
    """Rows that lie in no period, by reason."""


def loads(connection: Connection, declaration: Declaration, source: str) -> list[Load]:
    """All periods that are loaded, in order."""
    with transaction(connection) as cursor:
        return _loads(cursor, declaration, source)


def unchanged(connection: Connection, declaration: Declaration, source: str, fingerprint: str) -> bool:
    """Whether all rows of these very files are loaded, as the declaration has them now."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT fingerprint FROM table_sources WHERE usecase = %s AND source = %s", (declaration.name, source)
        )
        found = cursor.fetchone()
        known = found is not None and found[0] == f"{_mark(declaration)}-{fingerprint}"
        return known and bool(_columns(cursor, declaration.name))


def load(
    connection: Connection,
    declaration: Declaration,
    source: str,
    rows: Rows,
    wanted: Sequence[str] | None = None,
    *,
    reload: bool = False,
    fingerprint: str | None = None,
) -> Loaded:
    """Makes the warehouse have the periods as the source has them, all in one transaction.

    Whoever reads meanwhile sees the old state, and so does everyone after a failure. Loads of the same use case wait
    for each other.

    Args:
        wanted: only these periods, as ``periods.select`` takes them; None for all that the source has.
        reload: also those that stand there with the same rows.
        fingerprint: of the files that ``rows`` are of; for ``unchanged``.

    Raises:
        NothingToLoad: the source has no sound row of the periods; all is as it was.
        TableChanged: likewise.
        DataError: the source can't be read.
    """
    counts, digests = rows.counts(), rows.digests()
    kind = declaration.table.period
    found = {Period(day, kind): counted for day, counted in counts.items() if day is not None}
    named = sorted(found) if wanted is None else select(sorted(found), wanted, kind)
    chosen = {period: found[period] for period in named if period in found}
    lost = counts[None].rejected if None in counts else {}
    _check(declaration, source, chosen, lost, wanted)
    mark = _mark(declaration)
    with transaction(connection) as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"load {declaration.name}",))
        ensure_table(cursor, declaration)
        before = {one.period: one.digest for one in _loads(cursor, declaration, source)}
        now = {period: f"{mark}-{digests[period.first_day]}" for period in chosen}
        due = sorted(period for period in chosen if reload or before.get(period) != now[period])
        if due:
            _replace(cursor, declaration, source, rows, due)
            for period in due:
                _record(cursor, declaration, source, period, now[period], chosen[period])
        if fingerprint is not None and wanted is None:
            cursor.execute(
                "INSERT INTO table_sources (usecase, source, fingerprint) VALUES (%s, %s, %s)"
                " ON CONFLICT (usecase, source) DO UPDATE SET fingerprint = excluded.fingerprint",
                (declaration.name, source, f"{mark}-{fingerprint}"),
            )
        after = [one for one in _loads(cursor, declaration, source) if one.period in due]
    return Loaded(after, sorted(set(chosen) - set(due)), lost)


@contextmanager
def opened_extract(
    connection: Connection,
    declaration: Declaration,
    source: str,
    periods: Sequence[Period],
    most_rows: int | None = None,
    spill: Path | None = None,
) -> Iterator[Extract]:
    """Rows of the periods.

    Args:
        most_rows: of more, about so many are drawn: the same each time, and the same share of each period.
        spill: an existing folder for rows on their way; without, the system's.

    Raises:
        NotLoaded: naming all periods that the warehouse lacks.
    """
    schema = schema_of(declaration)
    with transaction(connection) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        there = {one.period: one.counted.accepted for one in _loads(cursor, declaration, source)}
        if absent := sorted(set(periods) - set(there)):
            named = ", ".join(map(str, absent))
            raise NotLoaded(
                f"the warehouse doesn't have {named} of {declaration.name} from {source}; run the flow ingest"
            )
        wanted = sorted(set(periods))
        rows = sum(there[period] for period in wanted)
        share = min(1.0, most_rows / rows) if most_rows is not None and rows else 1.0
        parts = (
            part
            for period in wanted
            for part in copied_parts(cursor, _query(declaration, source, period, share), schema, spill)
        )
        yield Extract(rows, parts, schema)


def extract(connection: Connection, declaration: Declaration, source: str, periods: Sequence[Period]) -> pa.Table:
    """All rows of the periods at once. Raises as ``opened_extract``."""
    with opened_extract(connection, declaration, source, periods) as found:
        return found.table()


def ensure_table(cursor: Cursor, declaration: Declaration) -> None:
    """The table, with every column of the declaration; a column that it no longer has stays, and is null in new rows.

    Raises:
        TableChanged: a column is there with another type.
    """
    columns = {column_name(name): TYPES[column.type] for name, column in declaration.table.columns.items()}
    table = sql.Identifier(SCHEMA, declaration.name)
    there = _columns(cursor, declaration.name)
    if not there:
        # somebody may have dropped it: nothing of it is loaded then, whatever was
        for what in ("table_loads", "table_rejections", "table_sources"):
            cursor.execute(
                sql.SQL("DELETE FROM {} WHERE usecase = %s").format(sql.Identifier(what)), (declaration.name,)
            )
        defined = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns.items()
        )
        ours = "_source text NOT NULL, _period date NOT NULL, _row bigint NOT NULL"
        statement = sql.SQL("CREATE TABLE {} ({}, {}) PARTITION BY LIST (_period)")
        cursor.execute(statement.format(table, sql.SQL(ours), defined))
        return
    for name, kind in columns.items():
        if name not in there:
            cursor.execute(
                sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(table, sql.Identifier(name), sql.SQL(kind))
            )
        elif there[name] != kind:
            raise TableChanged(declaration.name, name, there[name], kind)


def column_name(name: str) -> str:
    """A column's name as PostgreSQL has it: one that is too long is cut, and told apart by a digest."""
    if len(name.encode()) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: LONGEST - 9].decode(errors='ignore')}_{digest}"


def _check(
    declaration: Declaration,
    source: str,
    chosen: Mapping[Period, Counted],
    lost: Mapping[str, int],
    wanted: Sequence[str] | None,
) -> None:
    if any(counted.accepted for counted in chosen.values()):
        return
    reasons: dict[str, int] = dict(lost)
    for counted in chosen.values():
        for reason, rows in counted.rejected.items():
            reasons[reason] = reasons.get(reason, 0) + rows
    said = ", ".join(f"{reason}: {rows:,}" for reason, rows in reasons.items())
    of_what = f" of {', '.join(wanted)}" if wanted else ""
    why = f"every row is rejected ({said})" if said else f"no row{of_what}"
    raise NothingToLoad(f"{declaration.name}, source {source}: {why}; the warehouse is as it was")


def _replace(cursor: Cursor, declaration: Declaration, source: str, rows: Rows, due: Sequence[Period]) -> None:
    days = [period.first_day for period in due]
    table = sql.Identifier(SCHEMA, declaration.name)
    for period in due:
        _ensure_partition(cursor, declaration.name, period)
    cursor.execute(sql.SQL("DELETE FROM {} WHERE _source = %s AND _period = ANY(%s)").format(table), (source, days))
    for what in ("table_loads", "table_rejections"):
        cursor.execute(
            sql.SQL(
                "DELETE FROM {} WHERE usecase = %s AND source = %s AND (period = ANY(%s) OR period IS NULL)"
            ).format(sql.Identifier(what)),
            (declaration.name, source, days),
        )
    for batch in rows.accepted(days):
        part = pa.Table.from_batches([batch]).append_column("_source", _repeated(source, batch))
        copy_in(cursor, declaration.name, part.rename_columns(list(map(column_name, part.column_names))), SCHEMA)
    names = {"_period": "period", "_row": "row_number", "_reason": "reason", "row": "row"}
    for batch in rows.rejected([*days, None]):
        part = pa.Table.from_batches([batch]).rename_columns(names)
        part = part.append_column("usecase", _repeated(declaration.name, batch))
        copy_in(cursor, "table_rejections", part.append_column("source", _repeated(source, batch)))


def _repeated(value: str, like: pa.RecordBatch) -> pa.Array:
    return pa.repeat(pa.scalar(value), like.num_rows)


def _record(
    cursor: Cursor, declaration: Declaration, source: str, period: Period, digest: str, counted: Counted
) -> None:
    cursor.execute(
        "INSERT INTO table_loads (usecase, source, period, digest, rows_read, rows_loaded, rows_rejected, rejected)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            declaration.name,
            source,
            period.first_day,
            digest,
            counted.read,
            counted.accepted,
            counted.read - counted.accepted,
            Json(counted.rejected),
        ),
    )


def _loads(cursor: Cursor, declaration: Declaration, source: str) -> list[Load]:
    cursor.execute(
        "SELECT period, digest, rows_read, rejected, loaded_at FROM table_loads"
        " WHERE usecase = %s AND source = %s ORDER BY period",
        (declaration.name, source),
    )
    kind = declaration.table.period
    return [Load(Period(day, kind), digest, Counted(read, rejected), at) for day, digest, read, rejected, at in cursor]


def _mark(declaration: Declaration) -> str:
    """Changes with what the declaration makes of a file's rows."""
    decisive = declaration.table.model_dump_json(exclude={"leave_out", "group"})
    return hashlib.sha256(decisive.encode()).hexdigest()[:12]


def _ensure_partition(cursor: Cursor, name: str, period: Period) -> None:
    partition = f"{name[:40]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}_{period.first_day:%Y%m%d}"
    if _columns(cursor, partition):
        return
    names = {"partition": sql.Identifier(SCHEMA, partition), "table": sql.Identifier(SCHEMA, name)}
    # CREATE TABLE … PARTITION OF would lock out all readers until this load ends; ATTACH doesn't
    cursor.execute(sql.SQL("CREATE TABLE {partition} (LIKE {table} INCLUDING ALL)").format(**names))
    cursor.execute(sql.SQL("CREATE INDEX ON {partition} (_source)").format(**names))
    cursor.execute(
        sql.SQL("ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES IN ({day})").format(
            **names, day=sql.Literal(period.first_day)
        )
    )


def _columns(cursor: Cursor, table: str) -> dict[str, str]:
    # not to_regclass: after waiting for a lock it may still answer from the session's cache
    cursor.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
        (SCHEMA, table),
    )
    found: list[Any] = cursor.fetchall()
    return dict(found)


def _query(declaration: Declaration, source: str, period: Period, share: float) -> sql.Composable:
    # PostgreSQL writes a boolean as one letter
    columns = [
        sql.SQL("{}::text").format(sql.Identifier(column_name(name)))
        if column.type == "boolean"
        else sql.Identifier(column_name(name))
        for name, column in declaration.table.columns.items()
    ]
    # by a hash: the same rows each time, whatever else is loaded meanwhile
    drawn = sql.SQL("hashint8extended(_row, 1) & {all} < {some}").format(
        all=sql.Literal(ALL_HASHES - 1), some=sql.Literal(int(share * ALL_HASHES))
    )
    return sql.SQL(
        "SELECT {columns} FROM {table} WHERE _source = {source} AND _period = {period} AND {drawn} ORDER BY _row"
    ).format(
        columns=sql.SQL(", ").join([sql.Identifier("_period"), *columns]),
        table=sql.Identifier(SCHEMA, declaration.name),
        source=sql.Literal(source),
        period=sql.Literal(period.first_day),
        drawn=drawn if share < 1 else sql.SQL("true"),
    )
