"""What came true of predictions, found among rows that were loaded later."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
from psycopg2 import sql

from trainer.data.copying import copy_in
from trainer.data.transaction import Connection, Cursor, transaction
from trainer.usecase.declaration import CategoryField, Declaration, TimestampField

FOUND = "found_now"
"""Temporary table of the rows."""

OUTCOME = "outcome"


@dataclass(frozen=True)
class Matched:
    """Predictions by what rows say of them."""

    written: int
    """Outcomes that are new, or that rows which were loaded again have changed."""
    known: int
    """Those that a client told of, or that stood there already."""
    ambiguous: int
    """Several rows fit, with different outcomes."""


def match(connection: Connection, declaration: Declaration, parts: Iterable[pa.Table]) -> Matched:
    """Writes the outcomes of predictions that rows were about; again it changes nothing.

    A prediction is about a row that has the same values in all fields of ``outcomes.match_on``; a missing one is like
    no other. What a client told by ``/feedback`` stays.

    Args:
        parts: clean rows, with the fields and the target.
    """
    assert declaration.outcomes is not None
    names = declaration.outcomes.match_on
    kinds = [_kind(declaration, name) for name in names]
    # names of our own: a field may be called as it likes
    columns = [f"c{position}" for position in range(len(names))]
    with transaction(connection) as cursor:
        _copy(cursor, declaration, parts, kinds)
        cursor.execute(_matched(names, columns, kinds), {"model": declaration.name})
        cursor.execute(
            "INSERT INTO outcomes AS known (prediction_id, actual, source, received_at)"
            " SELECT id, low, 'table', clock_timestamp() FROM matched_now WHERE low = high ORDER BY id"
            " ON CONFLICT (prediction_id) DO UPDATE SET actual = excluded.actual, received_at = excluded.received_at"
            " WHERE known.source = 'table' AND known.actual IS DISTINCT FROM excluded.actual"
        )
        written = cursor.rowcount
        cursor.execute("SELECT count(*) FILTER (WHERE low = high), count(*) FILTER (WHERE low < high) FROM matched_now")
        found, ambiguous = cursor.fetchone() or (0, 0)
        return Matched(written, found - written, ambiguous)


def _copy(cursor: Cursor, declaration: Declaration, parts: Iterable[pa.Table], kinds: list[str]) -> None:
    assert declaration.outcomes is not None
    defined = ", ".join(f"c{position} {kind}" for position, kind in enumerate(kinds))
    cursor.execute(f"CREATE TEMPORARY TABLE {FOUND} ({defined}, {OUTCOME} float8) ON COMMIT DROP")
    for rows in parts:
        columns = {f"c{position}": rows[name] for position, name in enumerate(declaration.outcomes.match_on)}
        copy_in(cursor, FOUND, pa.table({**columns, OUTCOME: rows[declaration.target.column].cast(pa.float64())}))
    cursor.execute(f"ANALYZE {FOUND}")


def _matched(names: list[str], columns: list[str], kinds: list[str]) -> sql.Composable:
    """Fields are as they were sent: what can't be read as the column's type is about no row."""
    read = sql.SQL(", ").join(
        sql.SQL("CASE WHEN pg_input_is_valid(fields ->> {name}, {kind}) THEN {value} END AS {column}").format(
            name=sql.Literal(name), kind=sql.Literal(kind), value=_value(name, kind), column=sql.Identifier(column)
        )
        for name, column, kind in zip(names, columns, kinds, strict=True)
    )
    using = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL(
        "CREATE TEMPORARY TABLE matched_now ON COMMIT DROP AS"
        " SELECT asked.id, min({outcome}) AS low, max({outcome}) AS high FROM"
        " (SELECT DISTINCT id, {read} FROM predictions WHERE model = %(model)s) asked JOIN {found} USING ({using})"
        " GROUP BY asked.id"
    ).format(outcome=sql.Identifier(OUTCOME), read=read, found=sql.Identifier(FOUND), using=using)


def _value(name: str, kind: str) -> sql.Composable:
    value = sql.SQL("(fields ->> {})::{}").format(sql.Literal(name), sql.SQL(kind))
    # a contract's times are whole seconds
    return sql.SQL("date_trunc('second', {})").format(value) if kind == "timestamp" else value


def _kind(declaration: Declaration, name: str) -> str:
    """PostgreSQL's type by which a request's value and a row's are compared."""
    field = declaration.fields[name]
    if isinstance(field, TimestampField):
        return "timestamp"
    of_texts = isinstance(field, CategoryField) and isinstance(field.values[0], str)
    return "text" if of_texts else "float8"
