"""Whether a retraining may begin now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Outcome = Literal["under way", "held back", "promoted", "refused", "failed"]

A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Retraining:
    """What followed from one alarm."""

    id: int
    outcome: Outcome
    reason: str
    decided_at: datetime
    """With offset."""

    @property
    def began(self) -> bool:
        return self.outcome != "held back"


@dataclass(frozen=True)
class Refusal:
    """Why no training begins."""

    reason: str


def may_retrain(history: Sequence[Retraining], now: datetime, cool_down: timedelta, daily_limit: int) -> Refusal | None:
    """None if a training may begin. What was held back doesn't count, what failed does: it would fail again.

    Args:
        history: In any order, and at least that of the last day and of the cool-down.
        now: With offset.
        cool_down: From one beginning to the next.
        daily_limit: Beginnings within 24 hours; 0 for none at all.
    """
    begun = sorted((one for one in history if one.began), key=lambda one: one.decided_at)
    for one in begun:
        if one.outcome == "under way":
            return Refusal(f"retraining {one.id} is under way since {_clock(one.decided_at)}")
    if begun and now < begun[-1].decided_at + cool_down:
        last = begun[-1]
        return Refusal(f"retraining {last.id} began at {_clock(last.decided_at)}: the cool-down is {_hours(cool_down)}")
    today = sum(now < one.decided_at + A_DAY for one in begun)
    if today >= daily_limit:
        return Refusal(f"{today} retrainings began within 24 hours, of at most {daily_limit}")
    return None


def _clock(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes")


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):g} h"
