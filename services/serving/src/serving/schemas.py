"""JSON Schemas of what the API takes and gives."""

from typing import Any

from contract import Contract
from contract.openapi import row_schema

Schema = dict[str, Any]

NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
VERSION: Schema = {"anyOf": [WHOLE | {"minimum": 1, "maximum": 999_999_999}, TEXT | {"pattern": "^[1-9][0-9]{0,8}$"}]}
LABEL: Schema = {"$ref": "#/components/schemas/ModelLabel"}
BATCH_ID: Schema = TEXT | {
    "description": "A row's prediction id is this one with the row's number, from 0, as its last eight digits."
}
PREDICTION_ID: Schema = TEXT | {
    "pattern": "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$"
}
WORKERS: Schema = {"type": "array", "items": {"$ref": "#/components/schemas/Worker"}}

UNKNOWN_ROW: Schema = {
    "type": "object",
    "title": "row",
    "description": "The model's raw fields. No model is loaded yet, so they aren't known.",
}


def schemas(contract: Contract | None, most_rows: int) -> Schema:
    """All components by name; the row's and the predictions' are the served model's."""
    row = UNKNOWN_ROW if contract is None else row_schema(contract)
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}, "minItems": 1, "maxItems": most_rows}
    return {
        "Row": row,
        "Batch": object_of(rows=rows) | {"additionalProperties": False},
        **_predictions(contract),
        "Feedback": _feedback(most_rows),
        **_FIXED,
    }


def _predictions(contract: Contract | None) -> Schema:
    value, unit, pair = NUMBER, TEXT, _interval(contract)
    if contract is not None:
        value = NUMBER | {"description": f"{contract.output.name}. {contract.output.description}".strip()}
        unit = {"const": contract.output.unit}
    one = object_of(prediction_id=TEXT, prediction=value, unit=unit, interval=_or_null(pair), model=LABEL)
    one["properties"]["explanation"] = {"$ref": "#/components/schemas/Explanation"}
    values, pairs = {"type": "array", "items": value}, {"type": "array", "items": pair}
    many = object_of(batch_id=BATCH_ID, predictions=values, unit=unit, intervals=_or_null(pairs), model=LABEL)
    return {"Prediction": one, "Predictions": many}


def _feedback(most: int) -> Schema:
    one: Schema = {"$ref": "#/components/schemas/Outcome"}
    many = object_of(outcomes={"type": "array", "items": one, "minItems": 1, "maxItems": most})
    return {"anyOf": [one, many | {"additionalProperties": False}]}


def _interval(contract: Contract | None) -> Schema:
    pair: Schema = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
    if contract is None or contract.output.interval is None:
        return pair
    return pair | {"description": f"Holds the outcome with probability {contract.output.interval.coverage:g}."}


def object_of(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_FIXED: Schema = {
    "ModelLabel": object_of(name=TEXT, version=TEXT),
    "Worker": object_of(pid=WHOLE, version=_or_null(TEXT), generation=WHOLE),
    "Model": object_of(
        name=TEXT,
        version=TEXT,
        run_id=TEXT,
        alias=_or_null(TEXT),
        metrics={"type": "object", "additionalProperties": NUMBER},
        contract={"type": "object"},
        digest=TEXT,
        loaded_at=MOMENT,
        generation=WHOLE,
        workers=WORKERS,
        refused=_or_null(object_of(version=TEXT, reason=TEXT)),
        lease=_or_null(object_of(version=TEXT, until=MOMENT, before=_or_null(TEXT))),
        engine={"enum": ["treewalk", "xgboost"], "description": "What computes the predictions."},
        fallback=_or_null(TEXT | {"description": "Why it is XGBoost itself, which takes longer."}),
        xgboost=TEXT,
    ),
    "ReloadRequest": {
        "type": "object",
        "properties": {"version": _or_null(VERSION)},
        "additionalProperties": False,
    },
    "VersionOrder": object_of(version=VERSION) | {"additionalProperties": False},
    "LeaseOrder": {
        "type": "object",
        "properties": {
            "version": VERSION,
            "lease_seconds": NUMBER | {"exclusiveMinimum": 0, "maximum": 3600, "default": 60},
        },
        "required": ["version"],
        "additionalProperties": False,
    },
    "History": object_of(rollouts={"type": "array", "items": {"$ref": "#/components/schemas/Rollout"}}),
    "Rollout": object_of(
        **{"id": WHOLE, "from": _or_null(TEXT), "to": TEXT},
        kind={"enum": ["train", "promote", "rollback", "by hand"]},
        actor=TEXT,
        reason=TEXT,
        outcome={"enum": ["under way", "done", "failed"]},
        failure=_or_null(TEXT),
        begun_at=MOMENT,
        ended_at=_or_null(MOMENT),
        seconds=_or_null(NUMBER),
    ),
    "Staged": object_of(version=TEXT, digest=TEXT),
    "Leased": object_of(
        **{"from": _or_null(TEXT), "to": TEXT, "generation": WHOLE, "digest": TEXT, "lease_until": MOMENT},
        workers=WORKERS,
    ),
    "Renewed": object_of(lease_until=MOMENT),
    "Abandoned": object_of(version=_or_null(TEXT), generation=WHOLE),
    "Explanation": object_of(
        sums_to={"enum": ["prediction", "margin"]},
        link=TEXT,
        unit=_or_null(TEXT),
        bias=NUMBER,
        features={"type": "object", "additionalProperties": NUMBER},
        fields={"type": "object", "additionalProperties": NUMBER},
    ),
    "Reloaded": object_of(**{"from": _or_null(TEXT), "to": TEXT, "generation": WHOLE, "workers": WORKERS}),
    "RegistryEvent": {"type": "object", "description": "As MLflow's webhooks have it; what isn't known is ignored."},
    "Told": object_of(follows={"type": "boolean", "description": "Whether the service looks at its alias now."}),
    "Health": {
        "type": "object",
        "properties": {
            "status": TEXT,
            "model": LABEL,
            "recording": TEXT | {"description": "Why predictions don't reach the warehouse; or well, or off."},
        },
        "required": ["status"],
    },
    "Outcome": object_of(prediction_id=PREDICTION_ID, actual=NUMBER) | {"additionalProperties": False},
    "Accepted": object_of(accepted=WHOLE),
    "FieldProblem": {
        "type": "object",
        "properties": {"field": TEXT, "problem": TEXT, "allowed": TEXT, "row": WHOLE},
        "required": ["field", "problem", "allowed"],
    },
    "Problem": {
        "type": "object",
        "properties": {
            "type": TEXT | {"format": "uri"},
            "title": TEXT,
            "status": WHOLE,
            "detail": TEXT,
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldProblem"}},
        },
        "required": ["type", "title", "status", "detail"],
    },
}
