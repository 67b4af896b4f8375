"""How the holdout is cut, so that a model that is better on the whole can't be worse for some."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trainer.usecases.trips.boroughs import borough_of

HOURS = {0: "00-06", 6: "06-10", 10: "10-16", 16: "16-20", 20: "20-24"}
"""Bands by their first hour of day."""
MILES = {0.0: "under 1", 1.0: "1-2", 2.0: "2-5", 5.0: "5-10", 10.0: "10 and more"}
"""Bands by their shortest distance."""
SATURDAY = 6
"""As ``pyarrow.compute.day_of_week`` counts from 1 for Monday."""


def slices(trips: pa.Table) -> dict[str, Sequence[str]]:
    """The part that each clean trip belongs to, by the way of cutting."""
    start, end = (borough_of(trips[name].to_numpy()) for name in ("pu_location_id", "do_location_id"))
    weekday = pc.day_of_week(trips["pickup_at"], count_from_zero=False).to_numpy()
    return {
        "boroughs": [f"{a} to {b}" for a, b in zip(start, end, strict=True)],
        "hour": _bands(pc.hour(trips["pickup_at"]).to_numpy(), HOURS),
        "miles": _bands(trips["trip_distance"].to_numpy(), MILES),
        "day": np.where(weekday >= SATURDAY, "weekend", "weekday").tolist(),
    }


def _bands(values: NDArray[Any], bands: Mapping[int, str] | Mapping[float, str]) -> list[str]:
    """The band of each value, by where the bands begin."""
    names = np.array(list(bands.values()))
    found: list[str] = names[np.searchsorted(list(bands), values, side="right") - 1].tolist()
    return found
