"""The Open Inference Protocol as functions, with bodies and answers through Triton's client library."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from contract import ContractError
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from serving.calls import Answer, Call, Limits
from serving.errors import BodyTooLarge, NoModel, ServingError
from serving.predictions import Served
from serving.protocols import open_inference, rows
from tritonclient.http import InferInput, InferRequestedOutput, InferResult  # type: ignore[import-untyped]
from tritonclient.http._utils import _get_inference_request  # type: ignore[import-untyped]
from tritonclient.utils import np_to_triton_dtype  # type: ignore[import-untyped]

LIMITS = Limits(1 << 20, 100)
N = 30


def call(
    body: Any, length: int | None = None, limits: Limits = LIMITS, options: Mapping[str, str] | None = None
) -> Call:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if length is None else {"inference-header-content-length": str(length)}
    return Call(BytesIO(content), limits, headers, options or {})


def read(answer: Answer) -> Any:
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)


def refused(served: Served, asked: Call) -> tuple[int, str]:
    with pytest.raises((ContractError, ServingError)) as caught:
        open_inference.infer(served, asked)
    answer = open_inference.refusal(caught.value)
    document = read(answer)
    assert set(document) == {"error"}
    assert answer.refusal
    return answer.status, document["error"]


def request(served: Served, columns: Mapping[str, NDArray[Any]], *, binary: bool, outputs: Any = None) -> Call:
    inputs = []
    for name, column in columns.items():
        tensor = InferInput(name, list(column.shape), np_to_triton_dtype(column.dtype))
        inputs.append(tensor.set_data_from_numpy(column, binary_data=binary))
    return call(*_get_inference_request(inputs, "the-id", outputs, 0, False, False, 0, None, None))


def result(answer: Answer) -> InferResult:
    length = answer.headers.get("Inference-Header-Content-Length")
    return InferResult.from_response_body(answer.body, header_length=None if length is None else int(length))


@pytest.fixture(scope="module")
def columns() -> dict[str, NDArray[Any]]:
    at = np.datetime64("2024-05-01T08:00:00") + np.arange(N) * np.timedelta64(97, "m")
    return {
        "at": np.array([str(moment) for moment in at], dtype=object),
        "station": 5 + np.arange(N) % 7,
        "temperature": np.arange(N) / 3 - 2,
        "docks": np.arange(N),
    }


@pytest.fixture(scope="module")
def records(columns: dict[str, NDArray[Any]]) -> list[dict[str, Any]]:
    return [{name: column.tolist()[n] for name, column in columns.items()} for n in range(N)]


@pytest.fixture(scope="module")
def expected(bikes: Served, records: list[dict[str, Any]]) -> Any:
    """As ``/predict/batch`` answers."""
    return read(rows.predict_batch(bikes, call({"rows": records})))


def tensors(records: list[dict[str, Any]], **changes: Any) -> list[dict[str, Any]]:
    kinds = {"at": "BYTES", "station": "INT64", "temperature": "FP64", "docks": "INT64"}
    return [
        {"name": name, "shape": [len(records)], "datatype": kind, "data": [row[name] for row in records]}
        | changes.get(name, {})
        for name, kind in kinds.items()
    ]


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_gets_what_predict_says(
    bikes: Served, columns: dict[str, NDArray[Any]], expected: Any, binary: bool
) -> None:
    for outputs in (None, [InferRequestedOutput("interval"), InferRequestedOutput("rentals", binary_data=False)]):
        answer = open_inference.infer(bikes, request(bikes, columns, binary=binary, outputs=outputs))
        found = result(answer)
        assert found.as_numpy("rentals").tolist() == expected["predictions"]
        assert found.as_numpy("interval").tolist() == expected["intervals"]
        response = found.get_response()
        assert (response["id"], response["model_name"], response["model_version"]) == ("the-id", "bike-demand", "1")
        names = [output["name"] for output in response["outputs"]]
        assert names == (["interval", "rentals"] if outputs else ["rentals", "interval"])
        assert answer.media_type == "application/octet-stream"
        assert answer.rows == N


def test_json_tensors(bikes: Served, records: list[dict[str, Any]], expected: Any) -> None:
    column = {"shape": [N, 1], "data": [[row["station"]] for row in records]}
    for inputs in (tensors(records), tensors(records)[::-1], tensors(records, station=column)):
        answer = open_inference.infer(bikes, call({"inputs": inputs, "parameters": {"sequence_id": 3}}))
        document = read(answer)
        assert set(document) == {"model_name", "model_version", "outputs"}
        prediction, interval = document["outputs"]
        assert prediction == {"name": "rentals", "datatype": "FP64", "shape": [N], "data": expected["predictions"]}
        assert (interval["shape"], interval["data"]) == ([N, 2], [x for pair in expected["intervals"] for x in pair])
        assert answer.media_type == "application/json"


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("binary", [True, False])
def test_numbers_of_every_datatype(
    bikes: Served, columns: dict[str, NDArray[Any]], kind: str, binary: bool, records: list[dict[str, Any]]
) -> None:
    warm = {"temperature": (np.arange(N) // 2).astype(kind)}
    turned = {name: columns[name].astype(kind) for name in ("station", "docks")} | warm
    expected = read(
        rows.predict_batch(bikes, call({"rows": [{**row, "temperature": n // 2} for n, row in enumerate(records)]}))
    )
    answer = open_inference.infer(bikes, request(bikes, columns | turned, binary=binary))
    assert result(answer).as_numpy("rentals").tolist() == expected["predictions"]


def test_optional_inputs_texts_and_missing_values(parcels: Served) -> None:
    known = [
        {"carrier": "bike", "size": 3, "weight": 2.5, "sent_at": "2024-05-01T08:00:00", "volume": 2.0},
        {"carrier": "drone", "size": 4, "weight": 0.1, "sent_at": "2024-05-01 08:00", "volume": None},
        {"carrier": "post", "size": 9, "weight": 1.0, "sent_at": "2024-05-01t08:00:00.25", "volume": 0.0},
    ]
    expected = read(rows.predict_batch(parcels, call({"rows": known})))["predictions"]
    plain = {name: np.array([row[name] for row in known], dtype=object) for name in ("carrier", "sent_at")}
    plain |= {name: np.array([row[name] for row in known], dtype=float) for name in ("weight", "volume")}
    plain |= {"size": np.array([row["size"] for row in known])}
    answer = open_inference.infer(parcels, request(parcels, plain, binary=True))
    assert result(answer).as_numpy("price").tolist() == expected
    assert result(answer).as_numpy("interval") is None
    inputs = [
        {"name": name, "shape": [3], "datatype": np_to_triton_dtype(column.dtype), "data": [row[name] for row in known]}
        for name, column in plain.items()
    ]
    assert read(open_inference.infer(parcels, call({"inputs": inputs})))["outputs"][0]["data"] == expected
    without = [{name: value for name, value in row.items() if name != "volume"} for row in known]
    expected = read(rows.predict_batch(parcels, call({"rows": without})))["predictions"]
    inputs = [entry for entry in inputs if entry["name"] != "volume"]
    assert read(open_inference.infer(parcels, call({"inputs": inputs})))["outputs"][0]["data"] == expected


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"station": {"data": [99] * N}}, "row 0: station is 99"),
        ({"station": {"datatype": "FP64", "data": [7.0] * (N - 1) + [7.5]}}, f"row {N - 1}: station is 7.5"),
        ({"station": {"datatype": "UINT64", "data": [7] * (N - 1) + [2**64 - 1]}}, f"row {N - 1}: station is"),
        ({"temperature": {"data": [1.5] * 9 + [51.0] * (N - 9)}}, "row 9: temperature is 51.0"),
        ({"temperature": {"data": [1.5] * 9 + [None] * (N - 9)}}, "row 9: temperature is missing"),
        ({"docks": {"datatype": "FP32", "data": [1] * 9 + [3.5] * (N - 9)}}, "row 9: docks is 3.5"),
        ({"at": {"data": ["2024-05-01T08:00:00"] * 9 + ["noon"] * (N - 9)}}, "row 9: at is 'noon', not a time"),
        ({"at": {"data": ["2024-05-01"] * N}}, "row 0: at is '2024-05-01', not a time"),
        ({"at": {"data": ["2024-05-01T08:00:00+02:00"] * N}}, "with an offset"),
        ({"at": {"data": ["2024-13-01T08:00:00"] * N}}, "row 0: at is '2024-13-01T08:00:00', not a time"),
    ],
)
def test_a_refused_value_is_named_by_field_and_row(
    bikes: Served, records: list[dict[str, Any]], change: Any, problem: str
) -> None:
    status, message = refused(bikes, call({"inputs": tensors(records, **change)}))
    assert status == 400
    assert problem in message


def test_refused_values_in_binary(bikes: Served, columns: dict[str, NDArray[Any]]) -> None:
    for name, column, problem in (
        ("temperature", np.full(N, np.inf), "row 0: temperature is inf"),
        ("temperature", np.full(N, np.nan), "row 0: temperature is missing"),
        ("station", np.full(N, np.inf), "row 0: station is inf"),
        ("station", np.full(N, 1e30), "row 0: station is"),
        ("at", np.array([b"\xff" * 19] * N, dtype=object), "input 'at': holds bytes that aren't UTF-8"),
        ("at", np.array([b""] * N, dtype=object), "row 0: at is"),
    ):
        status, message = refused(bikes, request(bikes, columns | {name: column}, binary=True))
        assert status == 400
        assert problem in message


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"datatype": "BYTES"}, "the datatype is 'BYTES'"),
        ({"datatype": "BOOL"}, "the datatype is 'BOOL'"),
        ({"datatype": None}, "the datatype is None"),
        ({"datatype": ["INT64"]}, "the datatype is"),
        ({"data": [7] * 31}, "has 31 elements, its shape says 30"),
        ({"shape": [N + 1]}, "has 31 rows, 'at' has 30"),
        ({"shape": [-1]}, "the shape is [-1]"),
        ({"shape": [N, 2]}, "the shape is [30, 2]"),
        ({"shape": [1, N]}, "the shape is [1, 30]"),
        ({"shape": []}, "the shape is []"),
        ({"shape": [True]}, "the shape is [True]"),
        ({"shape": [2.0]}, "the shape is [2.0]"),
        ({"shape": "30"}, "the shape is 30"),
        ({"shape": [2**62, 1]}, "rows"),
        ({"shape": [2**62, 2**62]}, "the shape is"),
        ({"data": None}, "must have either data or binary_data_size"),
        ({"data": 7}, "data must be a list"),
        ({"data": {"a": 1}}, "data must be a list"),
        ({"data": ["7"] * N}, "row 0 is '7', which is no INT64"),
        ({"data": [7] * 29 + [True]}, "row 29 is 'True', which is no INT64"),
        ({"data": [7.5] * N}, "row 0 is '7.5', which is no INT64"),
        ({"data": [[7], [7, 7]] + [[7]] * 27}, "a list of one element"),
        ({"data": [[[7]]] * N}, "which is no INT64"),
        ({"data": [2**64 - 1] * N}, "out of the range of INT64"),
        ({"datatype": "INT8", "data": [300] * N}, "out of the range of INT8"),
        ({"datatype": "UINT8", "data": [-1] * N}, "out of the range of UINT8"),
        ({"parameters": 7}, "parameters must be an object"),
        ({"parameters": {"binary_data_size": 3}}, "must have either data or binary_data_size"),
        ({"parameters": {"shared_memory_region": "x"}}, "shared memory"),
    ],
)
def test_a_tensor_that_is_not_what_it_says_is_refused(
    bikes: Served, records: list[dict[str, Any]], change: Any, problem: str
) -> None:
    status, message = refused(bikes, call({"inputs": tensors(records, station=change)}))
    assert status == 400
    assert problem in message
    assert "station" in message or problem in ("rows", "which is no INT64")


def test_inputs_as_a_whole_are_checked(bikes: Served, records: list[dict[str, Any]]) -> None:
    good = tensors(records)
    short = tensors(records[:5])[1]
    for inputs, problem in (
        ([*good, good[0]], "'at': is there twice"),
        ([*good[:3], {**good[3], "name": "dokcs"}], "input 'dokcs' is none of the model's"),
        ([good[0], short, *good[2:]], "'station': has 5 rows, 'at' has 30"),
        (good[1:], "at is missing: no such column"),
        ([], "inputs must be a list"),
        (None, "inputs must be a list"),
        ([7], "is none of the model's"),
        ([{"name": ["at"]}], "is none of the model's"),
        (tensors([]), "has 0 rows"),
        (tensors(records * 4), "has 120 rows"),
    ):
        status, message = refused(bikes, call({"inputs": inputs}))
        assert status == 400
        assert problem in message
    with pytest.raises(BodyTooLarge):
        open_inference.infer(bikes, call({"inputs": good}, limits=Limits(100, 100)))


@pytest.mark.parametrize(
    "change",
    [
        {"id": 7},
        {"parameters": {"binary_data_output": 1}},
        {"parameters": [1]},
        {"outputs": [{"name": "price"}]},
        {"outputs": [{"name": "rentals"}, {"name": "rentals"}]},
        {"outputs": [{"name": "rentals", "parameters": {"binary_data": "yes"}}]},
        {"outputs": [{"name": "rentals", "parameters": {"classification": 2}}]},
        {"outputs": [{"name": ["rentals"]}]},
        {"outputs": {"name": "price"}},
    ],
)
def test_a_request_that_asks_for_what_is_not_there_is_refused(
    bikes: Served, records: list[dict[str, Any]], change: Any
) -> None:
    assert refused(bikes, call({"inputs": tensors(records), **change}))[0] == 400


def _binary(sizes: list[Any], data: bytes) -> Call:
    """A request whose four inputs have one row and take these many bytes."""
    kinds = {"at": "BYTES", "station": "INT64", "temperature": "FP64", "docks": "INT64"}
    inputs = [
        {"name": name, "shape": [1], "datatype": kind, "parameters": {"binary_data_size": size}}
        for (name, kind), size in zip(kinds.items(), sizes, strict=True)
    ]
    head = json.dumps({"inputs": inputs}).encode()
    return call(head + data, len(head))


TEXT = (19).to_bytes(4, "little") + b"2024-05-01T08:00:00"
DATA = TEXT + np.int64(7).tobytes() + np.float64(1.5).tobytes() + np.int64(3).tobytes()


def test_binary_data_of_known_sizes(bikes: Served) -> None:
    assert open_inference.infer(bikes, _binary([23, 8, 8, 8], DATA)).rows == 1


@pytest.mark.parametrize(
    ("sizes", "data"),
    [
        ([23, 8, 8, 8], DATA[:-1]),
        ([23, 8, 8, 8], DATA + b"x"),
        ([23, 8, 8, -8], DATA),
        ([23, 8, 8, 2**70], DATA),
        ([23, 8, 8, 8.0], DATA),
        ([23, 8, 8, True], DATA),
        ([23, 8, 8, "8"], DATA),
        ([23, 4, 8, 12], DATA),
        ([0, 8, 8, 8], DATA[23:]),
        ([3, 8, 8, 8], DATA[20:]),
        ([23, 8, 8, 8], b"\xff\xff\xff\xff" + DATA[4:]),
        ([23, 8, 8, 8], bytes(4) + DATA[4:]),
        ([46, 8, 8, 8], TEXT + DATA),
    ],
)
def test_binary_data_of_wrong_sizes_is_refused(bikes: Served, sizes: list[Any], data: bytes) -> None:
    assert refused(bikes, _binary(sizes, data))[0] == 400


@pytest.mark.parametrize("length", ["-1", "x", "", "99999", "9" * 5000, "1.5", "²"])
def test_a_json_length_outside_of_the_body_is_refused(bikes: Served, length: str) -> None:
    asked = Call(BytesIO(b"{}"), LIMITS, {"inference-header-content-length": length})
    assert refused(bikes, asked)[0] == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 5000])
def test_a_body_that_is_no_json_object_is_refused(bikes: Served, body: bytes) -> None:
    assert refused(bikes, call(body))[0] == 400


def test_another_model_or_version_is_not_there(bikes: Served, records: list[dict[str, Any]]) -> None:
    body = {"inputs": tensors(records)}
    for options in ({"model": "bike-demand", "version": "1"}, {"model": "bike-demand", "version": ""}):
        assert open_inference.infer(bikes, call(body, options=options)).rows == N
    for options in ({"model": "other"}, {"model": "bike-demand", "version": "2"}):
        status, message = refused(bikes, call(body, options=options))
        assert status == 404
        assert "bike-demand version 1" in message
        for ask in (open_inference.model_metadata, open_inference.model_ready):
            with pytest.raises(ServingError):
                ask(bikes, call(b"", options=options))


def test_metadata(bikes: Served, parcels: Served) -> None:
    assert read(open_inference.model_metadata(bikes, call(b""))) == {
        "name": "bike-demand",
        "versions": ["1"],
        "platform": "xgboost_ubj",
        "inputs": [
            {"name": "at", "datatype": "BYTES", "shape": [-1]},
            {"name": "station", "datatype": "INT64", "shape": [-1]},
            {"name": "temperature", "datatype": "FP64", "shape": [-1]},
            {"name": "docks", "datatype": "INT64", "shape": [-1]},
        ],
        "outputs": [
            {"name": "rentals", "datatype": "FP64", "shape": [-1]},
            {"name": "interval", "datatype": "FP64", "shape": [-1, 2]},
        ],
    }
    other = read(open_inference.model_metadata(parcels, call(b"")))
    assert [output["name"] for output in other["outputs"]] == ["price"]
    assert {"name": "carrier", "datatype": "BYTES", "shape": [-1]} in other["inputs"]
    server = read(open_inference.server_metadata())
    assert set(server) == {"name", "version", "extensions"}
    assert "binary_tensor_data" in server["extensions"]
    assert read(open_inference.model_ready(bikes, call(b""))) == {"name": "bike-demand", "ready": True}
    assert open_inference.refusal(NoModel("none yet")).status == 503


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(
    JSON,
    st.sampled_from(["at", "station", "temperature", "docks"]),
    st.sampled_from(["name", "shape", "datatype", "data", "parameters"]),
    st.sampled_from(["id", "inputs", "outputs", "parameters"]),
)
def test_any_document_is_answered_or_refused(
    bikes: Served, records: list[dict[str, Any]], document: Any, name: str, key: str, top: str
) -> None:
    inputs = tensors(records[:2], **{name: {key: document}})
    for body in (document, {"inputs": document}, {"inputs": inputs}, {"inputs": tensors(records), top: document}):
        assert _status(bikes, call(body)) < 500


@given(st.data())
def test_damaged_binary_requests_are_answered_or_refused(bikes: Served, data: st.DataObject) -> None:
    good = _binary([23, 8, 8, 8], DATA)
    body, length = good.body.read(), int(good.headers["inference-header-content-length"])
    at, with_ = data.draw(st.integers(0, len(body))), data.draw(st.binary(max_size=4))
    damaged = body[:at] + with_ + body[at + data.draw(st.integers(0, 4)) :]
    assert _status(bikes, call(damaged, length + data.draw(st.integers(-2, 2)))) < 500


def _status(served: Served, asked: Call) -> int:
    try:
        return open_inference.infer(served, asked).status
    except (ContractError, ServingError) as error:
        return open_inference.refusal(error).status
