"""A contract as MLflow sees it."""

import pyarrow as pa
from mlflow.types import DataType
from trainer.registry.flavor import signature
from trainer.usecases.trips.features import fit_contract


def test_raw_fields_become_mlflow_columns(january: pa.Table) -> None:
    found = signature(fit_contract(january))

    assert {column.name: (column.type, column.required) for column in found.inputs} == {
        "pickup_at": (DataType.datetime, True),
        "pu_location_id": (DataType.long, True),
        "do_location_id": (DataType.long, True),
        "trip_distance": (DataType.double, True),
        "passenger_count": (DataType.double, False),
    }
    assert [column.name for column in found.outputs] == ["duration_minutes"]
