"""The TLC's columns, which differ by year, service and who saved the file, as one schema."""

import logging
from collections.abc import Iterator, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainer.data.conversion import convert, has_offset
from trainer.data.errors import EmptyMonth, MissingColumn, TruncatedFile, UnreadableColumn
from trainer.data.source import MonthFile

TRIPS = pa.schema(
    [
        ("pickup_at", pa.timestamp("us")),  # New York local time, as all times here
        ("dropoff_at", pa.timestamp("us")),
        ("pu_location_id", pa.int32()),
        ("do_location_id", pa.int32()),
        ("trip_distance", pa.float64()),  # miles
        ("passenger_count", pa.int32()),
        ("vendor_id", pa.int32()),
        ("ratecode_id", pa.int32()),
        ("store_and_fwd_flag", pa.string()),
        ("payment_type", pa.int32()),
        ("trip_type", pa.int32()),
        ("fare_amount", pa.float64()),  # US dollars, as all that follow
        ("extra", pa.float64()),
        ("mta_tax", pa.float64()),
        ("tip_amount", pa.float64()),
        ("tolls_amount", pa.float64()),
        ("ehail_fee", pa.float64()),
        ("improvement_surcharge", pa.float64()),
        ("congestion_surcharge", pa.float64()),
        ("airport_fee", pa.float64()),
        ("cbd_congestion_fee", pa.float64()),
        ("total_amount", pa.float64()),
    ]
)
"""A month's trips, whatever the file looked like. Columns that a file lacks are null."""

REQUIRED = ("pickup_at", "dropoff_at", "pu_location_id", "do_location_id", "trip_distance")
"""What a trip can't do without."""

_SPELLINGS = {
    "lpep_pickup_datetime": "pickup_at",  # green taxis
    "tpep_pickup_datetime": "pickup_at",  # yellow taxis
    "pickup_datetime": "pickup_at",
    "lpep_dropoff_datetime": "dropoff_at",
    "tpep_dropoff_datetime": "dropoff_at",
    "dropoff_datetime": "dropoff_at",
    "pulocationid": "pu_location_id",
    "dolocationid": "do_location_id",
    "vendorid": "vendor_id",
    "ratecodeid": "ratecode_id",
    "rate_code": "ratecode_id",
}
"""By the file's name in lower case, trimmed, where that isn't ours already."""

ROWS_AT_A_TIME = 250_000

OFFSET = "time_with_offset"
"""Column of ``read``: whether one of the row's times is a text with a zone's offset. Whose clock it shows isn't known,
and an hour is much for a trip."""

log = logging.getLogger(__name__)


def check_file(file: MonthFile) -> None:
    """Reads no more than the file's footer.

    Raises:
        EmptyMonth, MissingColumn: what ``read`` would find wrong.
    """
    with pq.ParquetFile(file.path) as parquet:
        _sources(parquet.schema_arrow, file.uri)
        if parquet.metadata.num_rows == 0:
            raise EmptyMonth(file.uri)


def read(file: MonthFile) -> Iterator[pa.Table]:
    """A month's file with the columns of ``TRIPS`` and ``OFFSET``, part by part and in its order: a yellow month has
    millions of rows.

    Raises:
        EmptyMonth: it has no rows.
        MissingColumn: it lacks one of ``REQUIRED``.
        UnreadableColumn: the type of one of them can't be understood.
        TruncatedFile: a part of it is damaged.
    """
    check_file(file)
    with pq.ParquetFile(file.path) as parquet:
        sources = _sources(parquet.schema_arrow, file.uri)
        known = sorted({position for field in TRIPS for position in sources.get(field.name, [])})
        names = [parquet.schema_arrow.names[position] for position in known]
        for raw in _parts(parquet, names, file):
            yield normalise(raw, file.uri).append_column(OFFSET, _offsets(raw, file.uri))


def _parts(parquet: pq.ParquetFile, names: Sequence[str], file: MonthFile) -> Iterator[pa.Table]:
    try:
        for batch in parquet.iter_batches(ROWS_AT_A_TIME, columns=names):
            yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise TruncatedFile(file.uri, file.size, str(error).splitlines()[0]) from error


def normalise(raw: pa.Table, uri: str) -> pa.Table:
    """A file's columns, of any generation, as those of ``TRIPS``; raises as ``read`` does.

    A column that a trip can do without, and whose type can't be understood, is null.
    """
    sources = _sources(raw.schema, uri)
    return pa.table([_column(raw, field, sources.get(field.name, []), uri) for field in TRIPS], schema=TRIPS)


def _sources(schema: pa.Schema, uri: str) -> dict[str, list[int]]:
    """Positions in the file of each of our columns; several where saving merged two spellings."""
    sources: dict[str, list[int]] = {}
    for position, name in enumerate(schema.names):
        plain = name.strip().lower()
        sources.setdefault(_SPELLINGS.get(plain, plain), []).append(position)
    absent = [name for name in REQUIRED if name not in sources]
    if absent:
        raise MissingColumn(uri, absent, schema.names)
    return sources


def _column(raw: pa.Table, field: pa.Field, positions: list[int], uri: str) -> pa.ChunkedArray:
    if not positions:
        return pa.chunked_array([pa.nulls(raw.num_rows, field.type)])
    try:
        return pc.coalesce(*[convert(raw.column(position), field.type) for position in positions])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        unreadable = UnreadableColumn(uri, raw.column_names[positions[0]], str(error))
        if field.name in REQUIRED:
            raise unreadable from error
        log.warning("%s; it is left empty", unreadable)
        return pa.chunked_array([pa.nulls(raw.num_rows, field.type)])


def _offsets(raw: pa.Table, uri: str) -> pa.ChunkedArray:
    sources = _sources(raw.schema, uri)
    times = [field.name for field in TRIPS if pa.types.is_timestamp(field.type)]
    found = [has_offset(raw.column(position)) for name in times for position in sources[name]]
    return reduce(pc.or_, found)
