"""``make check``: a declaration held against its data, without a stack."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trainer.usecase.cleaning import clean_parts
from trainer.usecase.declaration import Declaration
from trainer.usecase.periods import Period
from trainer.usecase.planning import plan
from trainer.usecase.rows import Counted, opened_rows
from trainer.usecase.sampling import most_rows
from trainer.usecase.splitting import split_by_key


@dataclass(frozen=True)
class Checked:
    """What a source's rows are."""

    periods: Mapping[Any, Counted]
    """By first day; None for rows that lie in none."""
    left_out: Mapping[str, int]
    missing: Mapping[str, float]
    """Share of the accepted rows, by field, where it isn't 0."""
    unknown: Mapping[str, int]
    """Rows with a value outside of a category's vocabulary, by field, which count as missing."""
    training: str
    holdout: str
    few: Sequence[Period]
    """The newest periods, if they have few rows and are left out."""
    training_rows: int
    holdout_rows: int
    most_rows: int
    """Of more, so many are drawn."""


def check(declaration: Declaration, root: Path, source: str | None = None, spill: Path | None = None) -> Checked:
    """Reads all rows of a source.

    Raises:
        DataError: they can't be read, or there is nothing to learn from.
    """
    chosen = declaration.sources[source or next(iter(declaration.sources))]
    seen = _Seen(declaration)
    with opened_rows(declaration, chosen, root, spill) as rows:
        counts = rows.counts()
        for used, left_out in clean_parts(declaration, rows.parts(), rows.schema):
            seen.add(used, left_out)
    if declaration.table.period == "all":
        training, holdout = "the others", f"{declaration.judge.share:.0%} of the rows, by their {_by(declaration)}"
        trains, judges, few = seen.rows - seen.judging, seen.judging, list[Period]()
    else:
        accepted = {
            Period(day, declaration.table.period): counted.accepted
            for day, counted in counts.items()
            if day is not None
        }
        found = plan(accepted, declaration.train.last, declaration.judge.holdout)
        training, holdout, few = found.trains, found.judges, list(found.left_out)
        trains = sum(seen.of_period[period.first_day] for period in found.training)
        judges = sum(seen.of_period[period.first_day] for period in found.holdout)
    return Checked(
        periods=counts,
        left_out=dict(seen.left_out.most_common()),
        missing={name: count / seen.rows for name, count in seen.missing.items() if count},
        unknown={name: count for name, count in seen.unknown.items() if count},
        training=training,
        holdout=holdout,
        few=few,
        training_rows=trains,
        holdout_rows=judges,
        most_rows=most_rows(declaration),
    )


class _Seen:
    """Clean rows, counted part by part."""

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self.rows = 0
        self.judging = 0
        """Of a table without periods."""
        self.of_period: Counter[Any] = Counter()
        """By first day."""
        self.left_out: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()

    def add(self, used: pa.Table, left_out: Counter[str]) -> None:
        self.rows += used.num_rows
        self.left_out += left_out
        for name in self._declaration.fields:
            self.missing[name] += used[name].null_count
        for name, count in _unknown(self._declaration, used):
            self.unknown[name] += count
        if self._declaration.table.period == "all":
            self.judging += split_by_key(self._declaration, used)[1].num_rows
        else:
            counted = used.group_by("_period").aggregate([("_period", "count")])
            for day, rows in zip(counted["_period"].to_pylist(), counted["_period_count"].to_pylist(), strict=True):
                self.of_period[day] += rows


def _unknown(declaration: Declaration, rows: pa.Table) -> Iterator[tuple[str, int]]:
    for name, field in declaration.fields.items():
        if field.type == "category":
            values = pa.array(field.values).cast(rows[name].type)
            others = pc.and_(pc.is_valid(rows[name]), pc.invert(pc.is_in(rows[name], value_set=values)))
            if count := pc.sum(others).as_py():
                yield name, count


def _by(declaration: Declaration) -> str:
    table = declaration.table
    if table.group:
        return f"group ({', '.join(table.group)})"
    return f"key ({', '.join(table.key)})" if table.key else "content"
