"""Which rows judge a model, and in which order the others are learnt from."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainer.usecase.declaration import Declaration

FULL = 1 << 64
NOTHING = "\x00"
ROWS_AT_A_TIME = 50_000


def ordered(declaration: Declaration, rows: pa.Table) -> pa.Table:
    """Rows as the time goes; without a time in an order by their keys, which says nothing of them.

    Later rows watch over a training and calibrate its interval: they must be like the rows to come.
    """
    time = declaration.table.time
    if time is not None and declaration.table.period != "all":
        return rows.take(pc.sort_indices(rows[time]))
    return rows.take(pa.array(np.argsort(positions(declaration, rows), kind="stable")))


def split_by_key(declaration: Declaration, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Training rows and holdout of a table without periods.

    A row stays on its side for ever, whatever rows come: no model ever learns from a row that judges another.
    """
    judges = positions(declaration, rows) < declaration.judge.share * FULL
    return rows.filter(pa.array(~judges)), rows.filter(pa.array(judges))


def positions(declaration: Declaration, rows: pa.Table) -> np.ndarray:
    """A number from 0 to 2**64 for each row, uint64 of shape (n,): the same for rows of the same group, or else key, or
    else content."""
    table = declaration.table
    named: Sequence[str] = table.group or table.key or list(table.columns)
    found = [np.zeros(0, np.uint64)]
    # in parts, since texts take ten times the room of what they spell
    for part in rows.select(list(dict.fromkeys(named))).to_batches(max_chunksize=ROWS_AT_A_TIME):
        texts = [_texts(part[name]) for name in named]
        numbers = (
            int.from_bytes(hashlib.blake2b("\x1f".join(each).encode(), digest_size=8).digest())
            for each in zip(*texts, strict=True)
        )
        found.append(np.fromiter(numbers, np.uint64, part.num_rows))
    return np.concatenate(found)


def _texts(column: pa.Array) -> list[str]:
    if pa.types.is_floating(column.type):
        # Python's shortest form, which no release of another library changes
        return [NOTHING if value is None else repr(value) for value in column.to_pylist()]
    found: list[str] = column.cast(pa.string()).fill_null(NOTHING).to_pylist()
    return found
