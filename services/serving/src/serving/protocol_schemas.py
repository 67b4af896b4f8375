"""JSON Schemas of the protocols that others have defined, as the served model's contract narrows them."""

from typing import Any

from contract import Contract
from contract.openapi import row_schema

from serving.protocols import tensors
from serving.schemas import NUMBER, TEXT, Schema, object_of

ARROW = "application/vnd.apache.arrow.stream"
MLFLOW_ERROR = "MlflowError"
INFER_ERROR = "InferenceError"

_MODEL_VERSION: Schema = {"model_name": TEXT, "model_version": TEXT}
_SHAPE: Schema = {"type": "array", "items": {"type": "integer"}}
_PARAMETERS: Schema = {"type": ["object", "null"]}


def schemas(contract: Contract | None, most_rows: int) -> Schema:
    """All components by name."""
    return {
        "Invocation": _invocation(contract, most_rows),
        "Invoked": object_of(predictions={"type": "array", "items": NUMBER}),
        MLFLOW_ERROR: object_of(error_code=TEXT, message=TEXT),
        "InferenceRequest": _inference_request(contract),
        **_FIXED,
    }


def inference_example(contract: Contract) -> Schema:
    """A request of one row."""
    inputs = [
        {"name": field.name, "shape": [1], "datatype": tensors.datatype(field), "data": [field.example]}
        for field in contract.fields
    ]
    return {"id": "1", "inputs": inputs}


def _invocation(contract: Contract | None, most_rows: int) -> Schema:
    # columns that are no field are ignored, as MLflow does
    row: Schema = {"type": "object"} if contract is None else row_schema(contract) | {"additionalProperties": True}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": most_rows}
    values: Schema = {"type": "array", "items": {"type": "array"}, "minItems": 1, "maxItems": most_rows}
    split = {
        "type": "object",
        "properties": {"index": {"type": "array"}, "columns": {"type": "array", "items": TEXT}, "data": values},
        "required": ["data"],
    }
    columns = {"type": "object", "additionalProperties": {"type": "array"}}
    forms: dict[str, Any] = {
        "dataframe_split": split,
        "dataframe_records": rows,
        "instances": {"anyOf": [rows, values]},
        "inputs": {"anyOf": [columns, rows, values]},
    }
    return {
        "type": "object",
        "oneOf": [{"properties": {name: form}, "required": [name]} for name, form in forms.items()],
        "properties": {"params": {"type": ["object", "null"]}},
    }


def _inference_request(contract: Contract | None) -> Schema:
    inputs: Schema = {"type": "array", "items": {"$ref": "#/components/schemas/RequestInput"}, "minItems": 1}
    if contract is not None:
        inputs["description"] = (
            f"One tensor for each of {', '.join(contract.by_name)}; an optional one may be left out."
        )
    outputs = {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/RequestOutput"}}
    return {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"]},
            "parameters": _PARAMETERS,
            "inputs": inputs,
            "outputs": outputs,
        },
        "required": ["inputs"],
    }


_FIXED: Schema = {
    INFER_ERROR: object_of(error=TEXT),
    "ServerMetadata": object_of(name=TEXT, version=TEXT, extensions={"type": "array", "items": TEXT}),
    "Live": object_of(live={"type": "boolean"}),
    "Ready": object_of(ready={"type": "boolean"}),
    "ModelReady": object_of(name=TEXT, ready={"type": "boolean"}),
    "TensorMetadata": object_of(name=TEXT, datatype=TEXT, shape=_SHAPE),
    "ModelMetadata": object_of(
        name=TEXT,
        versions={"type": "array", "items": TEXT},
        platform=TEXT,
        inputs={"type": "array", "items": {"$ref": "#/components/schemas/TensorMetadata"}},
        outputs={"type": "array", "items": {"$ref": "#/components/schemas/TensorMetadata"}},
    ),
    "RequestInput": {
        "type": "object",
        "properties": {
            "name": TEXT,
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 2},
            "datatype": {"enum": [*tensors.NUMERIC, "BYTES"]},
            "parameters": _PARAMETERS,
            "data": {"type": "array"},
        },
        "required": ["name", "shape", "datatype"],
    },
    "RequestOutput": {
        "type": "object",
        "properties": {"name": TEXT, "parameters": _PARAMETERS},
        "required": ["name"],
    },
    "ResponseOutput": {
        "type": "object",
        "properties": {
            "name": TEXT,
            "shape": _SHAPE,
            "datatype": TEXT,
            "parameters": _PARAMETERS,
            "data": {"type": "array"},
        },
        "required": ["name", "shape", "datatype"],
    },
    "InferenceResponse": {
        "type": "object",
        "properties": {
            **_MODEL_VERSION,
            "id": TEXT,
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/ResponseOutput"}},
        },
        "required": ["model_name", "model_version", "outputs"],
    },
}
