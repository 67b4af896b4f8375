"""A made-up city of 265 taxi zones: where people go from, where to, and how fast the traffic is."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trainer.usecases.trips.fields import ZONES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNKNOWN_ZONE, OUTSIDE_ZONE = 264, 265

# Miles an hour relative to the day's mean, at each even hour and at midnight again
_WORKDAY_PACE = [1.45, 1.55, 1.60, 1.25, 0.72, 0.85, 0.92, 0.85, 0.68, 0.80, 1.05, 1.25, 1.45]
_WEEKEND_PACE = [1.20, 1.30, 1.50, 1.55, 1.40, 1.20, 1.00, 0.92, 0.92, 0.98, 1.05, 1.10, 1.20]
# Trips begun, relative to others of the day, likewise
_WORKDAY_DEMAND = [0.7, 0.3, 0.3, 1.2, 2.4, 1.8, 1.7, 2.0, 2.6, 2.7, 1.9, 1.3, 0.7]
_WEEKEND_DEMAND = [2.0, 1.6, 0.7, 0.4, 0.9, 1.5, 1.9, 2.0, 2.1, 2.2, 2.1, 2.1, 2.0]


@dataclass(frozen=True, slots=True)
class City:
    """Drawn once for a seed. Arrays go by zone, in the order of ``ZONES``."""

    places: Floats
    """Miles east and north of the centre, shape (265, 2)."""
    attraction: Floats
    pace: Floats
    """Traffic around the zone relative to the city's, shape (265,)."""
    detours: Floats
    """Minutes of a pair of zones relative to what distance and traffic say, shape (265, 265)."""

    @classmethod
    def draw(cls, seed: int) -> Self:
        rng = np.random.default_rng([seed, 0])
        count = len(ZONES)
        central = np.arange(count) % 5 < 2
        spread = np.where(central[:, None], [1.0, 3.5], [5.5, 5.5])
        places = rng.normal(0, 1, (count, 2)) * spread + np.where(central[:, None], [0.0, 0.0], [4.0, -2.0])
        attraction = rng.lognormal(0, 1.1, count) * np.where(central, 1.5, 1.0)
        attraction[[zone - ZONES.start for zone in (UNKNOWN_ZONE, OUTSIDE_ZONE)]] = attraction.mean() / 10
        pace = rng.lognormal(0, 0.13, count) * np.clip(0.75 + np.hypot(*places.T) / 18, 0.75, 1.4)
        return cls(places, attraction, pace, rng.lognormal(0, 0.12, (count, count)))

    def draw_pairs(self, rng: np.random.Generator, trips: int, origins: Floats) -> tuple[Ints, Ints]:
        """Zone numbers of origins, by their weights, and destinations, rather near and attractive ones."""
        start = np.sort(rng.choice(len(ZONES), trips, p=origins / origins.sum()))
        end = np.empty_like(start)
        bounds = np.searchsorted(start, np.arange(len(ZONES) + 1))
        for zone in np.flatnonzero(np.diff(bounds)):
            away = np.hypot(*(self.places - self.places[zone]).T)
            reach = np.cumsum(self.attraction * np.exp(-away / 2.5))
            first, last = bounds[zone], bounds[zone + 1]
            end[first:last] = np.searchsorted(reach / reach[-1], rng.random(last - first))
        shuffled = rng.permutation(trips)
        return start[shuffled] + ZONES.start, end[shuffled] + ZONES.start

    def miles(self, rng: np.random.Generator, start: Ints, end: Ints) -> Floats:
        """What the taximeter shows for each trip: streets are longer than the straight line, and routes differ."""
        straight = np.hypot(*(self.places[start - ZONES.start] - self.places[end - ZONES.start]).T)
        within = rng.gamma(2.0, 0.4, len(start))
        driven: Floats = (straight * 1.28 + within) * rng.lognormal(0, 0.12, len(start)) + 0.05
        return driven.round(2)

    def minutes(
        self, rng: np.random.Generator, start: Ints, end: Ints, miles: Floats, minute: Ints, weekend: NDArray[np.bool_]
    ) -> Floats:
        """How long each trip takes; one in thirty much longer than it should.

        Args:
            minute: of the day at pick-up, 0 to 1439.
        """
        pace = np.sqrt(self.pace[start - ZONES.start] * self.pace[end - ZONES.start])
        speed = 14.0 * pace * daily(_WORKDAY_PACE, _WEEKEND_PACE, minute, weekend) * np.clip(0.8 + miles / 16, 0.8, 2.2)
        minutes = 1.2 + 60 * miles / speed * self.detours[start - ZONES.start, end - ZONES.start]
        held_up = np.where(rng.random(len(miles)) < 1 / 30, 1.2 + rng.pareto(3.0, len(miles)), 1.0)
        taken: Floats = minutes * held_up * rng.lognormal(0, 0.16, len(miles))
        return taken


def draw_minutes(rng: np.random.Generator, weekend: NDArray[np.bool_]) -> Ints:
    """For each trip the minute of the day at which it begins, by demand."""
    minutes = np.arange(1440)
    result = np.empty(len(weekend), dtype=np.int64)
    for kind in (False, True):
        demand = np.cumsum(daily(_WORKDAY_DEMAND, _WEEKEND_DEMAND, minutes, np.full(1440, kind)))
        result[weekend == kind] = np.searchsorted(demand / demand[-1], rng.random(int((weekend == kind).sum())))
    return result


def daily(workday: list[float], weekend: list[float], minute: Ints, on_weekend: NDArray[np.bool_]) -> Floats:
    """The value at a minute of the day, between two entries in proportion."""
    every_two_hours = np.arange(0, 1441, 120)
    values = np.where(
        on_weekend, np.interp(minute, every_two_hours, weekend), np.interp(minute, every_two_hours, workday)
    )
    return np.asarray(values, dtype=np.float64)
