"""The tables of MLflow's scoring requests: four forms in JSON, and CSV. They become plain columns by field name."""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from contract import Contract, InvalidInput
from contract.booster import LoadedModel
from contract.errors import BadJson
from contract.features import Matrix
from contract.fields import RawField, Timestamp

from serving.errors import BadTable
from serving.protocols import tables, values

Frame = dict[str, list[Any]]
"""JSON values by field; a field that isn't given isn't there. All columns have the same length."""


def features(model: LoadedModel, body: bytes, most_rows: int) -> Matrix:
    """Features of a request's table. Columns that are no field are ignored, as by MLflow for a signed model.

    Raises:
        BadJson, BadTable: the body is no such table.
        InvalidInput: the contract refuses a value, a column is missing, or there are too many rows.
    """
    frame = from_json(model.contract, body, most_rows)
    tables.check_length(max(map(len, frame.values()), default=0), most_rows)
    if not any(frame.values()):
        return np.empty((0, 0), dtype=np.float32)
    return values.features(model, {name: _with_nulls(model.contract.by_name[name], frame[name]) for name in frame})


def _with_nulls(field: RawField, column: list[Any]) -> list[Any]:
    # what MLflow's encoder makes of pandas' missing time
    if isinstance(field, Timestamp) and "NaT" in column:
        return [None if value == "NaT" else value for value in column]
    return column


def from_json(contract: Contract, body: bytes, most_rows: int) -> Frame:
    """The one table of the body. Raises as ``features`` does."""
    document = _document(body)
    forms = [form for form in FORMS if form in document]
    if len(forms) != 1:
        raise BadTable(f"the body must have exactly one of {', '.join(FORMS)}; it has {', '.join(forms) or 'none'}")
    params = document.get("params")
    if params is not None and not isinstance(params, dict):
        raise BadTable("params must be an object")
    form = forms[0]
    given = document[form]
    listed = given.get("data") if isinstance(given, dict) else given
    if isinstance(listed, list):  # before more is made of them
        tables.check_length(len(listed), most_rows)
    return FORMS[form](contract, form, given)


def from_columns(contract: Contract, form: str, columns: Mapping[Any, Any]) -> Frame:
    """The frame of columns by name."""
    known = {name: columns[name] for name in contract.by_name if name in columns}
    lengths = {name: len(column) for name, column in known.items() if isinstance(column, list)}
    if known and not lengths:
        return {name: [value] for name, value in known.items()}
    if len(lengths) < len(known):
        raise BadTable(f"{form}: {next(name for name in known if name not in lengths)} must be a list, as the others")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise BadTable(f"{form}: the columns' lengths differ: {listed}")
    tables.require(contract, known)
    return known


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _lenient(body)
    if not isinstance(document, dict):
        raise BadJson("the body is not a JSON object")
    return document


def _lenient(body: bytes) -> Any:
    # MLflow's own clients write a missing number as NaN, which is no JSON
    try:
        return json.loads(body, parse_constant=_constant, parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise BadJson(f"the body is not JSON: {error}") from None


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is not a number")


def _number(digits: str) -> int | float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]}… is too large")
    return number


def _split(contract: Contract, form: str, given: Any) -> Frame:
    if not isinstance(given, dict) or "data" not in given or not given.keys() <= {"columns", "index", "data"}:
        raise BadTable(f"{form} must be an object with data and, if they are given, columns and index")
    columns = given.get("columns")
    if columns is None:
        columns = list(contract.by_name)
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise BadTable(f"{form}: columns must be a list of names")
    twice = [name for name, count in Counter(columns).items() if count > 1 and name in contract.by_name]
    if twice:
        raise BadTable(f"{form}: the column {twice[0]} is there twice")
    return _rows(contract, form, given["data"], columns)


def _rows(contract: Contract, form: str, rows: Any, columns: Sequence[str]) -> Frame:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise BadTable(f"{form} must hold a list of rows, each a list")
    width = len(columns)
    wrong = next((at for at, row in enumerate(rows) if len(row) != width), None)
    if wrong is not None:
        raise BadTable(f"{form}: row {wrong} has {len(rows[wrong])} values, the columns are {width}")
    cells = zip(*rows, strict=True) if rows else ([] for _ in columns)
    return from_columns(contract, form, {name: [*column] for name, column in zip(columns, cells, strict=True)})


def _records(contract: Contract, form: str, rows: Any) -> Frame:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadTable(f"{form} must be a list of records")
    for name, field in contract.by_name.items():
        absent = next((at for at, row in enumerate(rows) if name not in row), None) if field.required else None
        if absent is not None:
            raise InvalidInput([field.problem("is missing", absent)])
    return {name: [row.get(name) for row in rows] for name in contract.by_name}


def _instances(contract: Contract, form: str, given: Any) -> Frame:
    if isinstance(given, list) and given and isinstance(given[0], list):
        return _rows(contract, form, given, list(contract.by_name))
    if isinstance(given, dict) and form == "inputs":
        return from_columns(contract, form, given)
    return _records(contract, form, given)


FORMS: Mapping[str, Callable[[Contract, str, Any], Frame]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _instances,
    "inputs": _instances,
}
