"""Calendar months: how data is published, loaded, chosen and split."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import StringConstraints

from trainer.data.errors import NotAMonth

_MONTH = r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])"

MonthText = Annotated[str, StringConstraints(pattern=rf"^{_MONTH}$")]
"""``2021-01``, as a flow's parameter."""

MonthsText = Annotated[str, StringConstraints(pattern=rf"^{_MONTH}(?:\.\.{_MONTH})?$")]
"""``2021-01`` or ``2021-01..2021-03``, both ends included, as a flow's parameter."""

PUBLICATION_LAG = 2
"""Months after which the TLC has usually published a month."""


@dataclass(frozen=True, order=True, slots=True)
class Month:
    """A month of a year; ``str`` gives ``2021-01``."""

    year: int
    number: int
    """1 to 12."""

    def __post_init__(self) -> None:
        if not (1900 <= self.year <= 2099 and 1 <= self.number <= 12):
            raise NotAMonth(f"{self.year}-{self.number}", "is not a month of the years 1900 to 2099")

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises NotAMonth unless the text is like ``2021-01``."""
        if not re.fullmatch(_MONTH, text):
            raise NotAMonth(text)
        return cls(int(text[:4]), int(text[5:]))

    @classmethod
    def of(cls, day: date) -> Self:
        return cls(day.year, day.month)

    def plus(self, months: int) -> "Month":
        """The month so many later, or earlier for a negative number."""
        year, index = divmod(self.year * 12 + self.number - 1 + months, 12)
        return Month(year, index + 1)

    def next(self) -> "Month":
        return self.plus(1)

    def previous(self) -> "Month":
        return self.plus(-1)

    def through(self, last: "Month") -> "Iterator[Month]":
        """This month and all up to the last, which is included."""
        count = (last.year - self.year) * 12 + last.number - self.number + 1
        return (self.plus(step) for step in range(count))

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def start(self) -> datetime:
        """The first moment, wall-clock time."""
        return datetime(self.year, self.number, 1)

    @property
    def end(self) -> datetime:
        """The first moment of the next month."""
        year, index = divmod(self.year * 12 + self.number, 12)
        return datetime(year, index + 1, 1)


def parse_months(texts: str | Iterable[str]) -> list[Month]:
    """Months and ranges of months as distinct months in order.

    Args:
        texts: one or several of ``2021-01`` and ``2021-01..2021-03``.

    Raises:
        NotAMonth: a text is neither, or a range ends before it begins.
    """
    several = [texts] if isinstance(texts, str) else texts
    return sorted({month for text in several for month in _parse_range(text)})


def _parse_range(text: str) -> Iterator[Month]:
    first, dots, last = text.partition("..")
    if not dots:
        return iter([Month.parse(first)])
    begin, end = Month.parse(first), Month.parse(last)
    if end < begin:
        raise NotAMonth(text, "ends before it begins")
    return begin.through(end)


def last_months(newest: Month, count: int) -> list[Month]:
    """So many months in order, of which the last is the newest."""
    return list(newest.plus(1 - count).through(newest))


def as_ranges(months: Sequence[Month]) -> str:
    """Months in order, as a person writes them: ``2021-01..2021-03, 2023-01``."""
    ranges: list[list[Month]] = []
    for month in months:
        if ranges and ranges[-1][-1].next() == month:
            ranges[-1].append(month)
        else:
            ranges.append([month])
    return ", ".join(str(one[0]) if len(one) == 1 else f"{one[0]}..{one[-1]}" for one in ranges)
