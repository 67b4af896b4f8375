"""What is in the columns of a table, measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import duckdb

from trainer.usecase.cells import INTEGER, NUMBER, OFFSET
from trainer.usecase.database import identifier, text
from trainer.usecase.declaration import EPOCHS, ColumnType

MARKERS = ("", "NA", "N/A", "n/a", "na", "?", "-", "--", "NULL", "null", "None", "none", "NaN", "nan", "#N/A", ".")
"""Texts that people write for no value."""

TIME_FORMATS = ("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M",
                "%m/%d/%Y %H:%M", "%Y/%m/%d", "%Y%m%d")  # fmt: skip
ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$"

FIRST_VALUES = 100
MOSTLY = 0.95
"""Share of a column's values that must be of a type, if all others are a few words."""
FEW_WORDS = 3
MOST_VALUES = 1_000
"""Of a vocabulary."""

Epoch = Literal["epoch seconds", "epoch milliseconds"]
# from 2000 to 2100
SECONDS = (946_684_800, 4_102_444_800)


@dataclass(frozen=True)
class Profile:
    """One column."""

    name: str
    kind: str
    """DuckDB's type in the file."""
    type: ColumnType
    rows: int
    present: int
    """Rows with a value."""
    distinct: int
    missing: Sequence[str] = ()
    """The texts that stand for no value, of those that occur."""
    words: Sequence[str] = ()
    """Of these, those that only this column has: it is of numbers but for a few words."""
    format: str | None = None
    offset: bool = False
    """Times are written with an offset."""
    low: float | None = None
    high: float | None = None
    middle: float | None = None
    """Median."""
    earliest: datetime | None = None
    latest: datetime | None = None
    by_day: bool = False
    """Times are dates alone."""
    length: float = 0
    """Characters of a text on average."""
    blanks: float = 0
    """Blanks of a text on average."""
    values: Sequence[tuple[str, int]] = field(default=())
    """Texts and how often each occurs, the most frequent first; no more than are fit for a vocabulary."""

    @property
    def missing_share(self) -> float:
        return 1 - self.present / self.rows if self.rows else 0.0


