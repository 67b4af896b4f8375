"""The raw fields of a request: their types, what they allow, and how a value becomes a number.

Every field encodes to float64, missing to NaN: a category to its position in the vocabulary, a timestamp to whole
seconds of wall-clock time since 1970-01-01, a number to itself. ``encode`` takes one value that validation has passed,
``encode_all`` many, ``contract.columns`` an Arrow column that it checks itself; all give the same bits.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.errors import FieldProblem

Column = NDArray[np.float64]

EPOCH = datetime(1970, 1, 1)
NAME = r"^[^\x00-\x1f\x7f-\x9f]{1,200}$"
"""Of a field, whose name is the column's in the table that it comes from: any text without control characters."""

LARGEST = 1e37
"""Bound of an unbounded number: what two of them give when subtracted still fits float32."""


class Document(BaseModel):
    """A part of contract.json: immutable, and refusing what it doesn't know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def seconds(moment: datetime) -> float:
    """Whole seconds of wall-clock time since 1970-01-01T00:00:00; fractions are cut off."""
    since = moment - EPOCH
    return float(since.days * 86_400 + since.seconds)


class RawField(Document, ABC):
    """What all fields have in common."""

    name: str = Field(pattern=NAME)
    description: str
    required: bool = True
    """A field that isn't required may be absent or null, and then has ``default``, or counts as missing without one."""

    example: Any
    default: Any = None

    @model_validator(mode="after")
    def _default_is_for_optional_fields(self) -> Self:
        if self.required and self.default is not None:
            raise ValueError("a required field has no default")
        return self

    @model_validator(mode="after")
    def _default_has_a_number(self) -> Self:
        if self.default is None:
            return self
        try:
            known = math.isfinite(self.encode(self._parsed(self.default)))
        except (TypeError, ValueError, OverflowError, AttributeError):
            known = False
        if not known:
            raise ValueError(f"the default isn't {self.allowed}")
        return self

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What the field takes, in words, for error messages."""

    @abstractmethod
    def encode(self, value: Any) -> float:
        """One valid, non-null value as a number."""

    @property
    def encoder(self) -> Callable[[Any], float]:
        """``encode`` for a request's path: the same numbers by the shortest way."""
        return self.encode

    def encode_all(self, values: Sequence[Any]) -> Column:
        """Valid values, null or absent ones as None, as float64 of shape (n,)."""
        encoded = self._encode_valid(values)
        if not math.isnan(self.missing):
            encoded[np.fromiter((value is None for value in values), bool, len(values))] = self.missing
        return encoded

    def _encode_valid(self, values: Sequence[Any]) -> Column:
        """As ``encode_all``, with NaN for None."""
        return np.array(values, dtype=np.float64)

    @cached_property
    def missing(self) -> float:
        """What an absent value encodes to."""
        return math.nan if self.default is None else self.encode(self._parsed(self.default))

    def _parsed(self, literal: Any) -> Any:
        return literal

    def problem(self, problem: str, row: int | None = None) -> FieldProblem:
        return FieldProblem(self.name, problem, self.allowed, row)


class Ranged(RawField):
    """A field whose values have an order."""

    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        low = -LARGEST if self.minimum is None else self.minimum
        high = LARGEST if self.maximum is None else self.maximum
        return low, high

    def encode(self, value: Any) -> float:
        return float(value)

    def _parsed(self, literal: Any) -> Any:
        if isinstance(literal, (bool, str)):  # which Python takes for numbers
            raise ValueError(f"{literal!r} is no number")
        return literal

    @property
    def encoder(self) -> Callable[[Any], float]:
        return float

    def _range_in_words(self, kind: str) -> str:
        low, high = (None if bound is None else f"{bound:g}" for bound in (self.minimum, self.maximum))
        words = {
            (False, False): kind,
            (True, False): f"{kind} of at least {low}",
            (False, True): f"{kind} of at most {high}",
            (True, True): f"{kind} from {low} to {high}",
        }[low is not None, high is not None]
        return f"{words} ({self.unit})" if self.unit else words


