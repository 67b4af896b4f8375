"""Which periods a training learns from, and which judge it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from trainer.data.errors import DataError
from trainer.usecase.periods import Period

FEW = 0.2
"""Share of the rows of the period before, of which the newest has fewer: it isn't over yet. Beyond a gap the same share
of the rows that a period usually has: what lies there are wrong clocks."""


class NoPlan(DataError):
    """The periods that are there can't train and judge a model."""


@dataclass(frozen=True)
class Plan:
    """Periods in order; those that judge come after all that train."""

    training: Sequence[Period]
    holdout: Sequence[Period]
    left_out: Sequence[Period] = ()
    """The newest that have few rows."""

    @property
    def trains(self) -> str:
        return spelt(self.training)

    @property
    def judges(self) -> str:
        return spelt(self.holdout)

    def __str__(self) -> str:
        return f"{self.trains} → {self.judges}"


def plan(rows: Mapping[Period, int], last: int, holdout: int) -> Plan:
    """The newest periods judge, those before them train.

    Args:
        rows: of each period that there is; periods without rows are not there.
        last: how many train at most.
        holdout: how many judge.

    Raises:
        NoPlan: there are too few.
    """
    periods = sorted(period for period, count in rows.items() if count)
    usual = median(rows[period] for period in periods) if periods else 0
    left_out: list[Period] = []
    while len(periods) > holdout + 1:
        before, newest = periods[-2:]
        follows = newest == before.after()
        if rows[newest] >= FEW * (rows[before] if follows and not left_out else usual):
            break
        left_out.insert(0, periods.pop())
        if follows:
            break
    if len(periods) <= holdout:
        there = spelt(periods) or "none"
        raise NoPlan(
            f"{holdout + 1} periods with rows are needed, one to learn from and {holdout} to judge; there is {there}"
        )
    return Plan(periods[-holdout - last : -holdout], periods[-holdout:], left_out)


def spelt(periods: Sequence[Period]) -> str:
    """The first and the last, as a person writes them."""
    if not periods:
        return ""
    return str(periods[0]) if len(periods) == 1 else f"{periods[0]}..{periods[-1]}"
