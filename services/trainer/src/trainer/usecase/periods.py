"""Days, weeks and months: what is loaded, replaced and judged together."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from trainer.data.errors import DataError
from trainer.usecase.declaration import Period as Kind

PATTERNS: dict[Kind, str] = {
    "day": r"\d{4}-\d{2}-\d{2}",
    "week": r"\d{4}-W\d{2}",
    "month": r"\d{4}-\d{2}",
    "all": "all",
}
"""How a period is written: ``2021-01-31``, ``2021-W05`` as ISO 8601 counts weeks, ``2021-01``."""

WHOLE_START = date(1970, 1, 1)
"""Stands for the one period of a table that has none."""


class NotAPeriod(DataError, ValueError):
    """A text that names no period of the kind."""

    def __init__(self, text: str, kind: Kind) -> None:
        example = {"day": "2021-01-31", "week": "2021-W05", "month": "2021-01", "all": "all"}[kind]
        super().__init__(f"{text!r} is no {kind} such as {example}")


@dataclass(frozen=True, order=True, slots=True)
class Period:
    """A day, a week from Monday, a month, or all that there is."""

    first_day: date
    kind: Kind

    def __str__(self) -> str:
        match self.kind:
            case "day":
                return self.first_day.isoformat()
            case "week":
                year, week, _ = self.first_day.isocalendar()
                return f"{year:04}-W{week:02}"
            case "month":
                return f"{self.first_day:%Y-%m}"
            case _:
                return "all"

    @classmethod
    def of(cls, day: date, kind: Kind) -> "Period":
        """The one that a day lies in."""
        match kind:
            case "day":
                return cls(day, kind)
            case "week":
                return cls(day - timedelta(days=day.weekday()), kind)
            case "month":
                return cls(day.replace(day=1), kind)
            case _:
                return cls(WHOLE_START, kind)

    @classmethod
    def parse(cls, text: str, kind: Kind) -> "Period":
        """Raises NotAPeriod."""
        if not re.fullmatch(PATTERNS[kind], text, re.ASCII):
            raise NotAPeriod(text, kind)
        try:
            match kind:
                case "day":
                    return cls(date.fromisoformat(text), kind)
                case "week":
                    return cls(date.fromisocalendar(int(text[:4]), int(text[6:]), 1), kind)
                case "month":
                    return cls(date.fromisoformat(f"{text}-01"), kind)
                case _:
                    return cls(WHOLE_START, kind)
        except ValueError:
            raise NotAPeriod(text, kind) from None

    @property
    def start(self) -> datetime:
        """The first moment, wall-clock time."""
        return datetime.combine(self.first_day, datetime.min.time())

    def after(self) -> "Period":
        """The next; of a table that has but one, a day that never comes."""
        match self.kind:
            case "day":
                return Period(self.first_day + timedelta(days=1), self.kind)
            case "week":
                return Period(self.first_day + timedelta(days=7), self.kind)
            case "month":
                return Period.of(self.first_day + timedelta(days=31), self.kind)
            case _:
                return Period(date.max, self.kind)


@dataclass(frozen=True)
class Asked:
    """What of a source is wanted."""

    periods: Sequence[str] | None = None
    """Such as ``2021-01`` or ``2021-01..2021-03``; None for all that may be new."""
    since: datetime | None = None
    """The first moment of the newest period that is loaded; None for everything."""
    today: date = field(default_factory=lambda: datetime.now(UTC).date())


EVERYTHING = Asked()


def earliest(texts: Iterable[str], kind: Kind) -> Period:
    """The first period that is named. Raises NotAPeriod, and ValueError for no text."""
    return min(Period.parse(text.partition("..")[0], kind) for text in texts)


def select(there: Sequence[Period], texts: Iterable[str], kind: Kind) -> list[Period]:
    """The periods that are named, in order: one by one, whether they are there or not, or those there of a range.

    Args:
        texts: such as ``2021-01`` or ``2021-01..2021-03``.

    Raises:
        NotAPeriod: one is neither.
    """
    chosen: set[Period] = set()
    for text in texts:
        first, dots, last = text.partition("..")
        begin = Period.parse(first, kind)
        if not dots:
            chosen.add(begin)
            continue
        end = Period.parse(last, kind)
        if end < begin:
            raise NotAPeriod(text, kind)
        chosen |= {period for period in there if begin <= period <= end}
    return sorted(chosen)
