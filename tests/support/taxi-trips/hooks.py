"""What the taxi trips' file can't say: means of the zones, shrunk to the median of all and rounded to four digits."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

PRIOR_TRIPS = 5
"""Weight of the prior in a zone's mean, in trips: a zone with few lies close to the median of all."""


def minutes_from(rows: pa.Table, target: str, values: Sequence[int]) -> list[float]:
    return _means(rows, target, "pu_location_id", values)


def minutes_to(rows: pa.Table, target: str, values: Sequence[int]) -> list[float]:
    return _means(rows, target, "do_location_id", values)


def _means(rows: pa.Table, target: str, zone: str, values: Sequence[int]) -> list[float]:
    minutes = rows[target].to_numpy()
    position = rows[zone].to_numpy() - values[0]
    counts = np.bincount(position, minlength=len(values))
    sums = np.bincount(position, weights=minutes, minlength=len(values))
    means = (sums + PRIOR_TRIPS * np.median(minutes)) / (counts + PRIOR_TRIPS)
    return [round(float(mean), 4) for mean in means]
