"""The weeks of a month, as a replay plays and monitors them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainer.data.months import Month

DAYS = 7


@dataclass(frozen=True)
class Week:
    """From a moment to another, which isn't part of it."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.start.date()} to {(self.end - timedelta(days=1)).date()}"


def weeks(month: Month) -> Iterator[Week]:
    """Weeks from the month's first day on; its last days, which are no whole week, belong to the last one."""
    start = month.start
    while start < month.end:
        end = start + timedelta(days=DAYS)
        if month.end - end < timedelta(days=DAYS):
            end = month.end
        yield Week(start, end)
        start = end
