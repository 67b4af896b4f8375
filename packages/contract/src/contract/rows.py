"""Request rows: JSON to validated values, with every problem named by field.

The validator is generated from the contract and runs in pydantic's compiled core.
"""

import dataclasses
import difflib
import itertools
from collections.abc import Container, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import (
    CoreSchema,
    ErrorDetails,
    PydanticCustomError,
    SchemaValidator,
    core_schema,
    from_json,
    to_json,
)

from contract.document import Contract
from contract.errors import BadJson, FieldProblem, InvalidInput
from contract.fields import LARGEST, Category, Integer, Ranged, RawField, Timestamp

Row = Mapping[str, Any]

MOST_PROBLEMS = 100
"""What is refused lists no more than this many problems."""
LONGEST_NAME = 100
"""Characters of an unknown field's name that are shown."""
NO_NUL = r"^[^\x00]*$"
"""Of a text outside the vocabulary: databases that keep what was asked have no such character."""
LONG_BYTES = 16 * 1024
"""Of a body. All problems of a longer one would take time and memory without a bound before the first is told."""


class Rows:
    """The validators of one contract's requests.

    A validated row is a dict with the given fields: numbers as float, categories as in the vocabulary, timestamps as
    naive ``datetime``.
    """

    def __init__(self, contract: Contract) -> None:
        self._fields = contract.by_name
        row = _row_schema(contract)
        self._one = SchemaValidator(row)
        self._batch, self._long_batch = (SchemaValidator(_batch_schema(row, fail_fast=fast)) for fast in (False, True))

    def parse(self, body: bytes) -> Row:
        """One object of raw fields.

        Raises:
            BadJson: the body isn't a JSON object.
            InvalidInput: a field is missing, unknown, mistyped or out of range.
        """
        if len(body) > LONG_BYTES:
            body = self._shortened(_object(body))
        try:
            row: Row = self._one.validate_json(body)
        except ValidationError as error:
            raise self._explain(error) from None
        return row

    def parse_batch(self, body: bytes, most: int | None = None) -> Sequence[Row]:
        """``{"rows": [...]}``, at least one; raises as ``parse`` does, each problem with its row.

        Args:
            most: rows; more are refused before they are looked at.
        """
        if len(body) > LONG_BYTES:
            return self._parse_long_batch(body, most)
        try:
            rows: Sequence[Row] = self._batch.validate_json(body)["rows"]
        except ValidationError as error:
            raise self._explain(error) from None
        return rows

    def _parse_long_batch(self, body: bytes, most: int | None) -> Sequence[Row]:
        document = _object(body)
        if problems := self._others(document, {"rows"}, None):
            raise InvalidInput(problems)
        listed = document.get("rows")
        entries = listed if isinstance(listed, list) else []
        if most is not None and len(entries) > most:
            problem = FieldProblem("rows", f"has {len(entries)} rows", f"a list of 1 to {most} row objects")
            raise InvalidInput([problem])
        for number, entry in enumerate(entries):
            if isinstance(entry, dict):
                self._check_size(entry, number)
        try:
            rows: Sequence[Row] = self._long_batch.validate_json(_json(document))["rows"]
        except ValidationError as error:
            raise self._explain_some(entries, error) from None
        return rows

    def _shortened(self, row: Row) -> bytes:
        """A long row as JSON without what would be too much work to refuse by the validator. Raises InvalidInput."""
        if problems := self._others(row, self._fields, None):
            raise InvalidInput(problems)
        self._check_size(row, None)
        return _json(row)

    def _check_size(self, row: Row, number: int | None) -> None:
        """Refuses what would be too much work to refuse by the validator."""
        problems = []
        if len(row) > len(self._fields) + MOST_PROBLEMS:
            problems = self._others(row, self._fields, number)
        for name, field in self._fields.items():
            if isinstance(row.get(name), list | dict):
                problems.append(FieldProblem(name, f"is {_json_type(row[name])}", field.allowed, number))
        if problems:
            raise InvalidInput(problems[:MOST_PROBLEMS])

    def _others(self, document: Row, known: Container[str], number: int | None) -> list[FieldProblem]:
        """The first of the names that aren't known."""
        names = (name for name in document if name not in known)
        return [self._unknown(name, number) for name in itertools.islice(names, MOST_PROBLEMS)]

    def _explain_some(self, entries: Sequence[Any], error: ValidationError) -> BadJson | InvalidInput:
        """The first problems of a long batch, row by row."""
        problems: list[FieldProblem] = []
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                problems.append(_no_object(number))
            else:
                try:
                    self._one.validate_json(_json(entry))
                except ValidationError as found:
                    problems += [
                        dataclasses.replace(problem, row=number) for problem in self._explain_row(found).problems
                    ]
            if len(problems) >= MOST_PROBLEMS:
                break
        return InvalidInput(problems[:MOST_PROBLEMS]) if problems else self._explain(error)

    def _explain_row(self, error: ValidationError) -> InvalidInput:
        details = error.errors(include_url=False, include_context=True)
        return InvalidInput([self._field_problem(detail, detail["loc"], None) for detail in details])

    def _explain(self, error: ValidationError) -> BadJson | InvalidInput:
        details = error.errors(include_url=False, include_context=True)
        if details[0]["type"] == "json_invalid":
            return BadJson(f"the body is not JSON: {details[0]['msg'].removeprefix('Invalid JSON: ')}")
        if not details[0]["loc"]:
            return BadJson("the body is not a JSON object")
        return InvalidInput([self._problem(detail) for detail in details[:MOST_PROBLEMS]])

    def _problem(self, detail: ErrorDetails) -> FieldProblem:
        location = detail["loc"]
        row = None
        if location[0] == "rows" and "rows" not in self._fields:
            if len(location) == 1:
                problem = "is missing" if detail["type"] == "missing" else detail["msg"].lower()
                return FieldProblem("rows", problem, "a list of at least one row object")
            row, location = int(location[1]), location[2:]
            if not location:
                return _no_object(row)
        return self._field_problem(detail, location, row)

    def _field_problem(self, detail: ErrorDetails, location: tuple[int | str, ...], row: int | None) -> FieldProblem:
        name = str(location[0])
        field = self._fields.get(name)
        if field is None:
            return self._unknown(name, row)
        return FieldProblem(name, _what_is_wrong(detail), field.allowed, row)

    def _unknown(self, name: str, row: int | None) -> FieldProblem:
        shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
        near = difflib.get_close_matches(shown, self._fields, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return FieldProblem(shown, f"is not a field of this model{hint}", ", ".join(self._fields), row)


def _no_object(row: int) -> FieldProblem:
    return FieldProblem("rows", "has an entry that is not an object", "a list of row objects", row)


def _json(document: Any) -> bytes:
    """Each key once, whatever was sent: the validator has a problem for each time that one is there."""
    return to_json(document, inf_nan_mode="constants")


def _object(body: bytes) -> dict[str, Any]:
    """Raises BadJson."""
    try:
        found = from_json(body)
    except ValueError as error:
        raise BadJson(f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadJson("the body is not a JSON object")
    return found


def _batch_schema(row: CoreSchema, *, fail_fast: bool) -> CoreSchema:
    rows = core_schema.list_schema(row, min_length=1, fail_fast=fail_fast)
    return core_schema.typed_dict_schema({"rows": core_schema.typed_dict_field(rows)}, extra_behavior="forbid")


def _row_schema(contract: Contract) -> CoreSchema:
    entries = {
        field.name: core_schema.typed_dict_field(
            _value_schema(field) if field.required else core_schema.nullable_schema(_value_schema(field)),
            required=field.required,
        )
        for field in contract.fields
    }
    return core_schema.typed_dict_schema(entries, extra_behavior="forbid")


def _value_schema(field: RawField) -> CoreSchema:
    match field:
        case Timestamp():
            return core_schema.datetime_schema(strict=True, tz_constraint="naive", ge=field.minimum, le=field.maximum)
        case Category(of_numbers=True, span=(low, high), unknown="reject"):
            return _number_schema(low, high, whole=True)
        case Category():
            kind = (
                _number_schema(-LARGEST, LARGEST, whole=True)
                if field.of_numbers
                else core_schema.str_schema(strict=True, pattern=NO_NUL)
            )
            return kind if field.unknown == "missing" else _known(field, kind)
        case Ranged():
            return _number_schema(*field.bounds, whole=isinstance(field, Integer))
    raise TypeError(field)


def _number_schema(low: float, high: float, *, whole: bool) -> CoreSchema:
    number = core_schema.float_schema(strict=True, allow_inf_nan=False, ge=low, le=high)
    # not multiple_of: that allows for rounding, so 1e-42 would be a whole number
    return core_schema.no_info_after_validator_function(_whole, number) if whole else number


def _whole(value: float) -> float:
    if not value.is_integer():
        raise PydanticCustomError("not_whole", "is not a whole number")
    return value


def _known(field: Category, kind: CoreSchema) -> CoreSchema:
    codes = field.codes

    def check(value: Any) -> Any:
        if value not in codes:
            raise PydanticCustomError("category", "is not in the vocabulary")
        return value

    return core_schema.no_info_after_validator_function(check, kind)


def _what_is_wrong(detail: ErrorDetails) -> str:
    given = detail["input"]
    shown = repr(given[:100] if isinstance(given, str) else given) if not isinstance(given, list | dict) else ""
    shown = shown if len(shown) <= 60 else f"{shown[:57]}…"
    match detail["type"]:
        case "missing":
            return "is missing"
        case "string_pattern_mismatch":
            return f"is {shown}, with a null character"
        case "timezone_naive":
            return f"is {shown}, with an offset"
        case "finite_number":
            return f"is {shown}, not a finite number"
        case "greater_than_equal" | "less_than_equal" | "not_whole" | "category":
            return f"is {shown}"
        case "datetime_parsing" | "datetime_from_date_parsing":
            return f"is {shown}, not a time"
        case _:
            if given is None:
                return "is null"
            return f"is {shown}, {_json_type(given)}" if shown else f"is {_json_type(given)}"


def _json_type(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
