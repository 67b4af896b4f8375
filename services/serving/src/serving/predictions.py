"""What a served model answers. Knows no web framework."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contract import FieldProblem, InvalidInput
from contract.booster import LoadedModel

from serving.store import Record

Answer = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """A model that answers requests. A request takes it once and keeps it to its end, whatever is swapped meanwhile."""

    model: LoadedModel
    record: Record
    key: str
    """The version's key in the store."""
    generation: int
    loaded_at: datetime
    """UTC."""

    @property
    def label(self) -> Answer:
        return {"name": self.record.name, "version": self.record.version}


def predict(served: Served, body: bytes) -> Answer:
    """One row, as JSON, to one prediction in the output's unit.

    Raises:
        BadJson, InvalidInput: the contract refuses the row.
    """
    model = served.model
    features = model.contract.row(model.rows.parse(body))
    prediction = model.predict(features).item()
    return {
        "prediction_id": uuid.uuid4().hex,
        "prediction": prediction,
        "unit": model.contract.output.unit,
        "interval": model.contract.output.around(prediction),
        "model": served.label,
    }


def predict_batch(served: Served, body: bytes, most_rows: int) -> Answer:
    """``{"rows": [...]}`` to as many predictions, in order, all from this model.

    Raises:
        BadJson, InvalidInput: the contract refuses a row, or there are too many.
    """
    model, output = served.model, served.model.contract.output
    rows = model.rows.parse_batch(body)
    if len(rows) > most_rows:
        raise InvalidInput([FieldProblem("rows", f"has {len(rows)} rows", f"a list of 1 to {most_rows} row objects")])
    predictions: list[float] = model.predict(model.contract.compiled.rows(rows)).tolist()
    return {
        "predictions": predictions,
        "unit": output.unit,
        "intervals": None if output.interval is None else [output.around(prediction) for prediction in predictions],
        "model": served.label,
    }
