"""A table's rows as its declaration has them, out of the files of a source: typed, computed, and judged row by row."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from trainer.data.errors import DataError
from trainer.usecase.cells import value_of
from trainer.usecase.database import identifier, opened, text
from trainer.usecase.declaration import AnySource, Column, Declaration, Files, Period
from trainer.usecase.expressions import SQL_TYPES
from trainer.usecase.files import FILE_PERIOD, DataFile, columns_of, explained, find, relation
from trainer.usecase.periods import EVERYTHING, Asked
from trainer.usecase.sources import as_files

ROWS_AT_A_TIME = 50_000

ARROW_TYPES = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "text": pa.string(),
    "timestamp": pa.timestamp("us"),
    "boolean": pa.bool_(),
}

TRUNCATED: Mapping[Period, str] = {"day": "day", "week": "week", "month": "month"}


class MissingColumn(DataError):
    """No file has a column that the table can't do without."""

    def __init__(self, files: Sequence[DataFile], columns: Sequence[str], present: Sequence[str]) -> None:
        where = files[0].path if len(files) == 1 else f"{files[0].path} and {len(files) - 1} more files"
        super().__init__(f"{where}: no column for {', '.join(columns)}; there are {', '.join(present)}")


@dataclass(frozen=True)
class Counted:
    """Rows of a period, by what becomes of them."""

    read: int
    rejected: dict[str, int]
    """By reason, the most frequent first."""

    @property
    def accepted(self) -> int:
        return self.read - sum(self.rejected.values())


class Rows:
    """The rows of a source. Not thread-safe. Use ``opened_rows``."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, declaration: Declaration, files: Sequence[DataFile]
    ) -> None:
        self._connection = connection
        self._declaration = declaration
        self._files = files

    @property
    def columns(self) -> list[str]:
        return list(self._declaration.table.columns)

    def counts(self) -> dict[Any, Counted]:
        """Rows by the first day of their period; None for those that lie in none, which are all rejected."""
        query = "SELECT _period, _reason, count(*) AS rows FROM judged GROUP BY ALL ORDER BY rows DESC, _reason"
        read: dict[Any, int] = {}
        rejected: dict[Any, dict[str, int]] = {}
        for period, reason, rows in self._fetched(query):
            read[period] = read.get(period, 0) + rows
            if reason is not None:
                rejected.setdefault(period, {})[reason] = rows
        return {period: Counted(rows, rejected.get(period, {})) for period, rows in read.items()}

    def digests(self) -> dict[Any, str]:
        """A digest of the content of each period, whatever the order of its rows: changed rows change it."""
        contents = ", ".join(f"coalesce({identifier(name)}::VARCHAR, chr(0))" for name in self.columns)
        # by a sum: rows that are there twice count twice
        row = f"md5_number_lower(concat_ws(chr(1), {contents}))"
        query = f"SELECT _period, sum({row}::HUGEINT % 1000000007000000009), count(*) FROM judged GROUP BY _period"
        return {period: f"{int(total):x}-{rows}" for period, total, rows in self._fetched(query)}

    def accepted(self, periods: Sequence[Any] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows without a reason against them, in their order, with ``_period`` and ``_row``."""
        names = ", ".join(["_period", "_row", *map(identifier, self.columns)])
        yield from self._batches(f"SELECT {names} FROM judged WHERE _reason IS NULL {_of(periods)}")

    def rejected(self, periods: Sequence[Any] | None = None) -> Iterator[pa.RecordBatch]:
        """The others: ``_period``, ``_row``, ``_reason``, and ``row``, a JSON object of what was read."""
        packed = ", ".join(f"{text(name)}, {identifier(name)}::VARCHAR" for name in self.columns)
        query = f"SELECT _period, _row, _reason, json_object({packed})::VARCHAR AS row FROM judged"
        yield from self._batches(f"{query} WHERE _reason IS NOT NULL {_of(periods)}")

    def table(self) -> pa.Table:
        """All accepted rows at once."""
        return self.table_with_periods().drop_columns(["_period"])

    def table_with_periods(self) -> pa.Table:
        """All accepted rows at once, with the first day of each one's period as ``_period``."""
        parts = list(self.parts())
        return pa.concat_tables(parts) if parts else self.schema.empty_table()

    def parts(self) -> Iterator[pa.Table]:
        """The same, in parts of bounded size."""
        schema = self.schema
        for batch in self.accepted():
            yield pa.Table.from_batches([batch]).select(schema.names).cast(schema)

    @property
    def schema(self) -> pa.Schema:
        """Of accepted rows with their period."""
        return schema_of(self._declaration)

    def sampled(self, rows: int, columns: Sequence[str]) -> dict[str, Any]:
        """Numbers of so many rows, float64 of shape (n,), NaN for missing; the same rows each time."""
        names = ", ".join(f"{identifier(name)}::DOUBLE AS {identifier(name)}" for name in columns)
        query = f"SELECT {names} FROM computed USING SAMPLE reservoir({rows} ROWS) REPEATABLE (1)"
        batches = [pa.Table.from_batches([batch]) for batch in self._batches(query)]
        table = (
            pa.concat_tables(batches) if batches else pa.table({name: pa.array([], pa.float64()) for name in columns})
        )
        return {name: table[name].to_numpy() for name in columns}

    def share(self, condition: str) -> float:
        """Of the rows for which it can be said, those for which a condition holds."""
        found = self._fetched(f"SELECT avg(({condition})::INTEGER) FROM computed")
        return float(found[0][0] or 0)

    def periods(self, time: str, kind: Period, least_rows: int) -> int:
        """How many periods of a kind have so many rows."""
        period = f"date_trunc('{TRUNCATED[kind]}', {identifier(time)})"
        query = (
            f"SELECT count(*) FROM (SELECT {period} AS period FROM computed GROUP BY 1 HAVING count(*) >= {least_rows})"
        )
        return int(self._fetched(query)[0][0])

    def _fetched(self, query: str) -> list[Any]:
        try:
            return self._connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise explained(error, self._files) from None

    def _batches(self, query: str) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._connection.sql(query).to_arrow_reader(ROWS_AT_A_TIME)
        except (duckdb.Error, pa.ArrowException) as error:
            raise explained(error, self._files) from None


