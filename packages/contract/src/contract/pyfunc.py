"""MLflow's loader for a bundle: ``mlflow.pyfunc.load_model`` predicts from raw columns. Needs the extra ``pyfunc``.

The bundle's ``MLmodel`` file names this module; the bundle itself holds no code.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from contract import booster
from contract.fields import RawField, Timestamp


class RawFrameModel:
    """Predicts from a DataFrame with the contract's raw fields as columns."""

    def __init__(self, model: booster.LoadedModel) -> None:
        self._model = model

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> NDArray[np.float32]:
        """Predictions of shape (n,) in the output's unit.

        Raises:
            InvalidInput: a column is absent or has a value that the contract refuses.
        """
        contract = self._model.contract
        given = [field for field in contract.fields if field.name in frame.columns]
        table = pa.table({field.name: _column(field, frame[field.name]) for field in given})
        return self._model.predict(contract.matrix(table))


def _column(field: RawField, column: "pd.Series[Any]") -> pa.Array:
    # pandas keeps what it can't type as objects: datetime objects and ISO texts both become Arrow times or texts
    converted = pa.Array.from_pandas(column)
    if isinstance(field, Timestamp) and pa.types.is_timestamp(converted.type) and converted.type.tz is None:
        return converted.cast(pa.timestamp("us"), safe=False)
    return converted


def _load_pyfunc(path: str) -> RawFrameModel:
    return RawFrameModel(booster.load(Path(path)))
