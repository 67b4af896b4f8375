"""Columns that a protocol brings, made fit for the contract.

What the rows of ``/predict`` may not hold is refused here too, by field and row; what they may, gives the same bits.
"""

from collections.abc import Collection
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from contract import Contract, FieldProblem, InvalidInput
from contract.features import Matrix
from contract.fields import LARGEST, Category, Column, RawField, Timestamp
from pydantic_core import SchemaValidator, ValidationError, core_schema, to_json

SPAN = (datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))
"""What a time can be."""

LENGTHS = frozenset({19, 26})
"""Of the texts of a time to the second and to the microsecond. Of these, pyarrow reads no other than /predict does."""

_TIME = SchemaValidator(core_schema.nullable_schema(core_schema.datetime_schema(strict=True, tz_constraint="naive")))


def matrix(contract: Contract, table: pa.Table) -> Matrix:
    """``contract.matrix`` of columns of any type.

    Raises:
        InvalidInput: naming the field, and the row where there is one.
    """
    require(contract, table.column_names)
    names = [name for name in contract.by_name if name in table.column_names]
    fitting = [fit(contract.by_name[name], table[name]) for name in names]
    return contract.matrix(pa.table(fitting, names) if names else table.select([]))


def require(contract: Contract, names: Collection[str]) -> None:
    """Raises InvalidInput if a required field has no column among these."""
    absent = [field for field in contract.fields if field.required and field.name not in names]
    if absent:
        raise InvalidInput([field.problem("is missing: no such column") for field in absent])


def fit(field: RawField, column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column of a type that the field's encoder takes. Raises InvalidInput."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type) and (is_string(array.type.value_type) or is_number(array.type.value_type)):
        array = array.dictionary_decode()
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    elif pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    kind = array.type
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string() if is_text(field) else pa.float64())
    match field:
        case Timestamp() if is_string(kind):
            return _read_times(field, array)
        case Timestamp() if pa.types.is_timestamp(kind) and kind.tz is None:
            return _times(field, array)
        case Category() if is_string(kind) and not field.of_numbers:
            return array
        case Category() if is_number(kind) and field.of_numbers:
            return _codes(field, array)
        case _ if is_number(kind) and not is_text(field):
            return _floats(array)
    raise InvalidInput([field.problem(f"can't be read from a column of {kind}")])


def is_text(field: RawField) -> bool:
    """Is the field's value a text in JSON?"""
    return isinstance(field, Timestamp) or (isinstance(field, Category) and not field.of_numbers)


def is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _floats(array: pa.Array) -> pa.Array:
    return array.cast(pa.float64(), safe=False)


def _codes(field: Category, array: pa.Array) -> pa.Array:
    if pa.types.is_integer(array.type) and not pa.types.is_uint64(array.type):
        return array
    values: Column = np.array(_floats(array).fill_null(np.nan))
    wrong = (values != np.floor(values)) & ~np.isnan(values) | (np.abs(values) > LARGEST)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InvalidInput([field.problem(f"is {values[at].item()!r}", at)])
    # 2**62 stands for all that are too large for int64: no vocabulary has them
    values = np.where(np.abs(values) >= 2**62, float(2**62), values)
    return pa.array(values, from_pandas=True)


def _times(field: RawField, array: pa.Array) -> pa.Array:
    first, last = (pa.scalar(moment, pa.timestamp("us")) for moment in SPAN)
    try:
        moments = array.cast(pa.timestamp("us"), safe=array.type.unit != "ns")
    except pa.ArrowInvalid:
        raise InvalidInput([field.problem("holds a time that no calendar has")]) from None
    known = np.asarray(pc.and_(pc.greater_equal(moments, first), pc.less_equal(moments, last)).fill_null(True))
    if not known.all():
        raise InvalidInput([field.problem("is a time before the year 1 or after 9999", int(np.argmin(known)))])
    return moments


def _read_times(field: RawField, texts: pa.Array) -> pa.Array:
    lengths = pc.unique(pc.binary_length(texts.drop_null())).to_pylist()
    if LENGTHS.issuperset(lengths):
        try:
            return _times(field, texts.cast(pa.timestamp("us")))
        except pa.ArrowInvalid:
            pass  # the loop finds the row
    return pa.array([_time(field, text, row) for row, text in enumerate(texts.to_pylist())], pa.timestamp("us"))


def _time(field: RawField, text: str | None, row: int) -> datetime | None:
    try:
        moment: datetime | None = _TIME.validate_json(to_json(text))
    except ValidationError as error:
        zoned = error.errors(include_url=False)[0]["type"] == "timezone_naive"
        reason = "with an offset" if zoned else "not a time"
        raise InvalidInput([field.problem(f"is {text[:60]!r}, {reason}" if text else "is empty", row)]) from None
    return moment


def check_length(rows: int, most: int) -> None:
    """Raises InvalidInput if a table has too many rows."""
    if rows > most:
        raise InvalidInput([FieldProblem("rows", f"has {rows} rows", f"a table of 1 to {most} rows")])
