"""Columns of whatever type a file has, as the type that is wanted. What can't be read as one becomes null."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M")
"""How files that were saved again as text write a time; the first also stands for fractions of a second, cut off."""

OFFSET = r"\d\s*(?:[zZ]|UTC|GMT|[+-]\d\d:?(?:\d\d)?)$"
"""What a text ends with that says on which clock its time is."""

_INT32 = np.iinfo(np.int32)


def convert(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """A column as int32, float64, timestamp[us] without zone, or string.

    A time with a zone becomes the wall clock of that zone. A number that isn't finite, or for int32 has a fraction or
    is too large, becomes null, as does a text that is no number or time.

    Raises:
        pa.ArrowInvalid, pa.ArrowNotImplementedError: no value of the column's type can be the type that is wanted.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        return column.cast(wanted)
    if pa.types.is_timestamp(wanted):
        return _times(column, wanted)
    if pa.types.is_string(wanted):
        # PostgreSQL's texts can't hold the character
        return pc.replace_substring(column.cast(wanted), "\0", "")
    numbers = _numbers(column)
    return _whole(numbers) if pa.types.is_integer(wanted) else numbers


def has_offset(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which texts of a column are times with a zone's offset; boolean, without nulls. Other types have none."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not _is_text(column.type):
        return pa.chunked_array([pa.repeat(pa.scalar(False), len(column))])
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    dated = pc.match_substring_regex(texts, rf"^\d\d\d\d-\d\d-\d\d[T ]\d\d:\d\d.*{OFFSET}")
    return pc.fill_null(dated, False)


def _times(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    if _is_text(column.type):
        return _parsed_times(column.cast(pa.string()), wanted)
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = pc.local_timestamp(column)
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise pa.ArrowInvalid(f"{column.type} is no type of times")
    return column.cast(wanted, safe=False)


def _parsed_times(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    seconds = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), r"(:\d\d)\.\d+$", r"\1")
    readings = [pc.strptime(seconds, format=known, unit="us", error_is_null=True) for known in TIME_FORMATS]
    return pc.coalesce(*readings).cast(wanted)


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if _is_text(column.type):
        column = _numeric_texts(column.cast(pa.string()))
    elif not (
        pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
    ):
        raise pa.ArrowInvalid(f"{column.type} is no type of numbers")
    numbers = column.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))


def _numeric_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(column)
    numeric = pc.match_substring_regex(trimmed, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    return pc.if_else(numeric, pc.utf8_ltrim(trimmed, characters="+"), pa.scalar(None, pa.string()))


def _whole(numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    fits = pc.and_(
        pc.equal(numbers, pc.floor(numbers)),
        pc.and_(pc.greater_equal(numbers, float(_INT32.min)), pc.less_equal(numbers, float(_INT32.max))),
    )
    return pc.if_else(fits, numbers, pa.scalar(None, pa.float64())).cast(pa.int32())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
