"""A tensor's data, JSON or binary, as an Arrow column."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from serving.protocols.tensors import NUMERIC, Tensor

LENGTH = np.dtype("<u4")
"""Goes before each element of binary BYTES."""


def from_json(found: Tensor) -> pa.Array:
    """The data of a JSON tensor. Raises BadTensor."""
    data = found.data
    if isinstance(data, list) and data and type(data[0]) is list:
        if not all(type(row) is list and len(row) == 1 for row in data):
            raise found.fail("each row of the data must be a list of one element")
        data = [row[0] for row in data]
    if not isinstance(data, list):
        raise found.fail("data must be a list")
    if len(data) != found.rows:
        raise found.fail(f"has {len(data)} elements, its shape says {found.rows}")
    kinds = set(map(type, data)) - {type(None)}
    if found.datatype == "BYTES":
        return pa.array(_only(found, data, kinds, {str}), pa.string())
    kind = NUMERIC[found.datatype]
    numbers = _only(found, data, kinds, {int} if kind.kind in "iu" else {int, float})
    known = [value for value in numbers if value is not None]
    if len(known) == len(numbers):
        return pa.array(_numbers(found, numbers))
    column = np.full(len(numbers), np.nan)
    column[[value is not None for value in numbers]] = _numbers(found, known)
    return pa.array(column)


def _only(found: Tensor, data: list[Any], kinds: set[type], allowed: set[type]) -> list[Any]:
    if kinds <= allowed:
        return data
    at = next(at for at, value in enumerate(data) if value is not None and type(value) not in allowed)
    raise found.fail(f"row {at} is {str(data[at])[:60]!r}, which is no {found.datatype}")


def _numbers(found: Tensor, data: list[Any]) -> NDArray[Any]:
    try:
        with np.errstate(over="ignore"):
            return np.array(data, dtype=NUMERIC[found.datatype])
    except OverflowError:
        raise found.fail(f"a value is out of the range of {found.datatype}") from None


def from_bytes(found: Tensor, data: memoryview) -> pa.Array:
    """The data of a binary tensor, without a copy where it is numeric. Raises BadTensor."""
    if found.datatype == "BYTES":
        return _texts(found, data)
    kind = NUMERIC[found.datatype]
    if len(data) != found.rows * kind.itemsize:
        raise found.fail(f"has {len(data)} bytes, {found.rows} of {found.datatype} have {found.rows * kind.itemsize}")
    return pa.array(np.frombuffer(data, kind))


def _texts(found: Tensor, data: memoryview) -> pa.Array:
    texts = _of_one_length(found.rows, data)
    if texts is None:
        texts = pa.array(_elements(found, data), pa.binary())
    if len(texts) != found.rows:
        raise found.fail(f"has {len(texts)} elements, its shape says {found.rows}")
    try:
        return texts.cast(pa.string())
    except pa.ArrowInvalid:
        raise found.fail("holds bytes that aren't UTF-8") from None


def _of_one_length(rows: int, data: memoryview) -> pa.Array | None:
    """Elements that are all as long as the first, such as times: read at once. None if they aren't."""
    length = int(np.frombuffer(data[:4], LENGTH)[0]) if len(data) >= 4 else 0
    if length == 0 or len(data) != rows * (4 + length):
        return None
    elements = np.frombuffer(data, np.dtype([("length", LENGTH), ("text", f"V{length}")]))
    if not (elements["length"] == length).all():
        return None
    text = pa.py_buffer(np.ascontiguousarray(elements["text"]))
    return pa.Array.from_buffers(pa.binary(length), rows, [None, text]).cast(pa.binary())


def _elements(found: Tensor, data: memoryview) -> list[bytes]:
    elements: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + 4
        end = start + int.from_bytes(data[at:start], "little")
        if start > len(data) or end > len(data):
            raise found.fail(f"element {len(elements)} goes beyond the tensor's {len(data)} bytes")
        if len(elements) == found.rows:
            raise found.fail(f"has more elements than the {found.rows} that its shape says")
        elements.append(bytes(data[start:end]))
        at = end
    return elements