def schema_of(declaration: Declaration) -> pa.Schema:
    """Of the table's rows: ``_period``, the first day of each one's period, and the columns of the declaration."""
    columns = declaration.table.columns
    return pa.schema([("_period", pa.date32()), *((name, ARROW_TYPES[each.type]) for name, each in columns.items())])


@contextmanager
def opened_rows(
    declaration: Declaration,
    source: AnySource,
    root: Path,
    spill: Path | None = None,
    asked: Asked = EVERYTHING,
    downloads: Path | None = None,
) -> Iterator[Rows]:
    """The rows of a source.

    Args:
        root: what the files' paths are relative to.
        spill: an existing folder for what doesn't fit into memory, and for the rows of a query.
        asked: what queries, functions of hooks.py, and addresses with ``{period}`` are asked for. All that files of
            this machine have is read in any case.
        downloads: an existing folder where files behind addresses are kept; without, they are fetched each time.

    Raises:
        DataError: files, columns or rows aren't there, or can't be read.
        SourceUnavailable: a database can't be reached.
    """
    with TemporaryDirectory(dir=spill) as folder:
        read_as, located = as_files(declaration, source, root, asked, Path(folder), downloads)
        files = find(read_as, located)
        with opened((file.path for file in files), spill) as connection:
            try:
                connection.execute(_views(declaration, read_as, files, connection)).fetchall()
            except duckdb.Error as error:
                raise explained(error, files) from None
            if declaration.table.key:
                _find_duplicates(connection, declaration.table.key, files)
            connection.execute(_judged(declaration, by_key=bool(declaration.table.key)))
            yield Rows(connection, declaration, files)


def _views(
    declaration: Declaration, source: Files, files: Sequence[DataFile], connection: duckdb.DuckDBPyConnection
) -> str:
    present = columns_of(files)
    plain = {name: column for name, column in declaration.table.columns.items() if column.sql is None}
    spelt = {name: _spelling(name, column, present) for name, column in plain.items()}
    absent = [name for name in _needed(declaration) if name in plain and spelt[name] is None]
    if absent:
        raise MissingColumn(files, absent, list(present))
    typed, unreadable, flags = [], [], []
    zone = declaration.table.timezone
    for position, (name, column) in enumerate(plain.items()):
        spelling = spelt[name]
        if spelling is None:
            typed.append(f"NULL::{SQL_TYPES[column.type]} AS {identifier(name)}")
            continue
        value, given = value_of(column, spelling, present[spelling], source, zone)
        flag = f"_given_{position}"
        typed += [f"{value} AS {identifier(name)}", f"{given} AS {flag}"]
        flags.append(flag)
        unreadable.append(f"WHEN {flag} AND {identifier(name)} IS NULL THEN {text(f'unreadable_{slug(name)}')}")
    reason = f"CASE {' '.join(unreadable)} END" if unreadable else "NULL"
    computed = [
        f"TRY(({column.sql}\n)::{SQL_TYPES[column.type]}) AS {identifier(name)}"
        for name, column in declaration.table.columns.items()
        if column.sql is not None
    ]
    raw = relation(files, source, connection)
    but_flags = f"* EXCLUDE ({', '.join(flags)})" if flags else "*"
    every = ", ".join([but_flags, f"{reason} AS _unreadable", *computed])
    return (
        # the files are read once, whatever is asked of their rows; what is too large for memory lies on the disk
        f"CREATE TEMP TABLE read AS SELECT {every} FROM (SELECT {', '.join([*typed, FILE_PERIOD])} FROM ({raw}));"
        f"CREATE TEMP VIEW computed AS SELECT {_number(declaration)} AS _row, * FROM read"
    )


