"""Arrow IPC streams as functions, with streams that pyarrow writes, whole and damaged."""

import json
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from contract import ContractError, InvalidInput
from hypothesis import given, settings
from hypothesis import strategies as st
from serving.calls import Answer, Call, Limits
from serving.errors import BadArrow, BodyTooLarge, ServingError
from serving.predictions import Served
from serving.protocols import arrow_stream, rows

LIMITS = Limits(1 << 20, 100)
CODECS = (None, "lz4", "zstd")
SECOND = 1_000_000
START = int((datetime(2024, 5, 1) - datetime(1970, 1, 1)).total_seconds()) * SECOND


def table(count: int, first: int = 0) -> pa.Table:
    n = np.arange(first, first + count)
    return pa.table(
        {
            "at": pa.array(START + n * 97 * SECOND).cast(pa.timestamp("us")),
            "station": 5 + n % 7,
            "temperature": (n % 90) / 2.0,
            "docks": pa.array(n % 50, mask=n % 5 == 0),
        }
    )


def stream(batches: Iterable[pa.RecordBatch], kind: pa.Schema, **options: Any) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_stream(sink, kind, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


def written(data: pa.Table, most: int | None = None, **options: Any) -> bytes:
    return stream(data.combine_chunks().to_batches(most), data.schema, **options)


def call(body: bytes, limits: Limits = LIMITS) -> Call:
    return Call(BytesIO(body), limits)


def ask(served: Served, body: bytes, limits: Limits = LIMITS) -> pa.RecordBatchReader:
    answer = arrow_stream.predict_stream(served, call(body, limits))
    return pa.ipc.open_stream(answer.body if isinstance(answer.body, bytes) else b"".join(answer.body))


def as_json(served: Served, data: pa.Table) -> Any:
    """What ``/predict/batch`` answers."""
    names = [name for name in served.model.contract.by_name if name in data.column_names]
    known = [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in data.select(names).to_pylist()
    ]
    answer = rows.predict_batch(served, Call(BytesIO(json.dumps({"rows": known}).encode()), Limits(1 << 24, 100_000)))
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)


def test_a_stream_gives_what_json_does_to_the_bit(bikes: Served) -> None:
    data = table(90)
    expected = as_json(bikes, data)
    answer = arrow_stream.predict_stream(bikes, call(written(data)))
    found = pa.ipc.open_stream(answer.body).read_all()
    assert found["prediction"].to_pylist() == expected["predictions"]
    bounds = zip(found["interval_lower"].to_pylist(), found["interval_upper"].to_pylist(), strict=True)
    assert [list(pair) for pair in bounds] == expected["intervals"]
    assert found.schema.metadata == {b"model": b"bike-demand", b"version": b"1", b"unit": b"bike"}
    assert [(column.type, column.nullable) for column in found.schema] == [(pa.float64(), False)] * 3
    assert (answer.rows, answer.media_type, answer.status) == (90, "application/vnd.apache.arrow.stream", 200)


def test_each_batch_gives_a_batch(bikes: Served) -> None:
    data = table(90)
    batch = data.combine_chunks().to_batches()[0]
    found = list(ask(bikes, stream([batch.slice(0, 7), batch.slice(7, 0), batch.slice(7)], data.schema)))
    assert [batch.num_rows for batch in found] == [7, 0, 83]
    assert pa.Table.from_batches(found)["prediction"].to_pylist() == as_json(bikes, data)["predictions"]


def test_a_stream_of_nothing_gives_a_schema(bikes: Served, parcels: Served) -> None:
    found = ask(bikes, stream([], table(1).schema)).read_all()
    assert (found.num_rows, found.num_columns) == (0, 3)
    kind = pa.schema([(name, pa.string()) for name in parcels.model.contract.by_name])
    assert ask(parcels, stream([], kind)).schema.names == ["prediction"]


DECIMALS = (pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(20, 3), pa.decimal256(60, 4))


