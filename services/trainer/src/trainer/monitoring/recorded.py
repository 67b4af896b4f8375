"""Predictions and outcomes of a window, out of the warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from contract import Contract, InvalidInput, Rows
from numpy.typing import NDArray

from trainer.data.transaction import Connection, Cursor, transaction
from trainer.monitoring.columns import as_table
from trainer.monitoring.monitoring import Window

MOST_ROWS = 100_000
"""Read of a window; of more, so many are drawn by their id, the same ones each time."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """Predictions of one version; arrays of shape (n,), rows of the table alike."""

    total: int
    """In the window, of which these may be a part."""
    fields: pa.Table
    """The contract's raw fields."""
    prediction: Values
    low: Values
    """NaN where no interval was promised."""
    high: Values
    actual: Values
    """NaN where the outcome isn't known."""
    unreadable: int = 0
    """Rows that the contract refuses; they are left out."""


@dataclass(frozen=True)
class Day:
    """Live figures of one version on one day (UTC)."""

    day: date
    version: str
    role: str
    predictions: int
    outcomes: int
    rmse: float | None
    mae: float | None = None
    coverage: float | None = None


# as champion and as challenger: what is asked of it is the same
_OF_VERSION = "model = %(model)s AND version = %(version)s AND at >= %(since)s AND at < %(until)s"


def predictions(connection: Connection, contract: Contract, version: str, window: Window) -> Recorded:
    """What the version answered, or would have, in the window."""
    return _read(connection, contract, version, window, "predictions", "'NaN'::float8")


def outcomes(connection: Connection, contract: Contract, version: str, window: Window) -> Recorded:
    """Those of them whose outcome is known."""
    return _read(connection, contract, version, window, "judged", "actual")


def _read(
    connection: Connection, contract: Contract, version: str, window: Window, table: str, actual: str
) -> Recorded:
    wanted = {
        "model": contract.name,
        "version": version,
        "since": window.since,
        "until": window.until,
    }
    with transaction(connection) as cursor:
        total = _count(cursor, table, wanted)
        # a share of the ids' hashes; a table's own sampling would draw whole pages, rows of the same minute
        cursor.execute(
            f"SELECT fields::text, prediction, low, high, {actual} FROM {table} WHERE {_OF_VERSION}"  # noqa: S608  (texts of our own)
            " AND (hashtextextended(id::text, 0) & 1048575) < %(share)s * 1048576 ORDER BY at, id",
            {**wanted, "share": min(1.0, MOST_ROWS / max(total, 1))},
        )
        found = cursor.fetchall()
    return _recorded(contract, total, found)


def _count(cursor: Cursor, table: str, wanted: Mapping[str, Any]) -> int:
    cursor.execute(f"SELECT count(*) FROM {table} WHERE {_OF_VERSION}", wanted)  # noqa: S608  (texts of our own)
    (total,) = cursor.fetchone() or (0,)
    return int(total)


def _recorded(contract: Contract, total: int, found: Sequence[tuple[Any, ...]]) -> Recorded:
    rows = Rows(contract)
    parsed, numbers = [], []
    for text, *others in found:
        try:
            parsed.append(rows.parse(text.encode()))
        except InvalidInput:
            continue
        numbers.append([np.nan if value is None else value for value in others])
    prediction, low, high, actual = np.array(numbers, dtype=np.float64).reshape(-1, 4).T
    return Recorded(total, as_table(contract, parsed), prediction, low, high, actual, len(found) - len(parsed))


def days(connection: Connection, model: str, window: Window) -> list[Day]:
    """Live figures of every version that answered, or would have, in the window, day by day."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT (p.at AT TIME ZONE 'UTC')::date AS day, version, role, count(*), count(actual),"
            " sqrt(avg((prediction - actual) ^ 2)), avg(abs(prediction - actual)),"
            " avg((actual BETWEEN low AND high)::int)::float8"
            " FROM predictions p LEFT JOIN outcomes o ON o.prediction_id = p.id"
            " WHERE model = %s AND p.at >= %s AND p.at < %s GROUP BY day, version, role ORDER BY day, version, role",
            (model, window.since, window.until),
        )
        return [Day(*row) for row in cursor]
