"""Which months a training run learns from and which one judges it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from trainer.data.errors import DataError
from trainer.data.months import Month, as_ranges, parse_months

HoldoutDays = Annotated[int, Field(ge=1, le=27)]
"""Of a month, as a flow's parameter: even February keeps a day to learn from."""


class NoPlan(DataError):
    """The chosen months can't train and judge a model."""


@dataclass(frozen=True)
class Holdout:
    """What judges: a month, or its last days."""

    month: Month
    days: int | None = None
    """So many at the month's end; None for the whole month."""

    @property
    def start(self) -> datetime:
        """The first moment that judges, wall-clock time."""
        return self.month.end - timedelta(days=self.days) if self.days else self.month.start

    def __str__(self) -> str:
        """``2021-02``, or ``2021-02-22..2021-02-28``."""
        if not self.days:
            return str(self.month)
        return f"{self.start.date()}..{(self.month.end - timedelta(days=1)).date()}"


@dataclass(frozen=True)
class Plan:
    """Training months in order, and a holdout that training never sees: a later month, or their last days."""

    training: Sequence[Month]
    holdout: Holdout

    @property
    def months(self) -> list[Month]:
        """All that are read, in order; the holdout's is the last."""
        return sorted({*self.training, self.holdout.month})

    def __str__(self) -> str:
        return f"{as_ranges(self.training)} → {self.holdout}"


@dataclass(frozen=True)
class Judging:
    """What judges a version that is registered already."""

    holdout: Holdout
    before: Month | None
    """What baselines learn from: the month before, or the month whose last days judge, without these; None if the
    warehouse doesn't have it."""


def plan_judging(loaded: Sequence[Month], holdout: str | None, held_back: Holdout | None = None) -> Judging:
    """The newest of the loaded months judges, unless another is named.

    Args:
        held_back: Days that the version's training left out of its last month. If that month judges, they alone do.

    Raises:
        NoPlan: it isn't loaded, or none is.
        NotAMonth: a text that is no month.
    """
    if not loaded:
        raise NoPlan("the warehouse has no month to judge on; run the flow ingest")
    judged_on = Month.parse(holdout) if holdout else max(loaded)
    if judged_on not in loaded:
        raise NoPlan(f"the warehouse doesn't have the holdout {judged_on}; run the flow ingest")
    if held_back and held_back.month == judged_on:
        return Judging(held_back, judged_on)
    before = judged_on.previous()
    return Judging(Holdout(judged_on), before if before in loaded else None)


def plan_named(months: str, holdout: str | None, holdout_days: int | None = None) -> Plan:
    """The months of a run whose training months are named.

    Args:
        months: ``2021-01`` or ``2021-01..2021-03``.
        holdout: without, the month after ``months``.
        holdout_days: The last training month's last days judge instead of a month of their own; ``holdout``, if it is
            given, is that month.

    Raises:
        NoPlan: the holdout isn't after all training months, or its days aren't the last of them.
        NotAMonth: a text that is no month.
    """
    training = parse_months(months)
    last = training[-1]
    if holdout_days:
        if holdout and Month.parse(holdout) != last:
            raise NoPlan(f"the last {holdout_days} days of {last} are the holdout: {holdout} can't be, too")
        return Plan(training, Holdout(last, holdout_days))
    judged_on = Month.parse(holdout) if holdout else last.next()
    if judged_on <= last:
        raise NoPlan(f"the holdout {judged_on} must come after the last training month {last}")
    return Plan(training, Holdout(judged_on))


def plan_newest(
    find: Callable[[int, Month | None], list[Month]], last: int, holdout: str | None, holdout_days: int | None = None
) -> Plan:
    """The months of a run that takes what the source has.

    Args:
        find: The source's newest months, in order: how many, and none later than which one.
        last: How many months to train on, if there are so many.
        holdout: None for the newest month.
        holdout_days: The newest month's last days judge, and it trains too.

    Raises:
        NoPlan: there is no month to train on.
        NotAMonth: a text that is no month.
        NothingPublished: as ``find``.
    """
    judged_on = Month.parse(holdout) if holdout else find(1, None)[-1]
    training = find(last, judged_on if holdout_days else judged_on.previous())
    if holdout_days and training[-1] != judged_on:
        raise NoPlan(f"the source doesn't have {judged_on}, whose last days are to be the holdout")
    return Plan(training, Holdout(judged_on, holdout_days))
