"""A bundle as an MLflow model: the bundle's files lie at the model's root, beside MLflow's own ``MLmodel``."""

import shutil
from pathlib import Path

import pyarrow as pa
import xgboost
from contract import Contract
from contract.fields import Category, RawField, Timestamp
from contract.pyfunc import __name__ as loader_module
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import add_to_model
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType

__all__ = ["save_model", "signature"]


def signature(contract: Contract) -> ModelSignature:
    """The raw fields as MLflow's column types.

    A number may be of any type, since MLflow refuses whole ones where doubles are wanted. The contract looks at each.
    """
    inputs = [ColSpec(_type(field), field.name, required=field.required) for field in contract.fields]
    return ModelSignature(Schema(inputs), Schema([ColSpec(DataType.float, contract.output.name)]))


def _type(field: RawField) -> DataType | AnyType:
    match field:
        case Timestamp():
            return DataType.datetime
        case Category(of_numbers=False):
            return DataType.string
        case _:
            return AnyType()


def save_model(path: str, mlflow_model: Model, bundle_folder: Path, contract: Contract) -> None:
    """What ``mlflow.models.Model.log`` calls to lay out the model's folder."""
    folder = Path(path)
    shutil.copytree(bundle_folder, folder)
    requirements = [f"xgboost-cpu=={xgboost.__version__}", f"pyarrow=={pa.__version__}"]
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n")
    mlflow_model.signature = signature(contract)
    add_to_model(mlflow_model, loader_module=loader_module)
    mlflow_model.add_flavor("roundhouse", format_version=contract.format_version, xgboost_version=xgboost.__version__)
    mlflow_model.save(str(folder / "MLmodel"))
