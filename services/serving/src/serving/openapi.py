"""The API's own description, generated from the contract of the model that is served."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from contract import Contract

from serving import deliveries, protocol_schemas
from serving.problems import MEDIA_TYPE
from serving.protocol_schemas import ARROW, INFER_ERROR, MLFLOW_ERROR
from serving.schemas import Schema, schemas

BODY_REFUSALS = (400, 408, 413, 415, 422)
BUSY = 503
SIGNED = {"registrySignature": {"type": "apiKey", "in": "header", "name": deliveries.SIGNATURE}}

Refusals = Mapping[int, Schema]
"""The content of a refusal by its status."""


def document(contract: Contract | None, title: str, most_rows: int, *, events: bool) -> Schema:
    """An OpenAPI 3.1 document; it names the model's fields when there is a model.

    Args:
        events: Whether the service takes the registry's events.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "description": contract.description if contract else ""},
        "tags": [
            {"name": "predictions", "description": "From the model's raw fields."},
            {"name": "operation", "description": "What is served, and how the service does."},
            {"name": "MLflow", "description": "The scoring protocol of `mlflow models serve`."},
            {"name": "Open Inference Protocol", "description": "KServe's V2 over HTTP, with binary tensor data."},
        ],
        "paths": {
            **_tagged("predictions", _predictions(contract)),
            **_tagged("operation", _operation() | (_registry() if events else {})),
            **_tagged("MLflow", _mlflow(contract)),
            **_tagged("Open Inference Protocol", _open_inference(contract)),
        },
        "components": {
            "schemas": schemas(contract, most_rows) | protocol_schemas.schemas(contract, most_rows),
            "securitySchemes": {"reloadToken": {"type": "http", "scheme": "bearer"}} | (SIGNED if events else {}),
        },
    }


def _tagged(tag: str, paths: Schema) -> Schema:
    return {
        path: {method: {"tags": [tag], **call} for method, call in methods.items()} for path, methods in paths.items()
    }


def _predictions(contract: Contract | None) -> Schema:
    row = None if contract is None else contract.example()
    batch = None if row is None else {"rows": [row]}
    one = _call("One prediction", "Prediction", _problems(*BODY_REFUSALS, BUSY), _body("Row", row))
    explain = {
        "name": "explain",
        "in": "query",
        "description": "Adds what each feature and each raw field contributes, exactly (TreeSHAP).",
        "schema": {"type": "boolean", "default": False},
    }
    many = _call(
        "Predictions in order, from one version", "Predictions", _problems(*BODY_REFUSALS, BUSY), _body("Batch", batch)
    )
    told = _call(
        "Keep what came true of predictions", "Accepted", _problems(*BODY_REFUSALS, BUSY), _body("Feedback", None)
    )
    told["responses"]["202"] = told["responses"].pop("200")
    stream = {"schema": {"type": "string", "format": "binary", "description": "Arrow IPC stream"}}
    many["requestBody"]["content"][ARROW] = stream
    many["responses"]["200"]["content"][ARROW] = stream
    return {
        "/predict": {"post": one | {"parameters": [explain]}},
        "/predict/batch": {"post": many},
        "/feedback": {"post": told},
    }


def _operation() -> Schema:
    return {
        "/model": {"get": _call("What is served, and by which workers", "Model", _problems(BUSY))},
        "/model/history": {"get": _history()},
        "/reload": {
            "post": _order("Serve the version that the alias points to, or another", "ReloadRequest", "Reloaded")
        },
        **_rollout(),
        "/health/live": {"get": _call("Is the process up?", "Health", _problems())},
        "/health/ready": {"get": _call("Is a model loaded?", "Health", _problems(BUSY))},
        "/metrics": {"get": _texts("Metrics of all workers, for Prometheus")},
    }


def _mlflow(contract: Contract | None) -> Schema:
    errors = _errors(MLFLOW_ERROR, 400, 413, 415, BUSY)
    example = None if contract is None else {"dataframe_records": [contract.example()]}
    body = _body("Invocation", example)
    body["content"]["text/csv"] = {"schema": {"type": "string", "description": "A table whose first line has names"}}
    up = _texts("Is a model loaded?")
    up["responses"] |= _refusals(_errors(MLFLOW_ERROR, BUSY))
    return {
        "/invocations": {"post": _call("Predictions of a table", "Invoked", errors, body)},
        "/ping": {"get": up},
        "/health": {"get": up},
        "/version": {"get": _texts("The release of MLflow whose protocol this is")},
    }


