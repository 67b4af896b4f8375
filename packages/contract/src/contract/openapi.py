"""A contract as JSON Schema, for the serving API's own description."""

from typing import Any

from contract.document import Contract
from contract.fields import Category, Integer, Ranged, RawField, Timestamp

Schema = dict[str, Any]

LOCAL_TIME = (
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6})?)?$"
)


def row_schema(contract: Contract) -> Schema:
    """The schema of one request object (JSON Schema 2020-12, as OpenAPI 3.1 uses it)."""
    return {
        "type": "object",
        "title": f"{contract.name} row",
        "properties": {field.name: _field_schema(field) for field in contract.fields},
        "required": [field.name for field in contract.fields if field.required],
        "additionalProperties": False,
        "examples": [contract.example()],
    }


def _field_schema(field: RawField) -> Schema:
    kind = _kind(field)
    if not field.required:
        kind = {"anyOf": [kind, {"type": "null"}], "default": field.default}
    return {**kind, "description": _describe(field), "examples": [field.example]}


def _describe(field: RawField) -> str:
    return f"{field.description.rstrip('.')}. Takes {field.allowed}."


def _kind(field: RawField) -> Schema:
    match field:
        case Timestamp():
            # of OpenAPI's registry of formats; "date-time" demands the offset which a local time hasn't
            return {"type": "string", "format": "date-time-local", "pattern": LOCAL_TIME}
        case Category(span=(first, last), unknown="reject"):
            return {"type": "integer", "minimum": first, "maximum": last}
        case Category(unknown="reject"):
            return {"enum": list(field.values)}
        case Category():
            return {"type": "integer" if field.of_numbers else "string"}
        case Ranged():
            low, high = field.bounds
            return {"type": "integer" if isinstance(field, Integer) else "number", "minimum": low, "maximum": high}
    raise TypeError(field)
