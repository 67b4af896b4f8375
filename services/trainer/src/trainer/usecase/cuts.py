"""How rows are cut into parts, in none of which a new model may be worse."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainer.usecase.declaration import Cut, Declaration

MISSING = "missing"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def slices(declaration: Declaration, rows: pa.Table) -> dict[str, Sequence[str]]:
    """The part of each row, for each way in which rows are cut.

    Raises:
        BadHook: a function that cuts them fails.
    """
    return {name_of(cut): _labels(declaration, cut, rows) for cut in declaration.judge.slices}


def name_of(cut: str | Cut) -> str:
    """As the verdict has it."""
    if isinstance(cut, str):
        return cut
    kind, of = cut.way
    return of if kind in {"hook", "bands"} else f"{kind} of {of}"


def _labels(declaration: Declaration, cut: str | Cut, rows: pa.Table) -> list[str]:
    if isinstance(cut, str):
        return _texts(rows[cut])
    kind, of = cut.way
    match kind:
        case "hook":
            return declaration.hooks.labels(of, rows)
        case "bands":
            return _bands(rows[of], cut.at)
        case "hour":
            return _texts(pc.strftime(rows[of], format="%H"))
        case "month":
            return _texts(pc.strftime(rows[of], format="%m"))
        case _:
            days = pc.day_of_week(rows[of]).to_pylist()
            return [MISSING if day is None else WEEKDAYS[day] for day in days]


def _texts(column: pa.ChunkedArray) -> list[str]:
    return [MISSING if value is None else str(value) for value in column.to_pylist()]


def _bands(column: pa.ChunkedArray, at: Sequence[float]) -> list[str]:
    ends = [f"{end:g}" for end in at]
    names = [
        f"under {ends[0]}",
        *(f"{low} to {high}" for low, high in pairwise(ends)),
        f"{ends[-1]} and more",
    ]
    values = np.asarray(column.cast(pa.float64()))
    positions = np.searchsorted(np.asarray(at), values, side="right")
    return [MISSING if np.isnan(value) else names[position] for value, position in zip(values, positions, strict=True)]