def _open_inference(contract: Contract | None) -> Schema:
    asked = _errors(INFER_ERROR, 404, BUSY)
    metadata = _call("The model's tensors", "ModelMetadata", asked)
    ready = _call("Is the model loaded?", "ModelReady", asked)
    example = None if contract is None else protocol_schemas.inference_example(contract)
    infer = _call(
        "Predictions of tensors",
        "InferenceResponse",
        _errors(INFER_ERROR, 400, 404, 413, BUSY),
        _body("InferenceRequest", example),
    )
    paths: Schema = {
        "/v2": {"get": _call("What this server is", "ServerMetadata", _errors(INFER_ERROR))},
        "/v2/health/live": {"get": _call("Is the process up?", "Live", _errors(INFER_ERROR))},
        "/v2/health/ready": {"get": _call("Is a model loaded?", "Ready", _errors(INFER_ERROR, BUSY))},
    }
    for below, names in (("", ("model",)), ("/versions/{version}", ("model", "version"))):
        path = "/v2/models/{model}" + below
        parameters = {"parameters": [_parameter(contract, name) for name in names]}
        paths |= {
            path: {"get": metadata | parameters},
            f"{path}/ready": {"get": ready | parameters},
            f"{path}/infer": {"post": infer | parameters},
        }
    return paths


def _parameter(contract: Contract | None, name: str) -> Schema:
    schema: Schema = {"type": "string", "minLength": 1}
    example = {} if contract is None or name != "model" else {"example": contract.name}
    return {"name": name, "in": "path", "required": True, "schema": schema, **example}


def _call(summary: str, gives: str, refusals: Refusals, body: Schema | None = None, *, status: int = 200) -> Schema:
    responses = {str(status): {"description": summary, "content": {"application/json": {"schema": _schema(gives)}}}}
    call: Schema = {"summary": summary, "responses": responses | _refusals(refusals)}
    return call | ({} if body is None else {"requestBody": body})


def _history() -> Schema:
    most = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50}
    described = {"name": "most", "in": "query", "description": "How many at most.", "schema": most}
    call = _call("What was served when, why and by whose decision", "History", _problems(422, BUSY))
    return call | {"parameters": [described]}


def _rollout() -> Schema:
    steps = {
        "stage": ("Load and check a version beside the one that is served", "VersionOrder", "Staged"),
        "swap": ("Serve a version for as long as its lease is renewed", "LeaseOrder", "Leased"),
        "renew": ("Begin a lease's time anew", "LeaseOrder", "Renewed"),
        "abandon": ("Serve what was served before the lease", "VersionOrder", "Abandoned"),
    }
    return {f"/rollout/{step}": {"post": _order(*described)} for step, described in steps.items()}


def _order(summary: str, takes: str, gives: str) -> Schema:
    """A call that needs the operator's token."""
    body = _body(takes, {}) | {"required": False} if takes == "ReloadRequest" else _body(takes, {"version": "1"})
    call = _call(summary, gives, _problems(401, *BODY_REFUSALS, 409, 502, 507), body)
    return call | {"security": [{"reloadToken": []}]}


def _registry() -> Schema:
    text = {"type": "string", "minLength": 1}
    headers = [
        {"name": name, "in": "header", "required": True, "description": meaning, "schema": text}
        for name, meaning in ((deliveries.ID, "Names the delivery."), (deliveries.TIMESTAMP, "Seconds since 1970 UTC."))
    ]
    call = _call(
        "MLflow tells of an alias that moved",
        "Told",
        _problems(400, 401, 408, 413, 415, BUSY),
        _body("RegistryEvent", None),
        status=202,
    )
    return {"/registry/events": {"post": call | {"parameters": headers, "security": [{"registrySignature": []}]}}}


def _texts(summary: str) -> Schema:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {"summary": summary, "responses": {"200": {"description": summary, "content": content}}}


def _body(schema: str, example: Any) -> Schema:
    content = {"schema": _schema(schema)} | ({} if example is None else {"example": example})
    return {"required": True, "content": {"application/json": content}}


def _problems(*statuses: int) -> Refusals:
    return {status: {MEDIA_TYPE: {"schema": _schema("Problem")}} for status in (*statuses, 500)}


def _errors(schema: str, *statuses: int) -> Refusals:
    return {status: {"application/json": {"schema": _schema(schema)}} for status in (*statuses, 500)}


def _refusals(by_status: Refusals) -> Schema:
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status, content in by_status.items()
    }


def _schema(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
