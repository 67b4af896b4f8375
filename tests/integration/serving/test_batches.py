"""Batches and Arrow streams whose process dies, whose client leaves, and that have no process of their own."""

import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPResponse, IncompleteRead
from itertools import islice
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
import requests

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(120)]

MODEL = "cable-car-demand"
ARROW = "application/vnd.apache.arrow.stream"
ROWS = [
    {
        "at": f"2024-05-{1 + n % 28:02}T{n % 24:02}:30:00",
        "station": 5 + n % 7,
        "temperature": n % 50 - 9.5,
        "docks": n % 99,
    }
    for n in range(2000)
]
BATCH = orjson.dumps({"rows": ROWS})
END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""Of an Arrow stream."""

LINGER_NOT = struct.pack("ii", 1, 0)
"""A socket with this is reset, not closed."""


@pytest.fixture(scope="module")
def replica(start_serving: Callable[..., Any]) -> Any:
    return start_serving(MODEL, workers=2, SERVING_MAX_BATCHES="8")


@pytest.fixture(scope="module")
def expected(replica: Any) -> list[float]:
    with requests.Session() as session:
        return [session.post(f"{replica.url}/predict", json=row, timeout=10).json()["prediction"] for row in ROWS]


@pytest.fixture
def batch_process(replica: Any, wait_until: Callable[..., Any]) -> int:
    """Its number. (A process that was forked just now hasn't its low priority yet.)"""
    (found,) = wait_until(replica.batch_processes, 10, "the batch process is there")
    return int(found)


def parts(times: int) -> Iterator[bytes]:
    """An Arrow stream that has the rows so many times, bit by bit."""
    batch = pa.RecordBatch.from_pylist(ROWS)
    yield batch.schema.serialize().to_pybytes()
    message = batch.serialize().to_pybytes()
    for _ in range(times):
        yield message
    yield END


@contextmanager
def uploading(replica: Any, *sent: bytes) -> Iterator[socket.socket]:
    """A connection with the beginning of an Arrow request that goes in chunks."""
    fields = ["Host: localhost", f"Content-Type: {ARROW}", "Transfer-Encoding: chunked"]
    head = "\r\n".join(["POST /predict/batch HTTP/1.1", *fields, "", ""])
    with socket.create_connection(replica.address, timeout=30) as connection:
        connection.sendall(head.encode() + b"".join(chunk(part) for part in sent))
        yield connection


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


def all_is_well(replica: Any, expected: list[float], wait_until: Callable[..., Any]) -> None:
    wait_until(lambda: replica.metric("serving_batches") == 0, 10, "no batch is under way")
    assert replica.predict(ROWS[0]).json()["prediction"] == expected[0]
    assert replica.post("/predict/batch", BATCH).json()["predictions"] == expected
    answer = replica.post("/predict/batch", b"".join(parts(1)), ARROW)
    assert pa.ipc.open_stream(answer.content).read_all()["prediction"].to_pylist() == expected


def test_batches_outlive_their_process_and_rows_do_not_notice(
    replica: Any, expected: list[float], wait_until: Callable[..., Any]
) -> None:
    ending = threading.Event()
    rows: list[bool] = []
    batches: list[int] = []

    def ask_rows() -> None:
        with requests.Session() as session:
            while not ending.is_set():
                answer = session.post(f"{replica.url}/predict", json=ROWS[3], timeout=10)
                rows.append(answer.status_code == 200 and answer.json()["prediction"] == expected[3])

    def ask_batches() -> None:
        while not ending.is_set():
            answer = replica.post("/predict/batch", BATCH)
            batches.append(answer.status_code)
            if answer.status_code == 200:
                assert answer.json()["predictions"] == expected
            else:
                assert answer.json()["type"] == "urn:roundhouse:problem:batch-failed"
                assert answer.headers["Retry-After"] == "1"

    with ThreadPoolExecutor(5) as pool:
        asking = [pool.submit(ask) for ask in (ask_rows, ask_rows, ask_batches, ask_batches, ask_batches)]
        try:
            for _ in range(3):
                before = len(batches)
                wait_until(lambda before=before: len(batches) > before + 10, 30, "batches are done")
                (victim,) = wait_until(replica.batch_processes, 10, "the batch process is there")
                os.kill(victim, signal.SIGKILL)
                wait_until(lambda victim=victim: set(replica.batch_processes()) - {victim}, 20, "there is a new one")
        finally:
            ending.set()
        for asked in asking:
            asked.result()
    assert rows
    assert all(rows)
    assert set(batches) <= {200, 503}
    assert batches.count(503) <= 9  # at worst all three at each of the kills
    all_is_well(replica, expected, wait_until)


def test_what_is_refused_before_it_is_read_is_refused_all_the_same(replica: Any) -> None:
    body = json.dumps({"inputs": [], "more": "x" * 3_000_000})
    for _ in range(10):
        answer = replica.post("/v2/models/another/infer", body)
        assert (answer.status_code, "another" in answer.json()["error"]) == (404, True)


def test_a_batch_whose_process_dies_while_it_is_handed_over_is_done_by_the_next(
    start_serving: Callable[..., Any], expected: list[float], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL)
    (victim,) = wait_until(replica.batch_processes, 10, "the batch process is there")
    os.kill(victim, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        # of a length that no socket takes as a whole
        asked = pool.submit(replica.post, "/predict/batch", orjson.dumps({"rows": ROWS * 10}))
        wait_until(lambda: replica.metric("serving_batches") == 1, 20, "the batch is under way")
        os.kill(victim, signal.SIGKILL)
        assert asked.result().json()["predictions"] == expected * 10


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSEGV])
def test_the_batch_process_may_end_in_any_way(
    start_serving: Callable[..., Any], expected: list[float], way: signal.Signals, wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL)
    (victim,) = wait_until(replica.batch_processes, 10, "the batch process is there")
    os.kill(victim, way)
    wait_until(lambda: set(replica.batch_processes()) - {victim}, 20, "there is a new one")
    all_is_well(replica, expected, wait_until)


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_the_batch_process_ends_with_its_supervisor_alone(
    replica: Any, expected: list[float], batch_process: int, asked: signal.Signals, wait_until: Callable[..., Any]
) -> None:
    os.kill(batch_process, asked)
    all_is_well(replica, expected, wait_until)
    assert replica.batch_processes() == [batch_process]


