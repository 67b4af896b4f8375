"""Rows that a function of ``hooks.py`` gives, as a file, from which they go the way of all others."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trainer.data.errors import DataError
from trainer.usecase.declaration import Declaration, Files, Generated

AS_PARQUET = Files(files="", format="parquet")


class NothingGenerated(DataError):
    """A function gives no rows."""


def generate(
    declaration: Declaration, source: Generated, periods: Sequence[str] | None, since: datetime | None, into: Path
) -> Path:
    """Writes what the function gives into a file, part by part.

    Args:
        periods: that are wanted; None for all that may be new.
        since: the first moment of the newest period that is loaded; None for everything.
        into: an existing folder.

    Raises:
        BadHook: the function fails.
        NothingGenerated: it gives nothing at all.
    """
    target = into / f"{source.hook}.parquet"
    writer: pq.ParquetWriter | None = None
    try:
        for part in declaration.hooks.rows(source.hook, source.arguments, periods, since):
            writer = writer or pq.ParquetWriter(target, part.schema)
            writer.write_table(part)
    except pa.ArrowException as error:
        raise NothingGenerated(f"{source.hook} gives what no Parquet file can have: {error}") from error
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise NothingGenerated(f"{source.hook} gives no rows")
    return target
