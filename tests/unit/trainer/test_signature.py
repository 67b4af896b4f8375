"""A contract as MLflow sees it."""

import pyarrow as pa
from mlflow.types import DataType
from mlflow.types.schema import AnyType
from trainer.registry.flavor import signature
from trainer.usecases.trips.features import fit_contract


def test_raw_fields_become_mlflow_columns(january: pa.Table) -> None:
    found = signature(fit_contract(january))

    assert {column.name: (column.type, column.required) for column in found.inputs} == {
        "pickup_at": (DataType.datetime, True),
        "pu_location_id": (AnyType(), True),
        "do_location_id": (AnyType(), True),
        "trip_distance": (AnyType(), True),
        "passenger_count": (AnyType(), False),
    }
    assert [column.name for column in found.outputs] == ["duration_minutes"]