class Measured:
    """Measures columns of the DuckDB table ``sample``.

    Args:
        decimal: comma or point, of numbers that are texts.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, rows: int, decimal: str) -> None:
        self._connection = connection
        self._rows = rows
        self._decimal = decimal

    def column(self, name: str, kind: str) -> Profile:
        if kind == "VARCHAR":
            return self._of_texts(name)
        return self._of_type(name, kind)

    def _of_type(self, name: str, kind: str) -> Profile:
        column = identifier(name)
        types: Mapping[str, ColumnType] = {
            "BOOLEAN": "boolean", "BIGINT": "integer", "UBIGINT": "integer", "DOUBLE": "number",
            "DATE": "timestamp", "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamp",
        }  # fmt: skip
        chosen = types.get(kind, "text")
        present, distinct = self._one(f"count({column}), count(DISTINCT {column})")
        found = Profile(name, kind, chosen, self._rows, present, distinct, offset="ZONE" in kind)
        if chosen == "timestamp":
            return self._with_times(found, f"{column}::TIMESTAMP")
        if chosen in {"number", "integer"}:
            return self._with_numbers(found, f"{column}::DOUBLE")
        return found

    def _of_texts(self, name: str) -> Profile:
        column = identifier(name)
        trimmed = f"trim({column})"
        markers = ", ".join(map(text, MARKERS))
        found = self._many(
            f"SELECT {trimmed}, count(*) FROM sample WHERE {trimmed} IN ({markers}) GROUP BY ALL ORDER BY ALL"
        )
        missing = [marker for marker, _ in found]
        empty = f"({column} IS NULL OR {trimmed} IN ({markers}))"
        value = f"CASE WHEN NOT {empty} THEN {trimmed} END"
        present, distinct, length, blanks = self._one(
            f"count({value}), count(DISTINCT {value}), avg(length({value})), avg(length({value}) - "
            f"length(replace({value}, ' ', '')))"
        )
        plain = Profile(
            name,
            "VARCHAR",
            "text",
            self._rows,
            present,
            distinct,
            missing=missing,
            length=length or 0,
            blanks=blanks or 0,
        )
        if not present:
            return plain
        number = f"replace(replace({value}, '.', ''), ',', '.')" if self._decimal == "," else value
        return (
            self._as_numbers(plain, value, number)
            or self._as_times(plain, value)
            or replace(plain, values=self._vocabulary(value))
        )

    def _as_numbers(self, plain: Profile, value: str, number: str) -> Profile | None:
        numeric, whole = self._one(
            f"count(*) FILTER (WHERE regexp_matches({number}, {text(NUMBER)})),"
            f" count(*) FILTER (WHERE regexp_matches({number}, {text(INTEGER)}))"
        )
        if numeric < plain.present * MOSTLY:
            return None
        words: list[str] = []
        if numeric < plain.present:
            found = self._many(
                f"SELECT DISTINCT {value} FROM sample WHERE NOT regexp_matches({number}, {text(NUMBER)})"
                f" ORDER BY ALL LIMIT {FEW_WORDS + 1}"
            )
            words = [word for (word,) in found]
            if len(words) > FEW_WORDS:
                return None
        kind: ColumnType = "integer" if whole == numeric else "number"
        as_double = f"TRY_CAST(CASE WHEN regexp_matches({number}, {text(NUMBER)}) THEN {number} END AS DOUBLE)"
        counted = replace(plain, type=kind, words=words, present=numeric)
        return self._epoch(self._with_numbers(counted, as_double), as_double)

    def _epoch(self, found: Profile, value: str) -> Profile:
        """A time in seconds since 1970, if the column's name says so, too."""
        if found.type != "integer" or found.low is None or found.high is None or not _named_as_time(found.name):
            return found
        for name, factor in zip(EPOCHS, (1, 1_000), strict=True):
            if found.low >= SECONDS[0] * factor and found.high <= SECONDS[1] * factor:
                moment = f"make_timestamp(CAST({value} / {factor} * 1000000 AS BIGINT))"
                return self._with_times(replace(found, type="timestamp", format=name, offset=True), moment)
        return found

    def _as_times(self, plain: Profile, value: str) -> Profile | None:
        # what the first values aren't the column isn't: to try each form on all rows takes seconds
        few = f"(SELECT {value} AS given FROM sample WHERE ({value}) IS NOT NULL LIMIT {FIRST_VALUES})"
        tried = [
            f"regexp_matches(given, {text(ISO)})",
            *(f"TRY_STRPTIME(given, {text(form)}) IS NOT NULL" for form in TIME_FORMATS),
        ]
        ((is_iso, *fits),) = self._many(f"SELECT {', '.join(f'bool_and({each})' for each in tried)} FROM {few}")
        if is_iso and (found := self._as_iso(plain, value)):
            return found
        for form in (form for form, may_be in zip(TIME_FORMATS, fits, strict=True) if may_be):
            (fitting,) = self._one(f"count(TRY_STRPTIME({value}, {text(form)}))")
            if fitting == plain.present:
                return self._with_times(
                    replace(plain, type="timestamp", format=form), f"TRY_STRPTIME({value}, {text(form)})"
                )
        return None

    def _as_iso(self, plain: Profile, value: str) -> Profile | None:
        iso, offsets = self._one(
            f"count(*) FILTER (WHERE regexp_matches({value}, {text(ISO)}) AND TRY_CAST({value} AS TIMESTAMPTZ) IS NOT"
            f" NULL), count(*) FILTER (WHERE regexp_matches({value}, {text(OFFSET)}) AND contains({value}, ':'))"
        )
        if iso < plain.present:
            return None
        moment = f"timezone('UTC', TRY_CAST({value} AS TIMESTAMPTZ))"
        return self._with_times(replace(plain, type="timestamp", offset=offsets > 0), moment)

    def _with_numbers(self, found: Profile, value: str) -> Profile:
        low, high, middle = self._one(f"min({value}), max({value}), median({value})")
        return replace(found, low=low, high=high, middle=middle)

    def _with_times(self, found: Profile, value: str) -> Profile:
        earliest, latest, with_hours = self._one(
            f"min({value}), max({value}), count(*) FILTER (WHERE {value} <> date_trunc('day', {value}))"
        )
        return replace(found, earliest=earliest, latest=latest, by_day=with_hours == 0)

    def _vocabulary(self, value: str) -> list[tuple[str, int]]:
        return self._many(
            f"SELECT {value} AS word, count(*) AS rows FROM sample WHERE {value} IS NOT NULL GROUP BY word"
            f" ORDER BY rows DESC, word LIMIT {MOST_VALUES}"
        )

    def _one(self, selected: str) -> Any:
        return self._many(f"SELECT {selected} FROM sample")[0]

    def _many(self, query: str) -> list[Any]:
        return self._connection.execute(query).fetchall()


def comma_decides(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> bool:
    """Whether numbers are written with a decimal comma: there are some that only such a reading makes numbers."""
    for name in columns:
        value = f"trim({identifier(name)})"
        comma = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+$"
        rows = connection.execute(
            f"SELECT count(*) FILTER (WHERE regexp_matches({value}, {text(comma)})),"
            f" count(*) FILTER (WHERE {value} <> '' AND NOT regexp_matches({value}, '^[+-]?[0-9.]*(,[0-9]+)?$'))"
            " FROM sample"
        ).fetchall()
        fitting, others = rows[0]
        if fitting and others <= fitting * (1 - MOSTLY):
            return True
    return False


def _named_as_time(name: str) -> bool:
    lower = name.lower()
    return lower.endswith(("_at", "_ts", "ts")) or any(part in lower for part in ("time", "date", "epoch", "stamp"))
