"""What came true of a table's predictions, in a real PostgreSQL."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from trainer.data.transaction import Connection, transaction
from trainer.usecase.declaration import Declaration
from trainer.usecase.outcomes import Matched, match
from trainer.usecase.reading import parse

TABLE = """\
name: rentals
sources: {files: {files: rentals.csv}}
table:
  columns:
    at: {type: timestamp}
    the "station": {type: text}
    dock: {type: integer}
    bikes: {type: integer}
target: {column: bikes}
fields:
  at: {type: timestamp}
  the "station": {type: category, values: [north, south]}
  dock: {type: integer, required: false}
outcomes: {match_on: [at, 'the "station"', dock]}
"""
NAME = 'the "station"'
MOMENT = datetime(2024, 5, 1, 8)


@pytest.fixture
def rentals() -> Declaration:
    return parse(TABLE.replace('the "station":', "'the \"station\"':"), "usecase.yaml")


def table(*rows: tuple[datetime, str, int | None, int]) -> pa.Table:
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {name: pa.array(values) for name, values in zip(["at", NAME, "dock", "bikes"], columns, strict=True)}
    )


def asked(connection: Connection, number: int, model: str = "rentals", **changes: Any) -> None:
    fields = {"at": "2024-05-01T08:00:00.900", NAME: "north", "dock": 7} | changes
    with transaction(connection) as cursor:
        cursor.execute("SELECT ensure_prediction_day(current_date)")
        cursor.execute(
            "INSERT INTO predictions (id, at, role, model, version, fields, prediction, seconds)"
            " VALUES (%s, now(), 'champion', %s, '1', %s, 1, 0)",
            (str(UUID(int=number)), model, json.dumps(fields)),
        )


def outcomes(connection: Connection) -> dict[int, tuple[float, str]]:
    with transaction(connection) as cursor:
        cursor.execute("SELECT prediction_id, actual, source FROM outcomes")
        return {UUID(str(name)).int: (actual, source) for name, actual, source in cursor}


def test_a_row_with_the_same_values_is_the_outcome_and_again_changes_nothing(
    connection: Connection, rentals: Declaration
) -> None:
    asked(connection, 1)
    asked(connection, 2, dock=7.0)
    asked(connection, 3, **{NAME: "south"})
    asked(connection, 4, model="other")
    rows = table((MOMENT, "north", 7, 12), (MOMENT, "north", 8, 13))
    assert match(connection, rentals, [rows]) == Matched(written=2, known=0, ambiguous=0)
    assert outcomes(connection) == {1: (12, "table"), 2: (12, "table")}
    assert match(connection, rentals, [rows]) == Matched(written=0, known=2, ambiguous=0)
    assert match(connection, rentals, [table((MOMENT, "north", 7, 11))]).written == 2
    assert outcomes(connection)[1] == (11, "table")


def test_what_several_rows_say_differently_is_left_out(connection: Connection, rentals: Declaration) -> None:
    asked(connection, 1)
    assert match(connection, rentals, [table((MOMENT, "north", 7, 12), (MOMENT, "north", 7, 13))]).ambiguous == 1
    assert outcomes(connection) == {}


def test_what_a_client_told_stays(connection: Connection, rentals: Declaration) -> None:
    asked(connection, 1)
    with transaction(connection) as cursor:
        cursor.execute("INSERT INTO outcomes VALUES (%s, 99, 'feedback', now())", (str(UUID(int=1)),))
    assert match(connection, rentals, [table((MOMENT, "north", 7, 12))]) == Matched(written=0, known=1, ambiguous=0)
    assert outcomes(connection) == {1: (99, "feedback")}


@pytest.mark.parametrize(
    "changes", [{"at": "soon"}, {"dock": "seven"}, {"dock": None}, {"at": None}, {"at": "infinity"}]
)
def test_a_request_that_is_about_no_row_has_no_outcome(
    connection: Connection, rentals: Declaration, changes: dict[str, Any]
) -> None:
    asked(connection, 1, **changes)
    found = match(connection, rentals, [table((MOMENT, "north", 7, 12), (MOMENT, "north", None, 13))])
    assert found == Matched(written=0, known=0, ambiguous=0)
