"""The raw fields of a request: their types, what they allow, and how a value becomes a number.

Every field encodes to float64, missing to NaN: a category to its position in the vocabulary, a timestamp to whole
seconds of wall-clock time since 1970-01-01, a number to itself. ``encode`` takes one value that validation has passed,
``encode_column`` an Arrow column that it checks itself; both give the same bits.
"""

import math
from abc import ABC, abstractmethod
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.errors import FieldProblem, InvalidInput

Column = NDArray[np.float64]

EPOCH_ORDINAL = datetime(1970, 1, 1).toordinal()
LARGEST = 1e37
"""Bound of an unbounded number: what two of them give when subtracted still fits float32."""


class Document(BaseModel):
    """A part of contract.json: immutable, and refusing what it doesn't know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def seconds(moment: datetime) -> float:
    """Whole seconds of wall-clock time since 1970-01-01T00:00:00; fractions are cut off."""
    days = moment.toordinal() - EPOCH_ORDINAL
    return float(days * 86_400 + moment.hour * 3_600 + moment.minute * 60 + moment.second)


class RawField(Document, ABC):
    """What all fields have in common."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
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

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What the field takes, in words, for error messages."""

    @abstractmethod
    def encode(self, value: Any) -> float:
        """One valid, non-null value as a number."""

    @abstractmethod
    def _encode_present(self, column: pa.Array) -> Column:
        """A column without nulls, float64 of shape (n,); NaN where the value isn't allowed."""

    @cached_property
    def missing(self) -> float:
        """What an absent value encodes to."""
        return math.nan if self.default is None else self.encode(self._parsed(self.default))

    def _parsed(self, literal: Any) -> Any:
        return literal

    def encode_column(self, column: pa.Array | pa.ChunkedArray) -> Column:
        """An Arrow column as float64 of shape (n,); null and NaN are missing.

        Raises:
            InvalidInput: naming the first row whose value the field doesn't allow, or a column of another type.
        """
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if pa.types.is_dictionary(whole.type):
            whole = whole.dictionary_decode()
        null = np.asarray(pc.is_null(whole, nan_is_null=True))
        if self.required and null.any():
            raise InvalidInput([self.problem("is missing", int(np.argmax(null)))])
        present = whole if not null.any() else whole.filter(pa.array(~null))
        try:
            encoded = self._encode_present(present)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise InvalidInput([self.problem(f"can't be read from a column of {whole.type}: {error}")]) from error
        refused = np.isnan(encoded) if self._refuses_unknown else np.zeros(0, dtype=bool)
        if refused.any():
            at = int(np.argmax(refused))
            row = int(np.flatnonzero(~null)[at])
            raise InvalidInput([self.problem(f"is {present[at].as_py()!r}", row)])
        result = np.full(len(whole), self.missing)
        result[~null] = encoded
        return result

    _refuses_unknown: ClassVar[bool] = True

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

    def _encode_present(self, column: pa.Array) -> Column:
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type)):
            raise pa.ArrowTypeError("not a numeric type")
        values = np.asarray(column.cast(pa.float64(), safe=False))
        low, high = self.bounds
        return np.where((values >= low) & (values <= high), values, math.nan)

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

    def _encode_present(self, column: pa.Array) -> Column:
        values = super()._encode_present(column)
        return np.where(values == np.floor(values), values, math.nan)


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
    def codes(self) -> dict[str | int, float]:
        values: list[str | int] = [*self.values]
        return {value: float(code) for code, value in enumerate(values)}

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
        return self.codes.get(value, math.nan)

    @property
    def _refuses_unknown(self) -> bool:  # type: ignore[override]
        return self.unknown == "reject"

    def _encode_present(self, column: pa.Array) -> Column:
        kind = pa.int64() if self.of_numbers else pa.string()
        if pa.types.is_integer(column.type) != self.of_numbers and not pa.types.is_floating(column.type):
            raise pa.ArrowTypeError(f"the vocabulary is of {kind}")
        codes = pc.index_in(column.cast(kind), value_set=pa.array(self.values, kind))
        return np.asarray(codes.cast(pa.float64()).fill_null(math.nan))


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

    def _encode_present(self, column: pa.Array) -> Column:
        if pa.types.is_timestamp(column.type) and column.type.tz is not None:
            raise pa.ArrowTypeError("times with a zone are not local times")
        ticks = np.asarray(column.cast(pa.timestamp("us")).cast(pa.int64()))
        values = np.floor_divide(ticks, 1_000_000).astype(np.float64)
        low, high = self.bounds
        return np.where((values >= low) & (values <= high), values, math.nan)


AnyField = Annotated[Number | Integer | Category | Timestamp, Field(discriminator="type")]
