"""The holdout as the gate wants it."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from trainer.gate.judge import Holdout
from trainer.usecase.declaration import Declaration, IntegerField, NumberField

MISSING = "missing"


def holdout_of(declaration: Declaration, training: pa.Table | None, judged: pa.Table) -> Holdout:
    """Clean rows that judge, beside the mean of the training rows, if there are any."""
    target = declaration.target
    numeric = [name for name, field in declaration.fields.items() if isinstance(field, NumberField | IntegerField)]
    baselines = {}
    if training is not None:
        mean = float(np.mean(training[target.column].to_numpy()))
        baselines["the mean"] = np.full(judged.num_rows, mean)
    return Holdout(
        actual=judged[target.column].to_numpy().astype(np.float64),
        unit=target.unit,
        inputs={name: judged[name].cast(pa.float64()).to_numpy() for name in numeric},
        slices=slices(declaration, judged),
        baselines=baselines,
    )


def slices(declaration: Declaration, rows: pa.Table) -> dict[str, Sequence[str]]:
    """The value of each row, for each category that rows are cut by."""
    return {
        name: [MISSING if value is None else str(value) for value in rows[name].to_pylist()]
        for name in declaration.judge.slices
    }
