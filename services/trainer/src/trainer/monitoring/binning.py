"""Bins that the reference lays down and every later window is counted in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Counts = NDArray[np.int64]

BINS = 10
"""As many as the usual thresholds of the index are meant for: it grows with their number."""


@dataclass(frozen=True)
class Binning:
    """The few values that there are, each a bin and one for all others; or tenths of the reference.

    Category codes in tenths are groups of neighbours in the vocabulary: of 265 zones each in a bin of its own, most
    hold chance alone.
    """

    starts: Values
    """Where bins begin; those after the first, which begins nowhere. Of few values, the values themselves."""
    exact: bool

    @classmethod
    def of(cls, reference: Values) -> "Binning":
        """Args: reference: without NaN, shape (m,), at least one."""
        distinct = np.unique(reference)
        if len(distinct) <= BINS:
            return cls(distinct, exact=True)
        # of values that there are: between two of them, quantiles of few rows would split what is one bin
        quantiles = np.quantile(reference, np.arange(1, BINS) / BINS, method="inverted_cdf")
        starts, times = np.unique(quantiles, return_counts=True)
        # a value that is a tenth or more by itself has a bin to itself
        return cls(np.unique(np.concatenate([starts, np.nextafter(starts[times > 1], np.inf)])), exact=False)

    def counts(self, values: Values) -> Counts:
        """Of values without NaN, by bin."""
        if not self.exact:
            return np.bincount(np.searchsorted(self.starts, values, side="right"), minlength=len(self.starts) + 1)
        position = np.searchsorted(self.starts, values).clip(max=len(self.starts) - 1)
        known = self.starts[position] == values
        return np.bincount(np.where(known, position, len(self.starts)), minlength=len(self.starts) + 1)