def test_columns_of_every_sensible_type(bikes: Served, parcels: Served) -> None:
    data = table(60).set_column(2, "temperature", pa.array(np.arange(60) // 2, pa.float64()))
    expected = as_json(bikes, data)["predictions"]
    texts = [value.isoformat() for value in data["at"].to_pylist()]
    for name, column in (
        *(("station", data["station"].cast(kind)) for kind in (pa.int8(), pa.uint16(), pa.uint64(), pa.float32())),
        *(("temperature", data["temperature"].cast(kind)) for kind in (pa.int32(), pa.float16(), pa.float32())),
        *(("at", data["at"].cast(pa.timestamp(unit))) for unit in ("s", "ms", "ns")),
        *(("at", pa.array(texts, kind)) for kind in (pa.string(), pa.large_string())),
        ("at", pa.array(texts).dictionary_encode()),
        ("at", pa.array(texts, pa.string_view())),
        *((n, data[n].cast(pa.float64()).cast(kind)) for n in ("station", "temperature") for kind in DECIMALS),
        ("station", data["station"].dictionary_encode()),
        ("docks", data["docks"].cast(pa.float64())),
    ):
        changed = data.set_column(data.column_names.index(name), name, column)
        for codec in CODECS:
            assert ask(bikes, written(changed, compression=codec)).read_all()["prediction"].to_pylist() == expected
    parcel = pa.table(
        {
            "carrier": pa.array(["bike", "post", "bike"]).dictionary_encode(),
            "size": [3, 4, 9],
            "weight": [1, 2, 3],
            "volume": pa.nulls(3),
            "sent_at": [datetime(2024, 5, 1, 7, 30)] * 3,
            "unknown": [[1], [2], None],
        }
    )
    assert ask(parcels, written(parcel)).read_all()["prediction"].to_pylist() == as_json(parcels, parcel)["predictions"]


def test_dictionaries_may_change_and_grow(bikes: Served) -> None:
    data = table(60)
    parts = [
        pa.table({**{n: part[n] for n in part.column_names}, "station": part["station"].dictionary_encode()})
        for part in (data.slice(0, 2), data.slice(2, 28), data.slice(30))
    ]
    batches = [part.combine_chunks().to_batches()[0] for part in parts]
    expected = as_json(bikes, data)["predictions"]
    for deltas in (True, False):
        body = stream(batches, batches[0].schema, emit_dictionary_deltas=deltas)
        assert ask(bikes, body).read_all()["prediction"].to_pylist() == expected


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("station", [7] * 29 + [99], "row 49: station is 99"),
        ("station", [7.0] * 29 + [7.5], "row 49: station is 7.5"),
        ("station", ["7"] * 30, "station can't be read from a column of string"),
        ("temperature", [1.0] * 29 + [None], "row 49: temperature is missing"),
        ("temperature", [1.0] * 29 + [float("inf")], "row 49: temperature is inf"),
        ("temperature", [True] * 30, "temperature can't be read from a column of bool"),
        ("at", list(range(30)), "at can't be read from a column of int64"),
        ("at", ["2024-05-01T08:00:00"] * 29 + ["noon"], "row 49: at is 'noon', not a time"),
        ("at", [[1]] * 30, "at can't be read from a column of list"),
        ("docks", [1] * 29 + [100], "row 49: docks is 100"),
    ],
)
def test_a_refused_value_is_named_by_its_row_in_the_stream(
    bikes: Served, column: str, values: list[Any], problem: str
) -> None:
    good, wrong = table(50), table(30)
    wrong = wrong.set_column(wrong.column_names.index(column), column, pa.array(values))
    first = good.slice(0, 20)
    if wrong.schema != good.schema:
        first = pa.table({name: _like(wrong[name].type, first[name]) for name in first.column_names})
    body = stream([part.combine_chunks().to_batches()[0] for part in (first, wrong)], wrong.schema)
    with pytest.raises(InvalidInput) as caught:
        arrow_stream.predict_stream(bikes, call(body))
    assert problem in str(caught.value)
    assert arrow_stream.refusal(caught.value).status == 422


