"""Which months a training run learns from and which one judges it."""

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.data.errors import DataError
from trainer.data.months import Month, last_months, parse_months


class NoPlan(DataError):
    """The chosen months can't train and judge a model."""


@dataclass(frozen=True)
class Plan:
    """Training months in order, and a later month that training never sees."""

    training: Sequence[Month]
    holdout: Month

    def __str__(self) -> str:
        first, last = self.training[0], self.training[-1]
        return f"{first if first == last else f'{first}..{last}'} → {self.holdout}"


@dataclass(frozen=True)
class Judging:
    """Months that judge a version which is registered already."""

    holdout: Month
    before: Month | None
    """What baselines learn from; None if the warehouse doesn't have it."""


def plan_judging(loaded: Sequence[Month], holdout: str | None) -> Judging:
    """The newest of the loaded months judges, unless another is named.

    Raises:
        NoPlan: it isn't loaded, or none is.
        NotAMonth: a text that is no month.
    """
    if not loaded:
        raise NoPlan("the warehouse has no month to judge on; run the flow ingest")
    judged_on = Month.parse(holdout) if holdout else max(loaded)
    if judged_on not in loaded:
        raise NoPlan(f"the warehouse doesn't have the holdout {judged_on}; run the flow ingest")
    before = judged_on.previous()
    return Judging(judged_on, before if before in loaded else None)


def plan_months(months: str | None, holdout: str | None, last: int) -> Plan:
    """The months of a run.

    Args:
        months: ``2021-01`` or ``2021-01..2021-03``; without, the ``last`` months before the holdout.
        holdout: without, the month after ``months``. One of both is needed.

    Raises:
        NoPlan: neither is given, or the holdout isn't after all training months.
        NotAMonth: a text that is no month.
    """
    if months:
        training = parse_months(months)
        judged_on = Month.parse(holdout) if holdout else training[-1].next()
    elif holdout:
        judged_on = Month.parse(holdout)
        training = last_months(judged_on.previous(), last)
    else:
        raise NoPlan("neither training months nor a holdout are named")
    if judged_on <= training[-1]:
        raise NoPlan(f"the holdout {judged_on} must come after the last training month {training[-1]}")
    return Plan(training, judged_on)
