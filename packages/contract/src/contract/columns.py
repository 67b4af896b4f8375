"""Arrow columns to numbers, with the check of every value. Apart from ``contract.fields``, so that a service that
answers rows needn't load pyarrow.
"""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contract.errors import InvalidInput
from contract.fields import Category, Column, Integer, Ranged, RawField, Timestamp


def encode_column(field: RawField, column: pa.Array | pa.ChunkedArray) -> Column:
    """A column as float64 of shape (n,); null and NaN are missing.

    Raises:
        InvalidInput: naming the first row whose value the field doesn't allow, or a column of another type.
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_decode()
    null: NDArray[np.bool_] = np.asarray(pc.is_null(whole, nan_is_null=True))
    if field.required and null.any():
        raise InvalidInput([field.problem("is missing", int(np.argmax(null)))])
    present = whole if not null.any() else whole.filter(pa.array(~null))
    try:
        encoded = _encode_present(field, present)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise InvalidInput([field.problem(f"can't be read from a column of {whole.type}: {error}")]) from error
    allows_unknown = isinstance(field, Category) and field.unknown == "missing"
    refused = np.zeros(0, dtype=bool) if allows_unknown else np.isnan(encoded)
    if refused.any():
        at = int(np.argmax(refused))
        row = int(np.flatnonzero(~null)[at])
        raise InvalidInput([field.problem(f"is {present[at].as_py()!r}", row)])
    result = np.full(len(whole), field.missing)
    result[~null] = encoded
    return result


def _encode_present(field: RawField, column: pa.Array) -> Column:
    """A column without nulls, float64 of shape (n,); NaN where the value isn't allowed."""
    match field:
        case Integer():
            values = _numbers(field, column)
            return np.where(values == np.floor(values), values, math.nan)
        case Ranged():
            return _numbers(field, column)
        case Category():
            return _codes(field, column)
        case Timestamp():
            return _seconds(field, column)
    raise TypeError(field)


def _numbers(field: Ranged, column: pa.Array) -> Column:
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type)):
        raise pa.ArrowTypeError("not a numeric type")
    return _within(field.bounds, np.asarray(column.cast(pa.float64(), safe=False)))


def _codes(field: Category, column: pa.Array) -> Column:
    kind = pa.int64() if field.of_numbers else pa.string()
    if pa.types.is_integer(column.type) != field.of_numbers and not pa.types.is_floating(column.type):
        raise pa.ArrowTypeError(f"the vocabulary is of {kind}")
    codes = pc.index_in(column.cast(kind), value_set=pa.array(field.values, kind))
    return np.asarray(codes.cast(pa.float64()).fill_null(math.nan))


def _seconds(field: Timestamp, column: pa.Array) -> Column:
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        raise pa.ArrowTypeError("times with a zone are not local times")
    ticks = np.asarray(column.cast(pa.timestamp("us")).cast(pa.int64()))
    return _within(field.bounds, np.floor_divide(ticks, 1_000_000).astype(np.float64))


def _within(bounds: tuple[float, float], values: Column) -> Column:
    low, high = bounds
    return np.where((values >= low) & (values <= high), values, math.nan)
