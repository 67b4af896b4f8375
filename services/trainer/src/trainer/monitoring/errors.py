"""Errors of predictions, in the outcome's unit."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Errors = NDArray[np.float64]


def root_mean_square(errors: Errors) -> float:
    """NaN of none."""
    return float(np.sqrt(np.square(errors).mean())) if len(errors) else float("nan")


def chance_of_promise(errors: Errors, promised: float, resamples: int, seed: int) -> float:
    """One-sided p-value that the RMSE is no higher than promised (bootstrap, Efron & Tibshirani 1993).

    The share of resamples whose RMSE isn't above the promised one; the draw itself counts as one of them.
    """
    squared = np.square(errors)
    rng, count = np.random.default_rng(seed), len(errors)
    drawn = np.array([squared[rng.integers(0, count, count, dtype=np.int32)].mean() for _ in range(resamples)])
    return float((np.count_nonzero(drawn <= promised**2) + 1) / (resamples + 1))


def normal_chance_of_promise(errors: Errors, promised: float) -> float:
    """The same by the mean square's standard error: slices are many, and ask for p-values below a bootstrap's."""
    squared = np.square(errors)
    error = squared.std(ddof=1) / np.sqrt(len(squared))
    if error == 0:
        return float(squared.mean() <= promised**2)
    return float(stats.norm.sf((squared.mean() - promised**2) / error))


def chance_of_coverage(inside: int, of: int, promised: float) -> float:
    """One-sided p-value that the interval holds as large a share as promised (binomial)."""
    return float(stats.binom.cdf(inside, of, promised))
