"""The Open Inference Protocol (V2), with numbers in JSON or as bytes after it (the binary tensor data extension)."""

import json
import struct
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.exchange import Exchange, Headers, from_json
from benchmarks.model import Subject, as_json

HEADER_LENGTH = "Inference-Header-Content-Length"
NUMPY = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8"}

read_json = from_json("outputs", 0, "data")


def features(subject: Subject, path: str, rows: slice) -> Exchange:
    """The feature matrix as one tensor, in JSON."""
    chosen = subject.feature_lists[rows]
    data = [value for row in chosen for value in row]
    shape = [len(chosen), len(subject.feature_names)]
    tensor = {"name": "features", "shape": shape, "datatype": "FP32", "data": data}
    return Exchange(path, as_json({"inputs": [tensor]}), read_json, subject.predictions[rows])


def raw_fields(subject: Subject, path: str) -> Exchange:
    """A tensor for each raw field, in JSON."""
    tensors = [
        {"name": name, "shape": [len(values)], "datatype": datatype, "data": values}
        for name, datatype, values in _columns(subject)
    ]
    return Exchange(path, as_json({"inputs": tensors}), read_json, subject.predictions)


def raw_fields_binary(subject: Subject, path: str) -> Exchange:
    """The same with all data as bytes, in both directions."""
    tensors, parts = [], []
    for name, datatype, values in _columns(subject):
        part = _as_bytes(datatype, values)
        parts.append(part)
        size = {"binary_data_size": len(part)}
        tensors.append({"name": name, "shape": [len(values)], "datatype": datatype, "parameters": size})
    header = as_json({"inputs": tensors, "parameters": {"binary_data_output": True}})
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(header))}
    return Exchange(path, header + b"".join(parts), _read_binary, subject.predictions, headers)


def _columns(subject: Subject) -> list[tuple[str, str, list[Any]]]:
    return [_column(name, subject.trips[name]) for name in subject.model.contract.by_name]


def _column(name: str, values: pa.ChunkedArray) -> tuple[str, str, list[Any]]:
    if pa.types.is_timestamp(values.type):
        return name, "BYTES", [value.isoformat() for value in values.to_pylist()]
    return name, "INT64" if pa.types.is_integer(values.type) else "FP64", values.to_pylist()


def _as_bytes(datatype: str, values: list[Any]) -> bytes:
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(value)) + value.encode() for value in values)
    return np.array(values, NUMPY[datatype]).tobytes()


def _read_binary(answer: bytes, headers: Headers) -> NDArray[np.floating]:
    """The first output."""
    length = int(headers[HEADER_LENGTH.lower()])
    output = json.loads(answer[:length])["outputs"][0]
    size = output["parameters"]["binary_data_size"]
    found: NDArray[np.floating] = np.frombuffer(answer[length : length + size], NUMPY[output["datatype"]])
    return found
