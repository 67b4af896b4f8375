"""The holdout as the gate wants it."""

import numpy as np
import pyarrow as pa

from trainer.gate.judge import Bars, Holdout
from trainer.usecase.cuts import slices
from trainer.usecase.declaration import Declaration, IntegerField, NumberField


def holdout_of(declaration: Declaration, training: pa.Table | None, judged: pa.Table) -> Holdout:
    """Clean rows that judge, beside the mean of the training rows, if there are any."""
    target = declaration.target
    numeric = [name for name, field in declaration.fields.items() if isinstance(field, NumberField | IntegerField)]
    baselines = {}
    if training is not None:
        mean = float(np.mean(training[target.column].to_numpy()))
        baselines["the mean"] = np.full(judged.num_rows, mean)
        for name in declaration.judge.baselines:
            baselines[name.replace("_", " ")] = declaration.hooks.predicted(name, training, judged)
    return Holdout(
        actual=judged[target.column].to_numpy().astype(np.float64),
        unit=target.unit,
        inputs={name: judged[name].cast(pa.float64()).to_numpy() for name in numeric},
        slices=slices(declaration, judged),
        baselines=baselines,
        bars=Bars(
            rmse=declaration.judge.at_most.get("rmse"),
            mae=declaration.judge.at_most.get("mae"),
            r2=declaration.judge.at_least.get("r2"),
        ),
    )
