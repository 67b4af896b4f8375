"""What the Open Inference Protocol's own OpenAPI page (KServe, V2, HTTP) asks of every server, in as few words.

The schemas are its. The paths name a model and a version that are served: that page has no word for one that isn't.
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
INTEGERS: Schema = {"type": "array", "items": {"type": "integer"}}
PARAMETERS: Schema = {"type": "object"}


def document(model: str, version: str) -> Schema:
    """An OpenAPI 3.0 document."""
    served = f"/v2/models/{model}/versions/{version}"
    return {
        "openapi": "3.0.0",
        "info": {"title": "Open Inference Protocol", "version": "2.0"},
        "paths": {
            "/v2/health/live": {"get": _responses(None)},
            "/v2/health/ready": {"get": _responses(None)},
            "/v2/": {"get": _responses("metadata_server_response")},
            f"{served}/ready": {"get": _responses(None)},
            served: {"get": _responses("metadata_model_response")},
            f"{served}/infer": {"post": _responses("inference_response") | {"requestBody": _json("inference_request")}},
        },
        "components": {"schemas": _SCHEMAS},
    }


def _responses(name: str | None) -> Schema:
    good = {"description": "OK"} | ({} if name is None else _json(name))
    return {"responses": {"200": good, "400": {"description": "Bad Request"} | _json("error_response")}}


def _json(name: str) -> Schema:
    return {"content": {"application/json": {"schema": _reference(name)}}}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required}


def _many(name: str) -> Schema:
    return {"type": "array", "items": _reference(name)}


_TENSOR: Schema = {"name": TEXT, "shape": INTEGERS, "datatype": TEXT}
_WITH_DATA: Schema = {**_TENSOR, "parameters": PARAMETERS, "data": _reference("tensor_data")}
_WHOLE = ["name", "shape", "datatype", "data"]
_SCHEMAS: Schema = {
    "metadata_server_response": _object(
        ["name", "version", "extensions"], name=TEXT, version=TEXT, extensions={"type": "array", "items": TEXT}
    ),
    "metadata_model_response": _object(
        ["name", "platform"],
        name=TEXT,
        versions={"type": "array", "items": TEXT},
        platform=TEXT,
        inputs=_many("metadata_tensor"),
        outputs=_many("metadata_tensor"),
        properties={"type": "object", "additionalProperties": TEXT},
    ),
    "metadata_tensor": _object(["name", "datatype", "shape"], **_TENSOR),
    "tensor_data": {
        "type": "array",
        "items": {
            "anyOf": [_reference("tensor_data"), {"type": "number"}, {"type": "string"}, {"type": "boolean"}],
        },
    },
    "request_input": _object(_WHOLE, **_WITH_DATA),
    "request_output": _object(["name"], name=TEXT, parameters=PARAMETERS),
    "response_output": _object(_WHOLE, **_WITH_DATA),
    "inference_request": _object(
        ["inputs"],
        id=TEXT,
        parameters=PARAMETERS,
        inputs=_many("request_input"),
        outputs=_many("request_output"),
    ),
    "inference_response": _object(
        ["model_name", "outputs"],
        model_name=TEXT,
        model_version=TEXT,
        id=TEXT,
        parameters=PARAMETERS,
        outputs=_many("response_output"),
    ),
    "error_response": _object(["error"], error=TEXT),
}
