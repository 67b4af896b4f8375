"""Feature matrix and outcome of the same rows, in memory and as Parquet."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from contract import Contract
from numpy.typing import NDArray

from trainer.data.files import write_parquet


@dataclass(frozen=True)
class Examples:
    """What a booster learns from, or is judged on."""

    features: NDArray[np.float32]
    """Shape (n, k)."""
    outcome: NDArray[np.float32]
    """Shape (n,), in the contract's output unit."""
    names: list[str]
    """Of the k features, in order."""

    def write(self, path: Path) -> None:
        columns = {name: self.features[:, i] for i, name in enumerate(self.names)}
        write_parquet(pa.table({**columns, "outcome": self.outcome}), path)

    @classmethod
    def read(cls, path: Path) -> "Examples":
        table = pq.read_table(path)
        names = [name for name in table.column_names if name != "outcome"]
        features = np.column_stack([table[name].to_numpy() for name in names])
        return cls(np.ascontiguousarray(features), table["outcome"].to_numpy(), names)


def featurise(contract: Contract, table: pa.Table) -> Examples:
    """Features of a clean table by the contract's operations; the outcome is the column named like its output.

    Raises:
        InvalidInput: a row that the contract would refuse as a request.
    """
    outcome = table[contract.output.name].to_numpy().astype(np.float32)
    return Examples(contract.matrix(table), outcome, contract.compiled.names)


def split_by_time(table: pa.Table, later_share: float) -> tuple[pa.Table, pa.Table]:
    """The earlier rows and the later ones of a table that is in the order of time, as slices of it.

    Raises:
        ValueError: either side would be empty.
    """
    cut = round(table.num_rows * (1 - later_share))
    if not 0 < cut < table.num_rows:
        raise ValueError(f"{table.num_rows} rows can't be split with a later share of {later_share}")
    return table.slice(0, cut), table.slice(cut)


def split_at(table: pa.Table, column: str, moment: datetime) -> tuple[pa.Table, pa.Table]:
    """The rows before a moment and those from it on, each in the order they have."""
    earlier = pc.less(table[column], pa.scalar(moment, table.schema.field(column).type))
    return table.filter(earlier), table.filter(pc.invert(earlier))
