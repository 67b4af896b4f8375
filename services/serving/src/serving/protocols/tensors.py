"""Tensors of the Open Inference Protocol: what the contract's fields are there, and what a request says of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from contract.fields import Category, Integer, RawField, Timestamp

from serving.errors import BadTensor
from serving.protocols import tables

NUMERIC: Mapping[str, np.dtype[Any]] = {
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
}
"""Datatypes that a number may come in; binary data is little-endian."""


def datatype(field: RawField) -> str:
    """The datatype that a field's tensor is announced with."""
    match field:
        case Timestamp() | Category(of_numbers=False):
            return "BYTES"
        case Category() | Integer():
            return "INT64"
        case _:
            return "FP64"


@dataclass(frozen=True)
class Tensor:
    """An input, before its data is looked at."""

    field: RawField
    datatype: str
    rows: int
    data: Any
    """JSON; None if the data is binary."""
    size: int | None
    """Bytes of binary data."""

    def fail(self, problem: str) -> BadTensor:
        return BadTensor(f"input {self.field.name!r}: {problem}")


def tensor(fields: Mapping[str, RawField], given: Any) -> Tensor:
    """An entry of the request's ``inputs``. Raises BadTensor."""
    name = given.get("name") if isinstance(given, dict) else None
    field = fields.get(name) if isinstance(name, str) else None
    if field is None:
        raise BadTensor(f"input {name!r} is none of the model's: {', '.join(fields)}")
    parameters = {} if given.get("parameters") is None else given["parameters"]
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    found = Tensor(field, _datatype(field, given.get("datatype")), 0, given.get("data"), size)
    if not isinstance(parameters, dict):
        raise found.fail("parameters must be an object")
    if "shared_memory_region" in parameters:
        raise found.fail("shared memory is not supported")
    if (size is None) == (found.data is None):
        raise found.fail("must have either data or binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise found.fail(f"binary_data_size is {size!r}, not a number of bytes")
    return Tensor(field, found.datatype, _rows(found, given.get("shape")), found.data, size)


def _datatype(field: RawField, given: Any) -> str:
    allowed = ("BYTES",) if tables.is_text(field) else tuple(NUMERIC)
    if not isinstance(given, str) or given not in allowed:
        raise BadTensor(f"input {field.name!r}: the datatype is {given!r}; allowed: {', '.join(allowed)}")
    return given


def _rows(found: Tensor, shape: Any) -> int:
    sizes = shape if isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape) else []
    if not (len(sizes) == 1 or (len(sizes) == 2 and sizes[1] == 1)):
        raise found.fail(f"the shape is {str(shape)[:60]}; allowed: [rows] or [rows, 1]")
    rows: int = sizes[0]
    return rows
