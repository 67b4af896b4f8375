"""How far two distributions are apart, and whether chance could have done it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trainer.monitoring.binning import Binning, Counts, Values

LEAST_EXPECTED = 5
"""Rows expected in a cell of a chi-squared test; below that its distribution isn't chi-squared (Cochran 1954)."""


def stability_index(reference: Counts, now: Counts) -> float:
    """Population stability index (Jeffreys' divergence) of counts in the same bins, less what chance alone gives.

    Of two samples of one distribution it is about (bins - 1) (1/m + 1/n) (Yurdakul 2018): 0.09 of a hundred rows in ten
    bins. Half a row in each bin keeps empty ones finite; bins that are empty in both don't count. Never below 0.
    """
    filled = (reference + now) > 0
    before, after = reference[filled] + 0.5, now[filled] + 0.5
    p, q = before / before.sum(), after / after.sum()
    chance = (filled.sum() - 1) * (1 / max(reference.sum(), 1) + 1 / max(now.sum(), 1))
    return max(float(((q - p) * np.log(q / p)).sum() - chance), 0.0)


def stability_of(reference: Values, now: Values) -> float:
    """The same of values, shape (m,) and (n,), without NaN, at least one each."""
    binning = Binning.of(reference)
    return stability_index(binning.counts(reference), binning.counts(now))


def kolmogorov_smirnov(reference: Values, now: Values) -> float:
    """p-value that both are of one distribution; where values are tied it is on the safe side."""
    return float(stats.ks_2samp(reference, now, method="asymp").pvalue)


def chi_squared(reference: Values, now: Values) -> float:
    """The same for categories; those too rare to be told apart count as one."""
    values, position = np.unique(np.concatenate([reference, now]), return_inverse=True)
    cut = len(reference)
    table = np.stack([np.bincount(part, minlength=len(values)) for part in (position[:cut], position[cut:])])
    smaller = min(len(reference), len(now)) / position.size
    rare = table.sum(axis=0) * smaller < LEAST_EXPECTED
    pooled = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)]) if rare.any() else table
    pooled = pooled[:, pooled.sum(axis=0) > 0]
    if pooled.shape[1] < 2:
        return 1.0
    return float(stats.chi2_contingency(pooled, correction=False).pvalue)


def fisher(missing: tuple[int, int], of: tuple[int, int]) -> float:
    """p-value that as large a share is missing in both (Fisher's exact test)."""
    present = (of[0] - missing[0], of[1] - missing[1])
    return float(stats.fisher_exact([list(missing), list(present)]).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: of all tests together, any below alpha is chance in a share of alpha at most (Holm 1979)."""
    order = np.argsort(p_values)
    adjusted: NDArray[np.float64] = np.empty(len(p_values))
    remaining = np.arange(len(p_values), 0, -1)
    adjusted[order] = np.maximum.accumulate(np.asarray(p_values)[order] * remaining).clip(max=1.0)
    return [float(value) for value in adjusted]
