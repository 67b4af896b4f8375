"""The protocols, spoken by the clients that others use for them, give what ``/predict`` gives."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pytest
import requests
from contract import Contract
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from tritonclient import http as triton  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

pytestmark = pytest.mark.thorough

MODEL = "tram-demand"
ARROW = "application/vnd.apache.arrow.stream"
ROWS = [
    {
        "at": f"2024-05-{1 + n % 28:02}T{n % 24:02}:30:00",
        "station": 5 + n % 7,
        "temperature": n % 50 - 9.5,
        "docks": n % 99,
    }
    for n in range(500)
]


@pytest.fixture(scope="module")
def replica(
    tracking: Any,
    make_bundle: Callable[..., Contract],
    tmp_path_factory: pytest.TempPathFactory,
    start_replica: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> Any:
    folder = tmp_path_factory.mktemp("bundle")
    make_bundle(folder, name=MODEL)
    tracking.publish(MODEL, folder)
    tracking.crown(MODEL, "1")
    started = start_replica(MODEL, workers=2)
    wait_until(lambda: started.holds("1"), 60, "the champion is served")
    return started


@pytest.fixture(scope="module")
def expected(replica: Any) -> list[float]:
    return [replica.predict(row).json()["prediction"] for row in ROWS]


def host_of(replica: Any) -> str:
    return str(replica.url.removeprefix("http://"))


def test_mlflows_scoring_client(replica: Any, expected: list[float]) -> None:
    host, _, port = host_of(replica).partition(":")
    client = ScoringServerClient(host, int(port))
    client.wait_server_ready(timeout=10)
    assert client.get_version() == "3.17.2"
    answer = client.invoke(pd.DataFrame(ROWS))
    assert answer.get_predictions()[0].tolist() == expected


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "inputs", "csv"])
def test_every_form_that_mlflow_sends(replica: Any, expected: list[float], form: str) -> None:
    frame = pd.DataFrame(ROWS)
    bodies = {
        "dataframe_split": {"dataframe_split": frame.to_dict(orient="split")},
        "dataframe_records": {"dataframe_records": ROWS},
        "instances": {"instances": ROWS},
        "inputs": {"inputs": frame.to_dict(orient="list")},
    }
    body = frame.to_csv(index=False) if form == "csv" else json.dumps(bodies[form])
    media_type = "text/csv" if form == "csv" else "application/json"
    response = requests.post(f"{replica.url}/invocations", body, headers={"Content-Type": media_type}, timeout=10)
    assert response.json()["predictions"] == expected


def test_mlflows_errors(replica: Any) -> None:
    bad = requests.post(
        f"{replica.url}/invocations", json={"dataframe_records": [{**ROWS[0], "station": 99}]}, timeout=10
    )
    assert bad.status_code == 400
    assert bad.json()["error_code"] == "BAD_REQUEST"
    assert "row 0: station is 99" in bad.json()["message"]


@pytest.fixture(scope="module")
def inference(replica: Any) -> Iterator[Any]:
    client = triton.InferenceServerClient(host_of(replica))
    yield client
    client.close()


def tensors(binary: bool) -> list[Any]:
    columns = {
        "at": ("BYTES", np.array([row["at"] for row in ROWS], dtype=object)),
        "station": ("INT64", np.array([row["station"] for row in ROWS], dtype=np.int64)),
        "temperature": ("FP64", np.array([row["temperature"] for row in ROWS])),
        "docks": ("INT64", np.array([row["docks"] for row in ROWS], dtype=np.int64)),
    }
    inputs = []
    for name, (datatype, values) in columns.items():
        found = triton.InferInput(name, [len(ROWS)], datatype)
        found.set_data_from_numpy(values, binary_data=binary)
        inputs.append(found)
    return inputs


@pytest.mark.parametrize("version", ["", "1"])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_tritons_client(inference: Any, expected: list[float], binary_in: bool, binary_out: bool, version: str) -> None:
    outputs = [triton.InferRequestedOutput("rentals", binary_data=binary_out)]
    answer = inference.infer(MODEL, tensors(binary_in), version, outputs, request_id="job-7")
    assert answer.as_numpy("rentals").tolist() == expected
    assert (answer.get_response()["id"], answer.get_response()["model_version"]) == ("job-7", "1")


def test_tritons_client_learns_what_is_there(inference: Any) -> None:
    assert inference.is_server_live()
    assert inference.is_server_ready()
    assert inference.is_model_ready(MODEL)
    assert not inference.is_model_ready("another")
    metadata = inference.get_model_metadata(MODEL)
    assert [(tensor["name"], tensor["datatype"]) for tensor in metadata["inputs"]] == [
        ("at", "BYTES"),
        ("station", "INT64"),
        ("temperature", "FP64"),
        ("docks", "INT64"),
    ]
    assert "binary_tensor_data" in inference.get_server_metadata()["extensions"]


def test_tritons_client_hears_what_is_wrong(inference: Any) -> None:
    with pytest.raises(InferenceServerException, match="another"):
        inference.infer("another", tensors(binary=True))
    with pytest.raises(InferenceServerException, match="station"):
        inference.infer(MODEL, [tensors(binary=True)[0]])


def stream(batches: list[pa.RecordBatch]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def arrow_rows(start: int, count: int) -> pa.RecordBatch:
    chosen = [ROWS[(start + n) % len(ROWS)] for n in range(count)]
    return pa.RecordBatch.from_pylist(chosen)


def test_arrow_in_and_out(replica: Any, expected: list[float]) -> None:
    batches = [arrow_rows(start, 100) for start in range(0, 500, 100)]
    response = requests.post(
        f"{replica.url}/predict/batch", stream(batches), headers={"Content-Type": ARROW}, timeout=10
    )
    assert response.headers["Content-Type"] == ARROW
    reader = pa.ipc.open_stream(response.content)
    found = reader.read_all()
    assert found["prediction"].to_pylist() == expected
    assert b"1" in reader.schema.metadata.values()


def test_a_long_arrow_stream_takes_no_more_memory_than_a_short_one(replica: Any) -> None:
    batch = arrow_rows(0, 10_000)
    _stream_through(replica, batch, 5)
    before = _memory(replica)
    assert _stream_through(replica, batch, 120) == 1_200_000
    assert _memory(replica) - before < 60 << 20


def test_a_bad_row_of_a_stream_is_named(replica: Any) -> None:
    bad = arrow_rows(0, 10).to_pylist()
    bad[3]["station"] = 99
    batches = [arrow_rows(0, 10), arrow_rows(0, 10), pa.RecordBatch.from_pylist(bad)]
    response = requests.post(
        f"{replica.url}/predict/batch", stream(batches), headers={"Content-Type": ARROW}, timeout=10
    )
    assert response.status_code == 422
    assert [(problem["field"], problem["row"]) for problem in response.json()["errors"]] == [("station", 23)]


def test_a_stream_that_is_cut_off_is_refused(replica: Any) -> None:
    whole = stream([arrow_rows(0, 100)])
    for body in (whole[:-20], whole[: len(whole) // 2], b"not arrow"):
        response = requests.post(f"{replica.url}/predict/batch", body, headers={"Content-Type": ARROW}, timeout=10)
        assert response.status_code == 400
        assert response.json()["type"] == "urn:roundhouse:problem:bad-arrow"


def test_an_explanation_adds_up_to_the_prediction(replica: Any) -> None:
    for row in ROWS[:20]:
        answer = requests.post(f"{replica.url}/predict?explain=true", json=row, timeout=10).json()
        explanation = answer["explanation"]
        for parts in (explanation["features"], explanation["fields"]):
            assert explanation["bias"] + sum(parts.values()) == pytest.approx(answer["prediction"], abs=1e-4)
        assert set(explanation["fields"]) == set(row)


def _stream_through(replica: Any, batch: pa.RecordBatch, times: int) -> int:
    """Sends a batch so often as one stream while it reads the answer; how many rows came back."""
    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, batch.schema).write_batch(batch)
    first, other = sink.getvalue().to_pybytes(), batch.serialize().to_pybytes()
    end = b"\xff\xff\xff\xff\x00\x00\x00\x00"
    host, _, port = host_of(replica).partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection, ThreadPoolExecutor(1) as sender:
        lines = [
            "POST /predict/batch HTTP/1.1",
            f"Host: {host}",
            f"Content-Type: {ARROW}",
            "Transfer-Encoding: chunked",
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        sending = sender.submit(_send_chunks, connection, [first, *[other] * (times - 1), end, b""])
        response = HTTPResponse(connection)
        response.begin()
        assert response.status == 200
        rows: int = sum(found.num_rows for found in pa.ipc.open_stream(response))
        sending.result()
        return rows


def _send_chunks(connection: socket.socket, parts: list[bytes]) -> None:
    for part in parts:
        connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))


def _memory(replica: Any) -> int:
    """Resident bytes of the service's processes."""
    service = psutil.Process(replica.pid)
    return sum(process.memory_info().rss for process in [service, *service.children(recursive=True)])
