"""Rows that can't be what they say: kept out of the trips at ingestion, each with the first reason that holds.

What is merely unusual (no distance, a few seconds, a day) stays: whether to learn from it is for training to decide.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainer.data.months import Month
from trainer.data.sifted import Sifted
from trainer.usecases.trips.columns import OFFSET
from trainer.usecases.trips.fields import ZONES

LONGEST_RIDE = timedelta(days=31)
"""Beyond the month of its pick-up."""

Check = tuple[str, Callable[[pa.Table], pa.ChunkedArray]]
"""A reason, and which rows it holds for: a boolean column, null for "can't be said"."""


def sift(trips: pa.Table, month: Month, first_row: int = 0) -> Sifted:
    """Tells a month's trips from rows that can't be trips of that month.

    Args:
        trips: columns of ``columns.TRIPS``, and of ``columns.OFFSET`` where that is known.
        first_row: number in the file of the first of them.
    """
    reasons = first_reasons(trips, [*_of_texts(trips), *_checks(month)])
    numbers = np.arange(first_row, first_row + trips.num_rows, dtype=np.int32)
    known = trips.drop_columns([OFFSET]) if OFFSET in trips.column_names else trips
    numbered = known.append_column("file_row", pa.array(numbers))
    explained = numbered.append_column("reason", reasons)
    return Sifted(
        accepted=numbered.filter(pc.is_null(reasons)),
        rejected=explained.filter(pc.is_valid(reasons)),
        reasons=count(reasons),
    )


def first_reasons(rows: pa.Table, checks: Sequence[Check]) -> pa.Array:
    """For each row the first reason that holds as text, null where none does."""
    codes = np.full(rows.num_rows, len(checks), dtype=np.int8)
    for code in reversed(range(len(checks))):
        codes[np.asarray(checks[code][1](rows).fill_null(False))] = code
    names = pa.array([reason for reason, _ in checks] + [None], pa.string())
    return names.take(pa.array(codes))


def count(reasons: pa.Array) -> dict[str, int]:
    """How often each reason occurs, most frequent first."""
    counted = {each["values"]: each["counts"] for each in pc.value_counts(reasons.drop_null()).to_pylist()}
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def no_zone(column: str) -> Callable[[pa.Table], pa.ChunkedArray]:
    """Which rows name no TLC zone in the column, those without a value among them."""
    return lambda rows: pc.or_kleene(
        pc.or_(pc.less(rows[column], ZONES.start), pc.greater_equal(rows[column], ZONES.stop)),
        pc.is_null(rows[column]),
    )


def missing(column: str) -> Callable[[pa.Table], pa.ChunkedArray]:
    """Which rows have no value in the column."""
    return lambda rows: pc.is_null(rows[column])


def _of_texts(trips: pa.Table) -> list[Check]:
    return [(OFFSET, lambda rows: rows[OFFSET])] if OFFSET in trips.column_names else []


def _checks(month: Month) -> list[Check]:
    return [
        ("pickup_missing", missing("pickup_at")),
        ("dropoff_missing", missing("dropoff_at")),
        ("pickup_outside_month", lambda rows: _outside(rows["pickup_at"], month)),
        ("dropoff_before_pickup", lambda rows: pc.less(rows["dropoff_at"], rows["pickup_at"])),
        ("dropoff_long_after_pickup", lambda rows: _long_after(rows["dropoff_at"], month)),
        ("pickup_zone_unknown", no_zone("pu_location_id")),
        ("dropoff_zone_unknown", no_zone("do_location_id")),
        ("distance_missing", missing("trip_distance")),
        ("distance_negative", lambda rows: pc.less(rows["trip_distance"], 0)),
    ]


def _long_after(times: pa.ChunkedArray, month: Month) -> pa.ChunkedArray:
    """A meter may run for days; one that runs until 3019 was never set, and no later stage has to count so far."""
    return pc.greater_equal(times, pa.scalar(month.end + LONGEST_RIDE, times.type))


def _outside(times: pa.ChunkedArray, month: Month) -> pa.ChunkedArray:
    start, end = (pa.scalar(moment, times.type) for moment in (month.start, month.end))
    return pc.or_(pc.less(times, start), pc.greater_equal(times, end))
