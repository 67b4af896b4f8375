"""What is wrong or odd in the TLC's files, put into generated ones in like proportions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.months import Month
from trainer.usecases.trips.city import OUTSIDE_ZONE, UNKNOWN_ZONE

Columns = dict[str, NDArray[Any]]
"""A month's trips as arrays of shape (n,); ``pickup`` and ``dropoff`` in seconds since 1970, missing values NaN."""

Rows = NDArray[np.int64]

DAY = 86_400
OPTIONAL = ("passengers", "ratecode", "flag", "payment", "trip_type", "congestion")
AMOUNTS = ("fare", "extra", "tip", "total")
SHARES = {
    "long_ago": 0.0003,
    "in_another_month": 0.0007,
    "no_time": 0.002,
    "seconds": 0.010,
    "nearly_a_day": 0.006,
    "backwards": 0.002,
    "no_distance": 0.020,
    "absurd_distance": 0.001,
    "refund": 0.003,
    "no_passenger": 0.005,
    "zone_unknown": 0.002,
}
"""Of all rows, by fault."""


def spoil(trips: Columns, rng: np.random.Generator, month: Month) -> None:
    """Puts each fault into its share of the rows, in place; no row has two, but any may lack the optional fields."""
    count = len(trips["pickup"])
    faults = _Faults(trips, rng, month)
    faults.without_optional(np.flatnonzero(rng.random(count) < 0.15))
    shuffled = rng.permutation(count)
    taken = 0
    for name, share in SHARES.items():
        rows = shuffled[taken : taken + round(share * count)]
        getattr(faults, name)(rows)
        taken += len(rows)


@dataclass(frozen=True, slots=True)
class _Faults:
    """One method a fault, which puts it into the rows."""

    trips: Columns
    rng: np.random.Generator
    month: Month

    def without_optional(self, rows: Rows) -> None:
        for name in OPTIONAL:
            self.trips[name][rows] = np.nan

    def long_ago(self, rows: Rows) -> None:
        self._move(rows, np.datetime64("2008-12-31T23:00", "s") + self.rng.integers(0, 2 * DAY, len(rows)))

    def in_another_month(self, rows: Rows) -> None:
        before = np.datetime64(self.month.start, "s") - self.rng.integers(1, 3 * DAY, len(rows))
        after = np.datetime64(self.month.end, "s") + self.rng.integers(0, 3 * DAY, len(rows))
        self._move(rows, np.where(self.rng.random(len(rows)) < 0.5, before, after))

    def _move(self, rows: Rows, pickup: NDArray[np.datetime64]) -> None:
        shift = pickup.astype(np.int64) - self.trips["pickup"][rows]
        self.trips["pickup"][rows] += shift
        self.trips["dropoff"][rows] += shift

    def no_time(self, rows: Rows) -> None:
        self.trips["dropoff"][rows] = self.trips["pickup"][rows]

    def seconds(self, rows: Rows) -> None:
        self.trips["dropoff"][rows] = self.trips["pickup"][rows] + self.rng.integers(1, 60, len(rows))

    def nearly_a_day(self, rows: Rows) -> None:
        self.trips["dropoff"][rows] = self.trips["pickup"][rows] + DAY - self.rng.integers(1, 1_800, len(rows))

    def backwards(self, rows: Rows) -> None:
        self.trips["dropoff"][rows] = self.trips["pickup"][rows] - self.rng.integers(1, 3_600, len(rows))
        self.trips["vendor"][rows] = 6
        self.without_optional(rows)

    def no_distance(self, rows: Rows) -> None:
        self.trips["miles"][rows] = 0.0

    def absurd_distance(self, rows: Rows) -> None:
        self.trips["miles"][rows] = np.round(10 ** self.rng.uniform(2.1, 5.4, len(rows)), 2)

    def refund(self, rows: Rows) -> None:
        for name in AMOUNTS:
            self.trips[name][rows] *= -1

    def no_passenger(self, rows: Rows) -> None:
        self.trips["passengers"][rows] = 0.0

    def zone_unknown(self, rows: Rows) -> None:
        self.trips["pu"][rows] = self.rng.choice([UNKNOWN_ZONE, OUTSIDE_ZONE], len(rows))
        self.trips["do"][rows] = self.rng.choice([UNKNOWN_ZONE, OUTSIDE_ZONE], len(rows))
