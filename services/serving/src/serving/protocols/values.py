"""JSON values of a table's cells, column by column, to features."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from contract import Contract, InvalidInput
from contract.booster import LoadedModel
from contract.errors import BadJson
from contract.features import Matrix
from contract.fields import RawField

from serving.protocols import tables

TEXTS = frozenset({str, type(None)})
NUMBERS = frozenset({int, float, type(None)})


def features(model: LoadedModel, columns: Mapping[str, Sequence[Any]]) -> Matrix:
    """Features of columns of equal length, each a field's.

    Columns are fast. Where one can't be taken as it is, the rows are validated as those of ``/predict``, which decide
    and name every problem.

    Raises:
        InvalidInput, BadJson: the contract refuses a value.
    """
    found = fast(model.contract, columns)
    if found is not None:
        return found
    names = list(columns)
    return by_rows(model, [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)])


def fast(contract: Contract, columns: Mapping[str, Sequence[Any]]) -> Matrix | None:
    """As ``features``; None where a value isn't what its field takes, or may not be."""
    fitting = {name: column(contract.by_name[name], values) for name, values in columns.items()}
    if any(array is None for array in fitting.values()):
        return None
    try:
        return tables.matrix(contract, pa.table(fitting))
    except InvalidInput:
        return None


def column(field: RawField, values: Sequence[Any]) -> pa.Array | None:
    """Values as an Arrow array; None if they aren't all of the field's JSON type. Null is missing."""
    # asked first: pyarrow and NumPy take true for 1
    kinds = set(map(type, values))
    try:
        if tables.is_text(field):
            return pa.array(values, pa.string()) if kinds <= TEXTS else None
        return pa.array(np.array(values, dtype=np.float64)) if kinds <= NUMBERS else None
    except (UnicodeEncodeError, OverflowError):
        return None


def by_rows(model: LoadedModel, rows: list[dict[str, Any]]) -> Matrix:
    """Features of rows that are validated as ``/predict/batch`` does. Raises InvalidInput, BadJson."""
    try:
        body = orjson.dumps({"rows": rows})
    except orjson.JSONEncodeError as error:
        raise BadJson(f"a value can't be read: {error}") from None
    return model.contract.compiled.rows(model.rows.parse_batch(body))
