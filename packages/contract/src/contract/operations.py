"""The closed set of ways in which raw fields become a feature.

An operation is written once, over float64: a Python float for one request, a NumPy column for a training set. Python's
and NumPy's arithmetic on these is IEEE 754 and gives the same bits, which is why no operation here uses a
transcendental function (NumPy's vectorised ones may differ in the last place). NaN is missing and passes through.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from contract.fields import Category, Column, Document, Ranged, RawField, Timestamp

Values = Any
"""float or Column: mypy can't say that an operation gives what it takes without an overload for each."""

DAY = 86_400
FLOAT32_MAX = float(np.finfo(np.float32).max)


def quotient(left: Values, right: Values) -> Values:
    """left / right; missing where right is zero or the result exceeds float32."""
    if isinstance(left, float):
        result = left / right if right != 0 else math.nan
        return result if abs(result) <= FLOAT32_MAX else math.nan
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        result = left / right
    return np.where((right != 0) & (np.abs(result) <= FLOAT32_MAX), result, math.nan)


def month_of(t: Values) -> Values:
    """Month, 1 to 12, of seconds since 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms")."""
    shifted = t // DAY + 719_468
    day_of_era = shifted % 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_based = (5 * day_of_year + 2) // 153
    return (march_based + 2) % 12 + 1


class Operation(Document, ABC):
    """A named feature: one column of the matrix that the booster sees."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""

    takes: ClassVar[type[RawField] | tuple[type[RawField], ...]] = Ranged
    """The kinds of field that the operation works on."""

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Names of the raw fields it reads, in the order in which the compiled function takes them."""

    def check(self, fields: Mapping[str, RawField]) -> None:
        """Raises ValueError if the operation's own data doesn't fit the fields."""

    @abstractmethod
    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        """The function from encoded inputs to the feature, for floats and columns alike."""

    def compile_for_row(self, fields: Mapping[str, RawField]) -> Callable[..., float] | None:
        """The same for floats only, by the shortest way; None if the feature is its one input as it is."""
        return self.compile(fields)


class _Unary(Operation):
    field: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.field,)


class _Binary(Operation):
    left: str
    right: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.left, self.right)


class Identity(_Unary):
    """The number itself."""

    op: Literal["identity"] = "identity"

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        return lambda x: x

    def compile_for_row(self, fields: Mapping[str, RawField]) -> None:
        return None


class CategoryCode(_Unary):
    """The category's position in the vocabulary."""

    op: Literal["category_code"] = "category_code"
    takes = Category

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        return lambda x: x

    def compile_for_row(self, fields: Mapping[str, RawField]) -> None:
        return None


class Hour(_Unary):
    """Hour of day, 0 to 23."""

    op: Literal["hour"] = "hour"
    takes = Timestamp

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        return lambda t: t // 3_600 % 24


class MinuteOfDay(_Unary):
    """Minute of day, 0 to 1439."""

    op: Literal["minute_of_day"] = "minute_of_day"
    takes = Timestamp

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        return lambda t: t // 60 % 1_440


class Weekday(_Unary):
    """Day of week, Monday 0 to Sunday 6."""

    op: Literal["weekday"] = "weekday"
    takes = Timestamp

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        return lambda t: (t // DAY + 3) % 7  # 1970-01-01 was a Thursday


class Month(_Unary):
    """Month of year, 1 to 12."""

    op: Literal["month"] = "month"
    takes = Timestamp

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        return month_of


class Difference(_Binary):
    """left - right; of timestamps, in seconds."""

    op: Literal["difference"] = "difference"
    takes = (Ranged, Timestamp)

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        return lambda left, right: left - right


class Ratio(_Binary):
    """left / right; missing where right is zero."""

    op: Literal["ratio"] = "ratio"

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        return quotient


class Cross(_Binary):
    """The pair of two categories as one code: left's code times the size of right's vocabulary, plus right's code."""

    op: Literal["cross"] = "cross"
    takes = Category

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        right = fields[self.right]
        assert isinstance(right, Category)
        size = float(len(right.values))
        return lambda a, b: a * size + b


class Lookup(_Unary):
    """A number for each category, learned in training (a target mean, say); missing for an unknown category."""

    op: Literal["lookup"] = "lookup"
    takes = Category
    table: list[float | None]
    """One entry for each value of the vocabulary, in its order."""

    def check(self, fields: Mapping[str, RawField]) -> None:
        field = fields[self.field]
        assert isinstance(field, Category)
        if len(self.table) != len(field.values):
            raise ValueError(f"feature {self.name!r} has {len(self.table)} entries for {len(field.values)} values")

    @cached_property
    def _numbers(self) -> list[float]:
        return [math.nan if value is None else value for value in self.table] + [math.nan]

    def compile(self, fields: Mapping[str, RawField]) -> Callable[..., Values]:
        numbers = self._numbers
        column: Column = np.array(numbers)
        absent = len(numbers) - 1

        def look_up(code: Values) -> Values:
            if isinstance(code, float):
                return numbers[absent if code != code else int(code)]
            return column[np.where(np.isnan(code), absent, code).astype(np.intp)]

        return look_up

    def compile_for_row(self, fields: Mapping[str, RawField]) -> Callable[..., float]:
        numbers = self._numbers
        return lambda code: numbers[int(code) if code == code else -1]  # the last is for a missing category


AnyOperation = Annotated[
    Identity | CategoryCode | Hour | MinuteOfDay | Weekday | Month | Difference | Ratio | Cross | Lookup,
    Field(discriminator="op"),
]