class Number(Ranged):
    """A finite real number."""

    type: Literal["number"] = "number"

    @property
    def allowed(self) -> str:
        return self._range_in_words("a number")


class Integer(Ranged):
    """A whole number; ``2.0`` is one, as in JSON Schema."""

    type: Literal["integer"] = "integer"

    @property
    def allowed(self) -> str:
        return self._range_in_words("a whole number")


class Codes(dict[str | int, float]):
    """Codes by value; of a value outside the vocabulary NaN, without becoming a key."""

    def __missing__(self, value: str | int) -> float:
        return math.nan


class Category(RawField):
    """One of a closed list of values. The contract owns the vocabulary: a value's code is its position in it."""

    type: Literal["category"] = "category"
    values: list[str] | list[int] = Field(min_length=1)
    unknown: Literal["reject", "missing"] = "reject"
    """A value outside the vocabulary is an error, or counts as missing."""

    @model_validator(mode="after")
    def _values_are_distinct(self) -> Self:
        if len(set(self.values)) != len(self.values):
            raise ValueError("values repeat")
        return self

    @cached_property
    def codes(self) -> "Codes":
        values: list[str | int] = [*self.values]
        return Codes((value, float(code)) for code, value in enumerate(values))

    @property
    def of_numbers(self) -> bool:
        return isinstance(self.values[0], int)

    @cached_property
    def span(self) -> tuple[int, int] | None:
        """First and last value, if the vocabulary is a run of whole numbers."""
        numbers = [value for value in self.values if isinstance(value, int)]
        consecutive = len(numbers) == len(self.values) and numbers == list(range(numbers[0], numbers[-1] + 1))
        return (numbers[0], numbers[-1]) if consecutive else None

    @property
    def allowed(self) -> str:
        if self.unknown == "missing":
            return "a whole number" if self.of_numbers else "a text"
        if self.span:
            return f"a whole number from {self.span[0]} to {self.span[1]}"
        shown = ", ".join(map(repr, self.values[:12]))
        return f"one of {shown}" if len(self.values) <= 12 else f"one of {shown} and {len(self.values) - 12} more"

    def encode(self, value: Any) -> float:
        return self.codes[value]

    @property
    def encoder(self) -> Callable[[Any], float]:
        return self.codes.__getitem__

    def _encode_valid(self, values: Sequence[Any]) -> Column:
        if self.span and self.unknown == "reject":
            return super()._encode_valid(values) - self.span[0] + 0.0  # of -0.0 too, the code is 0.0
        return np.fromiter(map(self.codes.__getitem__, values), np.float64, len(values))


class Timestamp(RawField):
    """A wall-clock time without offset, to the second."""

    type: Literal["timestamp"] = "timestamp"
    timezone: str | None = None
    """Whose wall clock is meant, for the reader: no conversion is made."""
    minimum: datetime | None = None
    maximum: datetime | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        low = -math.inf if self.minimum is None else seconds(self.minimum)
        high = math.inf if self.maximum is None else seconds(self.maximum)
        return low, high

    @property
    def allowed(self) -> str:
        clock = f"{self.timezone} local time" if self.timezone else "local time"
        since = f", from {self.minimum.isoformat()}" if self.minimum else ""
        until = f", to {self.maximum.isoformat()}" if self.maximum else ""
        return f"an ISO 8601 time such as {self.example}, {clock} without offset{since}{until}"

    def _parsed(self, literal: Any) -> datetime:
        return literal if isinstance(literal, datetime) else datetime.fromisoformat(literal)

    def encode(self, value: Any) -> float:
        return seconds(value)

    def _encode_valid(self, values: Sequence[Any]) -> Column:
        # ``seconds`` without its calls
        return np.array(
            [math.nan if v is None else (since := v - EPOCH).days * 86_400.0 + since.seconds for v in values],
            dtype=np.float64,
        )


AnyField = Annotated[Number | Integer | Category | Timestamp, Field(discriminator="type")]
