"""How sure a difference between two models' errors is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Errors = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """RMSE of one model less that of another, in the outcome's unit, with its interval."""

    value: float
    low: float
    high: float


def differences(
    errors: Errors, others: Mapping[str, Errors], confidence: float, resamples: int, seed: int
) -> dict[str, Difference]:
    """Paired bootstrap (Efron & Tibshirani 1993, percentile interval): every model is judged on the same drawn rows.

    Args:
        errors: actual - predicted of the model in question, shape (n,).
        others: the same of those that it is compared with, by name.
        confidence: share of resamples that the interval holds.
    """
    squared = np.square(np.stack([errors, *others.values()]))
    rng, count = np.random.default_rng(seed), squared.shape[1]
    drawn = np.empty((resamples, len(squared)))
    for resample in range(resamples):
        weights = np.bincount(rng.integers(0, count, count), minlength=count)
        drawn[resample] = np.sqrt(squared @ weights / count)
    observed = np.sqrt(squared.mean(axis=1))
    tail = (1 - confidence) / 2
    found = {}
    for position, name in enumerate(others, start=1):
        low, high = np.quantile(drawn[:, 0] - drawn[:, position], [tail, 1 - tail])
        found[name] = Difference(*map(_without_noise, (observed[0] - observed[position], low, high)))
    return found


def _without_noise(value: np.floating) -> float:
    """Of two equal models, sums may differ in their last places: no difference, and no negative zero."""
    return round(float(value), 9) + 0.0
