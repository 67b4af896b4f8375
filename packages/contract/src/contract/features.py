"""Raw fields to the matrix that the booster sees, for one row and for many, by the same compiled operations."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.fields import Column, RawField
from contract.operations import Operation

Matrix = NDArray[np.float32]
Values = Callable[[Mapping[str, Any]], list[float]]


class Features:
    """The operations of one contract, bound to its fields."""

    def __init__(self, fields: Mapping[str, RawField], operations: Sequence[Operation]) -> None:
        self.names = [operation.name for operation in operations]
        self._fields = list(fields.values())
        self._operations = [(operation.compile(fields), operation.inputs) for operation in operations]
        self._for_row = [(operation.compile_for_row(fields), operation.inputs) for operation in operations]

    @cached_property
    def values(self) -> Values:
        """The function from one validated row to its features, as floats; an absent or null value is missing."""
        return _row_function(self._fields, self._for_row)

    def row(self, values: Mapping[str, Any]) -> Matrix:
        """One validated row as float32 of shape (1, k); an absent or null value is missing."""
        return np.array([self.values(values)], dtype=np.float32)

    def rows(self, many: Sequence[Mapping[str, Any]]) -> Matrix:
        """Validated rows as float32 of shape (n, k), column by column."""
        return self.matrix({field.name: field.encode_all(_given(field, many)) for field in self._fields})

    def matrix(self, encoded: Mapping[str, Column]) -> Matrix:
        """Encoded columns, float64 of shape (n,) each, as float32 of shape (n, k)."""
        length = len(next(iter(encoded.values())))
        result = np.empty((length, len(self._operations)), dtype=np.float32)
        for position, (apply, inputs) in enumerate(self._operations):
            result[:, position] = apply(*[encoded[name] for name in inputs])
        return result


def _given(field: RawField, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    if field.required:
        return list(map(itemgetter(field.name), rows))
    return [row.get(field.name) for row in rows]


def _row_function(
    fields: Sequence[RawField], operations: Sequence[tuple[Callable[..., float] | None, Sequence[str]]]
) -> Values:
    """Written out as source, for example

        def values(row, get=..., e0=..., m0=..., o1=...):
            v0 = e0(x) if (x := row.get('at')) is not None else m0
            return [v0, o1(v0)]

    since closures called in a loop take twice as long, and dicts by name nearly four times.
    """
    known: dict[str, Any] = {}
    lines = []
    position = {field.name: number for number, field in enumerate(fields)}
    for name, number in position.items():
        known |= {f"e{number}": fields[number].encoder, f"m{number}": fields[number].missing}
        lines.append(f" v{number} = e{number}(x) if (x := row.get({name!r})) is not None else m{number}")
    results = []
    for number, (apply, inputs) in enumerate(operations):
        known[f"o{number}"] = apply
        arguments = ", ".join(f"v{position[name]}" for name in inputs)
        results.append(arguments if apply is None else f"o{number}({arguments})")
    # defaults: a local name is found faster than a global one
    parameters = ", ".join(f"{name}={name}" for name in known)
    source = "\n".join([f"def values(row, {parameters}):", *lines, f" return [{', '.join(results)}]"])
    exec(source, known)  # noqa: S102 - made of numbers and of names that the contract's pattern allows
    function: Values = known["values"]
    return function
