"""What is kept of training with a model version, so that later predictions can be held against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from contract import Contract, Interval
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from trainer.data.files import write_parquet
from trainer.monitoring.errors import root_mean_square

FOLDER = "monitoring"
ROWS = "reference.parquet"
PROMISE = "promise.json"

PREDICTION = "_prediction"
"""The column with what the model says of the row; no field's name begins so."""

MOST_ROWS = 100_000
"""1.5 MB. Of 20,000 rows the index of a month that hasn't drifted would vary by 0.001 from draw to draw."""


class SliceError(BaseModel):
    model_config = ConfigDict(frozen=True)

    by: str
    name: str
    rows: int
    rmse: float


class Promise(BaseModel):
    """How good the model was on the holdout, in the outcome's unit."""

    model_config = ConfigDict(frozen=True)

    rows: int
    rmse: float
    mae: float
    coverage: float | None
    """Share of outcomes that the interval is to hold; None for a model without one."""
    slices: list[SliceError]

    @classmethod
    def of(
        cls,
        actual: NDArray[np.floating],
        predicted: NDArray[np.floating],
        interval: Interval | None,
        slices: Mapping[str, Sequence[str]],
    ) -> Self:
        """Args: slices: for each way to cut the rows, the name of each row's part."""
        errors = actual.astype(np.float64) - predicted
        return cls(
            rows=len(errors),
            rmse=root_mean_square(errors),
            mae=float(np.abs(errors).mean()),
            coverage=None if interval is None else interval.coverage,
            slices=[
                SliceError(by=by, name=str(name), rows=int(rows.sum()), rmse=root_mean_square(errors[rows]))
                for by, labels in slices.items()
                for name in np.unique(np.asarray(labels))
                if (rows := np.asarray(labels) == name).any()
            ],
        )


@dataclass(frozen=True)
class Reference:
    """Training rows with the model's predictions, and what it promised."""

    rows: pa.Table
    """The contract's raw fields and ``PREDICTION``."""
    promise: Promise

    def write(self, folder: Path) -> None:
        write_parquet(self.rows, folder / ROWS)
        (folder / PROMISE).write_text(self.promise.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls(pq.read_table(folder / ROWS), Promise.model_validate_json((folder / PROMISE).read_bytes()))


def chosen(count: int, seed: int) -> NDArray[np.int64]:
    """Positions of the rows that are kept, of so many: all, or ``MOST_ROWS`` of them drawn at random, in order."""
    if count <= MOST_ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, MOST_ROWS, replace=False))


def with_predictions(contract: Contract, rows: pa.Table, predicted: NDArray[np.float32]) -> pa.Table:
    """The raw fields of the rows and ``PREDICTION``.

    Args:
        rows: the raw fields as columns, and any others.
        predicted: what the model says of them, shape (n,).
    """
    names = [name for name in contract.by_name if name in rows.column_names]
    return rows.select(names).append_column(PREDICTION, pa.array(predicted.astype(np.float64)))