def test_a_stream_whose_process_dies_is_never_taken_for_whole(
    replica: Any, expected: list[float], batch_process: int, wait_until: Callable[..., Any]
) -> None:
    with uploading(replica, *islice(parts(900), 178)) as connection, HTTPResponse(connection) as response:
        response.begin()
        assert response.status == 200
        os.kill(batch_process, signal.SIGKILL)
        # which of them depends on where the answer was cut
        with pytest.raises((OSError, EOFError, IncompleteRead)):
            pa.ipc.open_stream(response).read_all()
    all_is_well(replica, expected, wait_until)


def test_a_stream_whose_process_dies_before_the_answer_may_be_sent_again(
    replica: Any, expected: list[float], batch_process: int, wait_until: Callable[..., Any]
) -> None:
    with uploading(replica, *islice(parts(3), 2)) as connection, HTTPResponse(connection) as response:
        wait_until(lambda: replica.metric("serving_batches") == 1, 10, "the stream is under way")
        os.kill(batch_process, signal.SIGKILL)
        response.begin()
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert orjson.loads(response.read())["type"] == "urn:roundhouse:problem:batch-failed"
    all_is_well(replica, expected, wait_until)


def test_a_requests_client_streams_out_of_a_generator(replica: Any, expected: list[float]) -> None:
    headers = {"Content-Type": ARROW}
    with requests.post(f"{replica.url}/predict/batch", parts(40), headers=headers, stream=True, timeout=30) as response:
        assert response.status_code == 200
        found = pa.ipc.open_stream(response.raw)
        for _ in range(40):
            assert found.read_next_batch()["prediction"].to_pylist() == expected
        with pytest.raises(StopIteration):
            found.read_next_batch()


def test_a_client_that_sends_all_before_it_reads_gets_an_answer_as_long_as_a_body_may_be(
    replica: Any, expected: list[float]
) -> None:
    answer = replica.post("/predict/batch", b"".join(parts(165)), ARROW)
    assert answer.status_code == 200
    assert 7 << 20 < len(answer.content) < 8 << 20
    found = pa.ipc.open_stream(answer.content)
    assert all(batch["prediction"].to_pylist() == expected for batch in found)