def _like(kind: pa.DataType, column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_string(kind) and pa.types.is_timestamp(column.type):
        return pa.array([value.isoformat() for value in column.to_pylist()])
    return pa.array([[1]] * len(column)) if pa.types.is_list(kind) else column.cast(kind)


def test_zoned_and_impossible_times_are_refused(bikes: Served) -> None:
    data = table(3)
    for times in (
        data["at"].cast(pa.timestamp("us", "UTC")),
        pa.array([2**62] * 3, pa.timestamp("us")),
        pa.array([-(2**62)] * 3, pa.timestamp("s")),
        pa.array([None] * 3, pa.timestamp("us")),
        data["at"].cast(pa.date32(), safe=False),
    ):
        with pytest.raises(InvalidInput, match="at "):
            ask(bikes, written(data.set_column(0, "at", times)))


def test_missing_and_doubled_columns_are_refused(bikes: Served) -> None:
    data = table(3)
    with pytest.raises(InvalidInput, match="station is missing: no such column"):
        ask(bikes, written(data.drop_columns("station")))
    with pytest.raises(BadArrow, match="station is there twice"):
        ask(bikes, written(data.append_column("station", data["station"])))
    assert ask(bikes, written(data.drop_columns("docks"))).read_all().num_rows == 3


def test_every_cut_is_noticed(bikes: Served) -> None:
    body = written(table(20), 10)
    for end in range(len(body)):
        with pytest.raises(BadArrow) as caught:
            arrow_stream.predict_stream(bikes, call(body[:end]))
    assert arrow_stream.refusal(caught.value).status == 400
    with pytest.raises(BadArrow, match="follow"):
        arrow_stream.predict_stream(bikes, call(body + b"x"))


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff" * 7, b"ARROW1\0\0" + b"\0" * 50, bytes(8), bytes(4)])
def test_what_is_no_stream_is_refused(bikes: Served, body: bytes) -> None:
    with pytest.raises(BadArrow):
        arrow_stream.predict_stream(bikes, call(body))


def test_a_message_may_be_no_longer_than_a_body(bikes: Served) -> None:
    for size in (2**31 - 1, 1 << 21):
        with pytest.raises(BodyTooLarge):
            arrow_stream.predict_stream(bikes, call(b"\xff\xff\xff\xff" + struct.pack("<i", size)))
    with pytest.raises(BodyTooLarge):
        arrow_stream.predict_stream(bikes, call(written(table(1000)), Limits(10_000, 100)))
    # the stream as a whole may
    assert ask(bikes, written(table(1000), 50), Limits(10_000, 100)).read_all().num_rows == 1000


def test_what_grows_when_it_is_read_is_refused(bikes: Served) -> None:
    limits, data = Limits(100_000, 100), table(20_000)
    for codec in ("lz4", "zstd"):
        same = pa.table(
            {name: pa.array([data[name][1].as_py()] * 20_000, data[name].type) for name in data.column_names}
        )
        body = written(same, compression=codec)
        assert len(body) < 20_000
        with pytest.raises(BodyTooLarge):
            ask(bikes, body, limits)
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, np.int8)), pa.array(["x" * 5000]))
    with pytest.raises(BodyTooLarge):
        ask(bikes, written(table(1000).set_column(0, "at", texts)), limits)
    one = pa.array(["x" * 5000], pa.string_view()).buffers()
    a_thousand = pa.py_buffer(one[1].to_pybytes() * 1000)
    views = pa.Array.from_buffers(pa.string_view(), 1000, [None, a_thousand, *one[2:]])
    with pytest.raises(BodyTooLarge):
        ask(bikes, written(table(1000).set_column(0, "at", views)), limits)
    nothing = pa.table({name: pa.nulls(200_000) for name in data.column_names})
    with pytest.raises(BodyTooLarge):
        ask(bikes, written(nothing), limits)


def test_large_batches_are_computed_in_slices(bikes: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(90)
    whole = ask(bikes, written(data)).read_all()
    monkeypatch.setattr(arrow_stream, "MOST_ROWS", 13)
    found = list(ask(bikes, written(data)))
    assert [batch.num_rows for batch in found] == [90]
    assert pa.Table.from_batches(found).equals(whole)
    wrong = data.set_column(1, "station", pa.array([7] * 70 + [99] * 20))
    with pytest.raises(InvalidInput, match="row 70: station"):
        ask(bikes, written(wrong))


def test_a_long_answer_comes_in_parts_while_the_body_is_read(bikes: Served) -> None:
    body = BytesIO(written(table(100_000), 1000))
    answer = arrow_stream.predict_stream(bikes, Call(body, LIMITS))
    held = body.tell()
    assert not isinstance(answer.body, bytes)
    assert LIMITS.body_bytes / 24 - 1000 < held / (len(body.getvalue()) / 100_000) < 60_000
    parts = iter(answer.body)
    next(parts)
    assert body.tell() == held
    rest = list(parts)
    assert body.tell() == len(body.getvalue())
    assert max(map(len, rest)) < 40_000


def test_an_error_after_the_beginning_is_raised_by_the_parts(bikes: Served) -> None:
    data = table(100_000)
    wrong = data.set_column(1, "station", pa.array([7] * 90_000 + [99] * 10_000))
    parts = _parts(arrow_stream.predict_stream(bikes, call(written(wrong, 1000))))
    with pytest.raises(InvalidInput, match="row 90000: station is 99"):
        list(parts)
    cut = _parts(arrow_stream.predict_stream(bikes, call(written(data, 1000)[:-9])))
    with pytest.raises(BadArrow):
        list(cut)


def _parts(answer: Answer) -> Iterator[bytes]:
    assert not isinstance(answer.body, bytes)
    return iter(answer.body)


EXTREMES = st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80", b""])


@pytest.fixture(scope="module")
def bodies() -> list[bytes]:
    data = table(9)
    texts = pa.array(["2024-05-01T08:00:00"] * 9)
    changed = data.set_column(0, "at", texts)
    coded = changed.set_column(1, "station", data["station"].dictionary_encode())
    return [written(kind, 5, compression=codec) for kind in (data, changed, coded) for codec in CODECS]


@settings(max_examples=400)
@given(st.data())
def test_damaged_streams_are_answered_or_refused(bikes: Served, bodies: list[bytes], data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from(bodies)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + 1] = data.draw(
            st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80", b""]) | st.binary(max_size=2)
        )
    assert _status(bikes, bytes(body)) < 500


def _status(served: Served, body: bytes) -> int:
    try:
        return arrow_stream.predict_stream(served, call(body)).status
    except (ContractError, ServingError) as error:
        return arrow_stream.refusal(error).status
