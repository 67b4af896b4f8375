"""SQL expressions of a declaration: what they may be, and of which type they are."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from trainer.usecase.database import identifier, opened

SQL_TYPES = {
    "number": "DOUBLE",
    "integer": "BIGINT",
    "text": "VARCHAR",
    "timestamp": "TIMESTAMP",
    "boolean": "BOOLEAN",
}
"""DuckDB's type of each type of a column."""

FORBIDDEN = {
    "SUBQUERY": "a query within it",
    "WINDOW": "a window function",
    "STAR": "a star",
    "PARAMETER": "a parameter",
}
"""Classes of parts that an expression over one row hasn't."""


class BadExpression(Exception):
    """It isn't one that can be computed for each row by itself."""


class Checker:
    """Checks expressions over columns of known types.

    Args:
        columns: DuckDB's types by the columns' names.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: Mapping[str, str]) -> None:
        self._connection = connection
        self._columns = columns
        declared = ", ".join(f"NULL::{kind} AS {identifier(name)}" for name, kind in columns.items())
        connection.execute(f"CREATE OR REPLACE TEMP VIEW declared AS SELECT {declared} WHERE false")

    def type_of(self, expression: str) -> str:
        """DuckDB's type of its value.

        Raises:
            BadExpression: it is none, or it asks for more than the columns of one row.
        """
        tree = self._parsed(expression)
        for part in _parts(tree):
            if (kind := str(part.get("class"))) in FORBIDDEN:
                raise BadExpression(f"has {FORBIDDEN[kind]}; it may only use the columns of its row")
        try:
            # one line more, or a comment would end the statement
            described = self._connection.execute(f"DESCRIBE SELECT (\n{expression}\n) AS value FROM declared")
            rows = described.fetchall()
            # that it is no aggregate shows only beside a column
            first = identifier(next(iter(self._columns)))
            self._connection.execute(f"DESCRIBE SELECT {first}, (\n{expression}\n) AS value FROM declared")
        except duckdb.Error as error:
            raise BadExpression(_said(error, self._columns)) from None
        return str(rows[0][1])

    def _parsed(self, expression: str) -> Any:
        query = f"SELECT (\n{expression}\n)"
        rows = self._connection.execute("SELECT json_serialize_sql($1)", [query]).fetchall()
        found = json.loads(rows[0][0])
        if found.get("error"):
            raise BadExpression(f"doesn't parse: {str(found.get('error_message', '')).splitlines()[0]}")
        nodes = [statement["node"] for statement in found["statements"]]
        if len(nodes) != 1 or nodes[0]["type"] != "SELECT_NODE" or len(nodes[0]["select_list"]) != 1:
            raise BadExpression("isn't one expression")
        return nodes[0]["select_list"][0]


def checked(columns: Mapping[str, str], expressions: Mapping[Any, tuple[str, str | None]]) -> Iterator[tuple[Any, str]]:
    """The problems of expressions, by their keys.

    Args:
        expressions: each with DuckDB's type that it must have, or None for any.
    """
    with opened() as connection:
        checker = Checker(connection, columns)
        for key, (expression, wanted) in expressions.items():
            try:
                found = checker.type_of(expression)
            except BadExpression as error:
                yield key, str(error)
                continue
            if wanted and found != wanted:
                yield key, f"is of the type {found}, where {wanted} is wanted"


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _parts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _parts(value)


def _said(error: duckdb.Error, columns: Mapping[str, str]) -> str:
    """The first line of what DuckDB says, without its own picture of the statement."""
    line = str(error).splitlines()[0]
    if absent := re.search(r'column "([^"]*)" not found in FROM clause', line):
        near = difflib.get_close_matches(absent[1], columns, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(columns)}"
        return f"{absent[1]!r} is no column; {hint}"
    if "GROUP BY" in line:
        return "has an aggregate; it may only use the columns of its row"
    return line.partition("Error: ")[2] or line
