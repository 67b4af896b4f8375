"""The API's own description, generated from the contract of the model that is served."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from contract import Contract

from serving.problems import MEDIA_TYPE
from serving.schemas import Schema, schemas

BODY_REFUSALS = (400, 413, 415, 422)


def document(contract: Contract | None, title: str, most_rows: int) -> Schema:
    """An OpenAPI 3.1 document; it names the model's fields when there is a model."""
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "description": contract.description if contract else ""},
        "paths": _paths(contract),
        "components": {
            "schemas": schemas(contract, most_rows),
            "securitySchemes": {"reloadToken": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths(contract: Contract | None) -> Schema:
    row = None if contract is None else contract.example()
    batch = None if row is None else {"rows": [row]}
    return {
        "/predict": {"post": _call("One prediction", "Prediction", (*BODY_REFUSALS, 503), _body("Row", row))},
        "/predict/batch": {
            "post": _call(
                "Predictions in order, from one version", "Predictions", (*BODY_REFUSALS, 503), _body("Batch", batch)
            )
        },
        "/model": {"get": _call("What is served, and by which workers", "Model", (503,))},
        "/reload": {"post": _reload()},
        "/health/live": {"get": _call("Is the process up?", "Health")},
        "/health/ready": {"get": _call("Is a model loaded?", "Health", (503,))},
        "/metrics": {"get": _scrape()},
    }


def _call(summary: str, gives: str, refusals: Sequence[int] = (), body: Schema | None = None) -> Schema:
    responses = {"200": {"description": summary, "content": {"application/json": {"schema": _schema(gives)}}}}
    responses |= {str(status): _refusal(status) for status in (*refusals, 500)}
    call: Schema = {"summary": summary, "responses": responses}
    return call | ({} if body is None else {"requestBody": body})


def _reload() -> Schema:
    body = _body("ReloadRequest", {}) | {"required": False}
    call = _call(
        "Serve the version that the alias points to, or another", "Reloaded", (401, *BODY_REFUSALS, 409, 502, 507), body
    )
    return call | {"security": [{"reloadToken": []}]}


def _scrape() -> Schema:
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {"summary": "Metrics of all workers", "responses": {"200": {"description": "Prometheus", "content": text}}}


def _body(schema: str, example: Any) -> Schema:
    content = {"schema": _schema(schema)} | ({} if example is None else {"example": example})
    return {"required": True, "content": {"application/json": content}}


def _refusal(status: int) -> Schema:
    return {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": _schema("Problem")}}}


def _schema(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
