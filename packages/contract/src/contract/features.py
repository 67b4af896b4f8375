"""Raw fields to the matrix that the booster sees, for one row and for many, by the same compiled operations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.fields import Column, RawField
from contract.operations import Operation

Matrix = NDArray[np.float32]


class Features:
    """The operations of one contract, bound to its fields."""

    def __init__(self, fields: Mapping[str, RawField], operations: Sequence[Operation]) -> None:
        self.names = [operation.name for operation in operations]
        self._encoders = [(field.name, field.encode, field.missing) for field in fields.values()]
        self._operations = [(operation.compile(fields), operation.inputs) for operation in operations]

    def row(self, values: Mapping[str, Any]) -> Matrix:
        """One validated row as float32 of shape (1, k); an absent or null value is missing."""
        encoded = {
            name: missing if (value := values.get(name)) is None else encode(value)
            for name, encode, missing in self._encoders
        }
        return np.array(
            [[apply(*[encoded[name] for name in inputs]) for apply, inputs in self._operations]], dtype=np.float32
        )

    def rows(self, many: Sequence[Mapping[str, Any]]) -> Matrix:
        """Validated rows as float32 of shape (n, k): encoded value by value, computed column by column."""
        encoded = {
            name: np.array([missing if (v := row.get(name)) is None else encode(v) for row in many], dtype=np.float64)
            for name, encode, missing in self._encoders
        }
        return self.matrix(encoded)

    def matrix(self, encoded: Mapping[str, Column]) -> Matrix:
        """Encoded columns, float64 of shape (n,) each, as float32 of shape (n, k)."""
        length = len(next(iter(encoded.values())))
        result = np.empty((length, len(self._operations)), dtype=np.float32)
        for position, (apply, inputs) in enumerate(self._operations):
            result[:, position] = apply(*[encoded[name] for name in inputs])
        return result