def _number(declaration: Declaration) -> str:
    """A row's number, from 0, in the order of the files, which the table keeps."""
    if any(name.lower() == "rowid" for name in declaration.table.columns):
        return "row_number() OVER () - 1"
    # what a table has anyway: a window would take one core alone
    return "rowid"


def _judged(declaration: Declaration, *, by_key: bool) -> str:
    table = declaration.table
    cases = ["WHEN _unreadable IS NOT NULL THEN _unreadable"]
    if table.time is not None:
        cases.append(f"WHEN {identifier(table.time)} IS NULL THEN 'time_missing'")
    cases += [f"WHEN {identifier(name)} IS NULL THEN {text(f'{slug(name)}_missing')}" for name in table.key]
    if by_key:
        cases.append("WHEN _row IN (SELECT _row FROM duplicates) THEN 'duplicate_key'")
    cases += [f"WHEN ({expression}\n) THEN {text(reason)}" for reason, expression in table.reject.items()]
    if table.period == "all" or table.time is None:
        period = "DATE '1970-01-01'"
    else:
        own = f"date_trunc('{TRUNCATED[table.period]}', {identifier(table.time)})::DATE"
        # a file that is of a period has no rows of another: a clock that was never set makes a period of its own
        cases.append(f"WHEN {FILE_PERIOD} <> {own} THEN 'outside_period'")
        period = f"coalesce({FILE_PERIOD}, {own})"
    return (
        f"CREATE TEMP VIEW judged AS SELECT * EXCLUDE ({FILE_PERIOD}), CASE {' '.join(cases)} END AS _reason,"
        f" {period} AS _period FROM computed"
    )


def _find_duplicates(connection: duckdb.DuckDBPyConnection, key: Sequence[str], files: Sequence[DataFile]) -> None:
    """Of rows with the same key the first counts."""
    names = ", ".join(map(identifier, key))
    known = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in key)
    try:
        connection.execute(
            f"CREATE TEMP TABLE duplicates AS SELECT _row FROM (SELECT _row, row_number() OVER (PARTITION BY {names}"
            f" ORDER BY _row) AS number FROM computed WHERE {known} AND _unreadable IS NULL) WHERE number > 1"
        ).fetchall()
    except duckdb.Error as error:
        raise explained(error, files) from None


def _needed(declaration: Declaration) -> list[str]:
    """Columns that a row can't do without."""
    table = declaration.table
    required = [name for name, field in declaration.fields.items() if field.required]
    named = [*table.key, *table.group, *([table.time] if table.time else []), declaration.target.column, *required]
    return list(dict.fromkeys(named))


def _spelling(name: str, column: Column, present: Mapping[str, str]) -> str | None:
    """The column of the files that is meant: by its exact name, or else whatever its capitals and blanks."""
    wanted = column.spellings or [name]
    for spelling in wanted:
        if spelling in present:
            return spelling
    plain = {known.strip().lower(): known for known in present}
    return next((plain[spelling.strip().lower()] for spelling in wanted if spelling.strip().lower() in plain), None)


def _of(periods: Sequence[Any] | None) -> str:
    if periods is None:
        return ""
    named = [f"DATE {text(day.isoformat())}" for day in periods if day is not None]
    either = [f"_period IN ({', '.join(named)})"] if named else []
    if None in periods:
        either.append("_period IS NULL")
    return f"AND ({' OR '.join(either) or 'false'})"


def slug(name: str) -> str:
    """A name as a part of a reason."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:48] or "column"
