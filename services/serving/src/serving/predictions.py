"""What a served model answers. Knows no web framework."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import isfinite
from typing import Any

from contract.booster import LoadedModel

from serving.errors import NotFinite
from serving.observe.ids import new_id
from serving.store import Record


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
    def label(self) -> dict[str, Any]:
        return {"name": self.record.name, "version": self.record.version}

    @cached_property
    def unit_json(self) -> str:
        return json.dumps(self.model.contract.output.unit, ensure_ascii=False)

    @cached_property
    def label_json(self) -> str:
        return json.dumps(self.label, ensure_ascii=False, separators=(",", ":"))


def one(served: Served, body: bytes, prediction_id: str | None = None) -> bytes:
    """One row, as JSON, to one prediction in the output's unit, as JSON.

    Args:
        prediction_id: of the prediction; a new one, if it has none yet.

    Raises:
        BadJson, InvalidInput: the contract refuses the row.
        NotFinite: the model's prediction is no number.
    """
    model = served.model
    prediction = model.predict_row(model.rows.parse(body))
    if not isfinite(prediction):
        raise NotFinite(0, prediction)
    around = model.contract.output.around(prediction)
    interval = "null" if around is None else f"[{around[0]!r},{around[1]!r}]"
    # a float's repr is its shortest exact form in JSON too; json.dumps would take longer than the prediction
    return (
        f'{{"prediction_id":"{prediction_id or new_id()}","prediction":{prediction!r},"unit":{served.unit_json}'
        f',"interval":{interval},"model":{served.label_json}}}'
    ).encode()
