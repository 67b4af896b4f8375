"""Requests of the Open Inference Protocol: what is asked for, and the inputs as a table."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from contract import Contract, FieldProblem, InvalidInput

from serving.errors import BadTensor
from serving.protocols import tensor_data, tensors
from serving.protocols.bodies import decode
from serving.protocols.tensors import Tensor

HEADER = "inference-header-content-length"
"""Length of a body's JSON where binary data comes after it."""

INTERVAL = "interval"
MOST_DIGITS = 10
"""Of a length. Python refuses to make a number of thousands."""

Outputs = Mapping[str, bool]
"""Names that are asked for, and whether as binary data."""


def output_names(contract: Contract) -> list[str]:
    return [contract.output.name, *([INTERVAL] if contract.output.interval else [])]


def parts(body: bytes, length: str | None) -> tuple[dict[str, Any], memoryview]:
    whole_body = memoryview(body)
    if length is None:
        return decode(body), whole_body[len(body) :]
    if not (length.isascii() and length.isdecimal() and len(length) <= MOST_DIGITS and int(length) <= len(body)):
        raise BadTensor(f"{HEADER} is {length[:20]!r}, not a length within the body's {len(body)} bytes")
    return decode(whole_body[: int(length)]), whole_body[int(length) :]


def wanted(contract: Contract, request: Mapping[str, Any]) -> Outputs:
    binary = _parameter(request, "the request", "binary_data_output")
    outputs, names = request.get("outputs"), output_names(contract)
    if outputs is None or outputs == []:
        return dict.fromkeys(names, binary)
    wanted: dict[str, bool] = {}
    if not isinstance(outputs, list):
        raise BadTensor("outputs must be a list")
    for given in outputs:
        name = given.get("name") if isinstance(given, dict) else None
        if not isinstance(name, str) or name not in names:
            raise BadTensor(f"output {name!r} is none of the model's: {', '.join(names)}")
        if name in wanted:
            raise BadTensor(f"output {name!r} is asked for twice")
        wanted[name] = _parameter(given, f"output {name!r}", "binary_data", binary)
    return wanted


def _parameter(given: Mapping[str, Any], where: str, name: str, default: bool = False) -> bool:
    parameters = {} if given.get("parameters") is None else given["parameters"]
    if not isinstance(parameters, dict):
        raise BadTensor(f"{where}: parameters must be an object")
    if "classification" in parameters or "shared_memory_region" in parameters:
        raise BadTensor(f"{where}: classification and shared memory are not supported")
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise BadTensor(f"{where}: {name} must be true or false")
    return value


def table(contract: Contract, given: Any, binary: memoryview, most_rows: int) -> pa.Table:
    if not isinstance(given, list) or not given:
        raise BadTensor("inputs must be a list of tensors")
    columns: dict[str, pa.Array] = {}
    expected: int | None = None
    for entry in given:
        found = tensors.tensor(contract.by_name, entry)
        name = found.field.name
        if name in columns:
            raise found.fail("is there twice")
        if expected is not None and found.rows != expected:
            raise found.fail(f"has {found.rows} rows, {next(iter(columns))!r} has {expected}")
        expected = found.rows
        if not 1 <= expected <= most_rows:
            raise InvalidInput([FieldProblem("rows", f"has {expected} rows", f"tensors of 1 to {most_rows} rows")])
        columns[name], binary = _data(found, binary)
    if binary:
        raise BadTensor(f"{len(binary)} bytes follow after the last input's data")
    return pa.table(columns)


def _data(found: Tensor, binary: memoryview) -> tuple[pa.Array, memoryview]:
    if found.size is None:
        return tensor_data.from_json(found), binary
    if found.size > len(binary):
        raise found.fail(f"binary_data_size is {found.size}, the body has {len(binary)} bytes left")
    return tensor_data.from_bytes(found, binary[: found.size]), binary[found.size :]
