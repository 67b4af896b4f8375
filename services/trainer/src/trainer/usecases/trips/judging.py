"""The holdout as the gate wants it."""

import numpy as np
import pyarrow as pa
from contract.fields import Integer, Number

from trainer.gate.judge import Holdout
from trainer.usecases.trips.baselines import baselines
from trainer.usecases.trips.fields import FIELDS, OUTPUT
from trainer.usecases.trips.slices import slices


def holdout_of(training: pa.Table | None, judged: pa.Table) -> Holdout:
    """Clean trips that judge, with what baselines that learnt from the clean training trips, if any, say of them."""
    numeric = [field.name for field in FIELDS if isinstance(field, Number | Integer)]
    return Holdout(
        actual=judged[OUTPUT.name].to_numpy(),
        unit=OUTPUT.unit,
        inputs={name: judged[name].to_numpy().astype(np.float64) for name in numeric},
        slices=slices(judged),
        baselines={} if training is None else baselines(training, judged),
    )
