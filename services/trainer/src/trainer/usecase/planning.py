"""Which periods a training learns from, and which judge it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.data.errors import DataError
from trainer.usecase.periods import Period

UNFINISHED = 0.2
"""Share of the rows of the period before, of which the newest has fewer: it isn't over yet."""


class NoPlan(DataError):
    """The periods that are there can't train and judge a model."""


@dataclass(frozen=True)
class Plan:
    """Periods in order; those that judge come after all that train."""

    training: Sequence[Period]
    holdout: Sequence[Period]
    unfinished: Period | None = None
    """The newest, if it is left out since it has only begun."""

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
    unfinished = None
    if len(periods) > holdout + 1 and rows[periods[-1]] < UNFINISHED * rows[periods[-2]]:
        unfinished = periods.pop()
    if len(periods) <= holdout:
        there = spelt(periods) or "none"
        raise NoPlan(
            f"{holdout + 1} periods with rows are needed, one to learn from and {holdout} to judge; there is {there}"
        )
    return Plan(periods[-holdout - last : -holdout], periods[-holdout:], unfinished)


def spelt(periods: Sequence[Period]) -> str:
    """The first and the last, as a person writes them."""
    if not periods:
        return ""
    return str(periods[0]) if len(periods) == 1 else f"{periods[0]}..{periods[-1]}"