def test_a_million_rows_give_what_one_row_gives_in_bounded_memory(replica: Any, expected: list[float]) -> None:
    before = replica.peaks(reset=True)
    times = 1_000_000 // len(ROWS)
    with uploading(replica) as connection, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(connection.sendall, b"".join(chunk(part) for part in (*parts(times), b"")))
        with HTTPResponse(connection) as response:
            response.begin()
            right = np.array(expected)
            batches = [np.array_equal(batch["prediction"], right) for batch in pa.ipc.open_stream(response)]
        sending.result()
    assert len(batches) == times
    assert all(batches)
    for pid, most in replica.peaks().items():
        assert most - before[pid] < 80 << 20


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("sent", [1, 2])
def test_an_upload_that_is_cut_off_before_the_answer_leaves_nothing_behind(
    replica: Any, expected: list[float], sent: int, reset: bool, wait_until: Callable[..., Any]
) -> None:
    with uploading(replica, *islice(parts(100), sent), END[:3]) as connection:
        wait_until(lambda: replica.metric("serving_batches") == 1, 10, "the stream is under way")
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    all_is_well(replica, expected, wait_until)


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_leaves_in_the_middle_of_request_and_answer_leaves_nothing_behind(
    start_serving: Callable[..., Any], expected: list[float], reset: bool, wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, SERVING_MAX_BATCHES="1")
    with uploading(replica, *islice(parts(900), 178)) as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    all_is_well(replica, expected, wait_until)


def test_a_client_that_leaves_in_the_middle_of_its_answer_leaves_nothing_behind(
    start_serving: Callable[..., Any], expected: list[float], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, SERVING_MAX_BATCHES="1")
    with uploading(replica, *parts(60), b"") as connection:
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    all_is_well(replica, expected, wait_until)


def test_a_client_that_never_reads_its_answer_keeps_no_place(
    start_serving: Callable[..., Any], expected: list[float], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, SERVING_MAX_BATCHES="1", SERVING_READ_SECONDS="2", SERVING_BATCH_SECONDS="3")
    with uploading(replica) as connection, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send_all_that_is_taken, connection)
        wait_until(lambda: replica.metric("serving_batches") == 1, 10, "the stream is under way")
        try:
            wait_until(lambda: replica.metric("serving_batches") == 0, 15, "the client has been given up")
        finally:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        sending.result()
    all_is_well(replica, expected, wait_until)


def _send_all_that_is_taken(connection: socket.socket) -> None:
    with suppress(OSError):
        for part in parts(100_000):
            connection.sendall(chunk(part))


def test_without_a_batch_process_the_workers_do_the_batches(
    start_serving: Callable[..., Any], expected: list[float], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, workers=2, SERVING_BATCH_PROCESSES="0")
    assert not replica.batch_processes()
    all_is_well(replica, expected, wait_until)
    assert replica.post("/invocations", orjson.dumps({"instances": ROWS})).json()["predictions"] == expected
    explained = replica.post("/predict?explain=true", orjson.dumps(ROWS[3])).json()
    assert explained["prediction"] == expected[3]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: replica.post("/predict/batch", BATCH).json()["predictions"], range(24)))
    assert all(answer == expected for answer in answers)
    victim = replica.holds("1")["workers"][0]["pid"]
    os.kill(victim, signal.SIGKILL)
    wait_until(
        lambda: (model := replica.holds("1")) and victim not in [worker["pid"] for worker in model["workers"]],
        30,
        "the worker is replaced",
    )
    for _ in range(8):  # by either worker
        all_is_well(replica, expected, wait_until)
    assert replica.stop() == 0


@pytest.mark.parametrize("whom", ["supervisor", "group"])
def test_a_stream_under_way_at_the_end_is_answered(
    start_serving: Callable[..., Any], expected: list[float], whom: str, wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, workers=2, SERVING_SHUTDOWN_SECONDS="5")
    with uploading(replica, *islice(parts(2), 2)) as connection, HTTPResponse(connection) as response:
        wait_until(lambda: replica.metric("serving_batches") == 1, 10, "the stream is under way")
        # systemd, by default, asks all processes of a service to end, not the first alone
        (os.kill if whom == "supervisor" else os.killpg)(replica.pid, signal.SIGTERM)
        wait_until(replica.refuses, 10, "no more connections are taken")
        connection.sendall(b"".join(chunk(part) for part in [*islice(parts(2), 2, None), b""]))
        response.begin()
        content = response.read()
        assert response.status == 200, content
        assert pa.ipc.open_stream(content).read_all()["prediction"].to_pylist() == expected * 2
    assert replica.wait(30) == 0
