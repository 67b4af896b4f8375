"""Rows between two steps, as Parquet files named by their content."""

import hashlib
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from trainer.data.files import write_parquet


class Checkpoint(BaseModel):
    """A file that is never changed once written."""

    model_config = ConfigDict(frozen=True)

    path: Path
    digest: str
    """sha256 (hex) of the rows."""
    rows: int


def write_checkpoint(storage: Path, table: pa.Table) -> Checkpoint:
    """Writes the table below ``storage``, unless the same rows are there already."""
    digest = digest_of(table)
    path = storage / "checkpoints" / f"{digest[:32]}.parquet"
    if path.exists():
        path.touch()  # it is used again: the clean-up goes by age
    else:
        write_parquet(table, path)
    return Checkpoint(path=path, digest=digest, rows=table.num_rows)


def digest_of(table: pa.Table) -> str:
    """sha256 (hex) of schema and rows, however they lie in chunks."""
    digest = hashlib.sha256()
    with pa.ipc.new_stream(_Hashing(digest), table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return digest.hexdigest()


class _Hashing:
    """A file that only hashes what is written to it."""

    closed = False

    def __init__(self, digest: "hashlib._Hash") -> None:
        self._digest = digest

    def write(self, content: bytes) -> int:
        self._digest.update(content)
        return len(content)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Nothing is open."""
