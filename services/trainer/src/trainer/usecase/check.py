"""``make check``: a declaration held against its data, without a stack."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trainer.usecase.cleaning import clean
from trainer.usecase.declaration import Declaration
from trainer.usecase.periods import Period
from trainer.usecase.planning import plan
from trainer.usecase.rows import Counted, opened_rows
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
    unfinished: str
    """The newest period, if it has only begun and is left out."""
    training_rows: int
    holdout_rows: int


def check(declaration: Declaration, root: Path, source: str | None = None, spill: Path | None = None) -> Checked:
    """Reads all rows of a source.

    Raises:
        DataError: they can't be read, or there is nothing to learn from.
    """
    chosen = declaration.sources[source or next(iter(declaration.sources))]
    with opened_rows(declaration, chosen, root, spill) as rows:
        counts = rows.counts()
        table = rows.table_with_periods()
    used, left_out = clean(declaration, table.drop_columns(["_period"]))
    missing = {name: share for name in declaration.fields if (share := used[name].null_count / max(used.num_rows, 1))}
    unknown = dict(_unknown(declaration, used))
    if declaration.table.period == "all":
        training, holdout = split_by_key(declaration, used)
        share = f"{declaration.judge.share:.0%} of the rows, by their {_by(declaration)}"
        return Checked(counts, left_out, missing, unknown, "the others", share, "", training.num_rows, holdout.num_rows)
    accepted = {
        Period(day, declaration.table.period): counted.accepted for day, counted in counts.items() if day is not None
    }
    found = plan(accepted, declaration.train.last, declaration.judge.holdout)
    in_training = sum(accepted[period] for period in found.training)
    judging = sum(accepted[period] for period in found.holdout)
    return Checked(
        counts,
        left_out,
        missing,
        unknown,
        found.trains,
        found.judges,
        str(found.unfinished or ""),
        in_training,
        judging,
    )


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
