"""More than the service takes, and its end: what was admitted is answered rightly, the rest is told so at once."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

import numpy as np
import orjson
import pytest
import requests
from tritonclient import http as triton  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(120)]

MODEL = "gondola-demand"
PROBLEM = "urn:roundhouse:problem:"
JSON = "application/json"
ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}
KINDS = [{**ROW, "station": 5 + n % 7, "temperature": n % 50} for n in range(350)]
ROWS = [KINDS[n % 350] for n in range(5000)]
BATCH = orjson.dumps({"rows": ROWS})
ALL = ("/predict", "/predict?explain=true", "/predict/batch", "/invocations", f"/v2/models/{MODEL}/infer")


@pytest.fixture(scope="module")
def replica(start_serving: Callable[..., Any]) -> Any:
    return start_serving(MODEL, workers=2, SERVING_MAX_BATCHES="2")


@pytest.fixture(scope="module")
def expected(replica: Any) -> list[float]:
    """For ROWS."""
    with requests.Session() as session:
        kinds = [session.post(f"{replica.url}/predict", json=row, timeout=10).json()["prediction"] for row in KINDS]
    return [kinds[n % 350] for n in range(len(ROWS))]


@contextmanager
def held_up(replica: Any, wait_until: Callable[..., Any]) -> Iterator[None]:
    """As long as this lasts, no batch is done."""
    (process,) = wait_until(replica.batch_processes, 10, "the batch process is there")
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def head(path: str, length: int) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {JSON}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def all_is_well(replica: Any, expected: list[float], wait_until: Callable[..., Any]) -> None:
    wait_until(lambda: replica.metric("serving_batches") == 0, 10, "no batch is under way")
    wait_until(lambda: replica.metric("serving_buffered_bytes") == 0, 10, "no body is held")
    assert replica.predict(ROWS[0]).json()["prediction"] == expected[0]
    assert replica.post("/predict/batch", BATCH).json()["predictions"] == expected


def test_metrics_are_there_also_while_the_batch_process_hangs(replica: Any, wait_until: Callable[..., Any]) -> None:
    with held_up(replica, wait_until):
        before = replica.metric("serving_requests_total", route="/predict")
        assert replica.predict(ROWS[0]).status_code == 200
        assert replica.metric("serving_requests_total", route="/predict") == before + 1


def test_of_many_batches_some_are_shed_and_the_admitted_ones_right(
    replica: Any, expected: list[float], wait_until: Callable[..., Any]
) -> None:
    before = replica.metric("serving_refused_total", reason="overloaded")
    with ThreadPoolExecutor(16) as pool:
        with held_up(replica, wait_until):
            asked = [pool.submit(replica.post, "/predict/batch", BATCH) for _ in range(16)]
            wait_until(
                lambda: sum(answer.done() for answer in asked) + replica.metric("serving_batches") == 16,
                20,
                "each batch is admitted or shed",
            )
            admitted = replica.metric("serving_batches")
            assert 2 <= admitted <= 4  # two for each of the workers that got any
            assert replica.predict(ROWS[1]).json()["prediction"] == expected[1]
        answers = [answer.result() for answer in asked]
    shed = [answer for answer in answers if answer.status_code == 503]
    for answer in shed:
        assert answer.json()["type"] == PROBLEM + "overloaded"
        assert (answer.headers["Retry-After"], answer.headers["Content-Type"]) == ("1", "application/problem+json")
    right = [answer for answer in answers if answer.status_code == 200]
    assert (len(right), len(shed)) == (admitted, 16 - admitted)
    assert all(answer.json()["predictions"] == expected for answer in right)
    assert replica.metric("serving_refused_total", reason="overloaded") - before == len(shed)
    all_is_well(replica, expected, wait_until)


def test_bodies_that_are_held_are_bounded_together(
    start_serving: Callable[..., Any], expected: list[float], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, SERVING_MAX_BUFFERED_BYTES="4000000")
    with socket.create_connection(replica.address, timeout=30) as slow:
        slow.sendall(head("/predict/batch", 3_000_001) + b" " * 3_000_000)
        wait_until(lambda: replica.metric("serving_buffered_bytes") == 3_000_000, 10, "most of a body is held")
        for path in ALL[1:]:
            answer = replica.post(path, b" " * 1_500_000)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1"), path
        assert replica.predict(ROWS[0]).json()["prediction"] == expected[0]
        assert replica.post("/predict/batch", BATCH).json()["predictions"] == expected
    all_is_well(replica, expected, wait_until)


def test_what_is_too_long_is_refused_in_words_and_in_bounded_memory(
    replica: Any, expected: list[float], wait_until: Callable[..., Any]
) -> None:
    million = b'{"rows":[' + b",".join([orjson.dumps(ROW)] * 1_000_000) + b"]}"
    replica.post("/predict/batch", BATCH)
    before = replica.peaks(reset=True)
    for path in ALL:
        kind = "application/problem+json" if path.startswith("/predict") else JSON
        for body in (million, b" " * 100_000_000, in_chunks(100)):
            status, media_type, answer = insist(replica, path, body)
            assert (status, media_type) == (413, kind), path
            assert b"longer than 8388608 bytes" in answer
    after = replica.peaks()
    assert after.keys() == before.keys()  # nobody died of it
    assert sum(after[pid] - held for pid, held in before.items()) < 100 << 20
    all_is_well(replica, expected, wait_until)


def in_chunks(megabytes: int) -> Iterator[bytes]:
    for _ in range(megabytes):
        yield b" " * 1_000_000


def insist(replica: Any, path: str, body: bytes | Iterator[bytes]) -> tuple[int, str, bytes]:
    """Sends all of a body that may be refused meanwhile, and hears the answer."""
    host, port = replica.address
    connection = HTTPConnection(host, port, timeout=30)
    try:
        coding = {} if isinstance(body, bytes) else {"Transfer-Encoding": "chunked"}
        connection.request("POST", path, body, {"Content-Type": JSON, **coding}, encode_chunked=bool(coding))
        response = connection.getresponse()
        return response.status, str(response.headers["Content-Type"]), response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("depth", [1_300, 100_000])
@pytest.mark.parametrize("path", ALL)
def test_deep_json_is_refused(
    replica: Any, expected: list[float], path: str, depth: int, wait_until: Callable[..., Any]
) -> None:
    deep = b"[" * depth + b"]" * depth
    bodies = [
        deep,
        b'{"rows":' + deep + b"}",
        b'{"rows":[{"at":' + deep + b"}]}",
        b'{"instances":' + deep + b"}",
        b'{"at":' + deep + b"}",
        b'{"inputs":[{"name":"at","shape":[1],"datatype":"BYTES","data":' + deep + b"}]}",
        b'{"at":' * depth + b"1" + b"}" * depth,
    ]
    before = replica.processes()
    for body in bodies:
        assert replica.post(path, body).status_code in {400, 422}, body[:40]
    assert replica.processes() == before
    all_is_well(replica, expected, wait_until)


def test_a_batch_process_that_hangs_is_not_waited_for_for_ever(
    start_serving: Callable[..., Any], expected: list[float], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, SERVING_BATCH_SECONDS="3")
    with held_up(replica, wait_until):
        late = replica.post("/predict/batch", BATCH)
        assert (late.status_code, late.json()["type"]) == (503, PROBLEM + "batch-failed")
    all_is_well(replica, expected, wait_until)


def test_tensors_of_a_wrong_type_or_shape_are_refused(replica: Any) -> None:
    right = {
        "at": ("BYTES", np.array([ROW["at"]], dtype=object)),
        "station": ("INT64", np.array([7])),
        "temperature": ("FP64", np.array([18.5])),
        "docks": ("INT64", np.array([20])),
    }
    prediction = replica.predict(ROW).json()["prediction"]
    client = triton.InferenceServerClient(replica.url.removeprefix("http://"))
    try:
        for binary in (True, False):
            assert client.infer(MODEL, _tensors(right, binary)).as_numpy("rentals").tolist() == [prediction]
            for name, wrong in (
                ("at", ("INT64", np.array([1]))),
                ("station", ("BYTES", np.array(["7"], dtype=object))),
                ("temperature", ("BOOL", np.array([True]))),
                ("docks", ("INT64", np.array([20, 21]))),
            ):
                with pytest.raises(InferenceServerException, match=name) as caught:
                    client.infer(MODEL, _tensors({**right, name: wrong}, binary))
                assert caught.value.status() in {"400", "422"}
    finally:
        client.close()


def _tensors(columns: dict[str, tuple[str, Any]], binary: bool) -> list[Any]:
    tensors = []
    for name, (datatype, values) in columns.items():
        tensor = triton.InferInput(name, [len(values)], datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        tensors.append(tensor)
    return tensors


class Asker(threading.Thread):
    """Asks without pause until the service takes no more connections; keeps what was not as it should be."""

    def __init__(self, replica: Any, path: str, body: bytes, right: bytes, keep: bool) -> None:
        super().__init__(daemon=True)
        self._address = replica.address
        self._request = head(path, len(body)) + body
        self._right = right
        self._keep = keep
        self.whole = 0
        self.never_begun = 0
        """Connections that were ended before a byte of an answer."""
        self.wrong: list[str] = []

    def run(self) -> None:
        while True:
            try:
                connection = socket.create_connection(self._address, timeout=30)
            except OSError:
                return  # refused: the service ends
            with connection:
                while self._ask(connection) and self._keep:
                    pass

    def _ask(self, connection: socket.socket) -> bool:
        """Whether the connection may be used again."""
        try:
            connection.sendall(self._request)
            begun = bool(connection.recv(1, socket.MSG_PEEK))
        except OSError:
            begun = False
        if not begun:
            self.never_begun += 1
            return False
        try:
            with HTTPResponse(connection) as response:
                response.begin()
                content = response.read()
                if response.status != 200 or self._right not in content:
                    self.wrong.append(f"{response.status} {content[:200]!r}")
                self.whole += 1
                return not response.will_close
        except (OSError, HTTPException) as error:
            self.wrong.append(repr(error))
            return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_at_its_end_no_answer_is_broken(
    start_serving: Callable[..., Any], expected: list[float], number: signal.Signals, wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, workers=2)
    row, one = orjson.dumps(ROWS[0]), orjson.dumps(expected[0])
    askers = [Asker(replica, "/predict", row, one, keep) for keep in (True, True, False)]
    askers.append(Asker(replica, "/predict?explain=true", row, one, keep=True))
    askers.append(Asker(replica, "/predict/batch", BATCH, orjson.dumps(expected[:3])[1:-1], keep=True))
    for asker in askers:
        asker.start()
    wait_until(lambda: all(asker.whole > 20 for asker in askers), 30, "all are being answered")
    if number == signal.SIGINT:
        os.killpg(replica.pid, number)  # as a terminal does
    else:
        os.kill(replica.pid, number)
    assert replica.wait(30) == 0
    for asker in askers:
        asker.join(10)
        assert not asker.is_alive()
        assert asker.wrong == []
        assert asker.never_begun <= 3  # a connection at the moment of the end; not a service that drops them
    assert "Traceback" not in replica.output()


def test_batches_under_way_at_the_end_are_answered(
    start_serving: Callable[..., Any], expected: list[float], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, workers=2)
    long = orjson.dumps({"rows": ROWS * 4})
    with ThreadPoolExecutor(4) as pool:
        with held_up(replica, wait_until):
            asked = [pool.submit(replica.post, "/predict/batch", long) for _ in range(4)]
            wait_until(lambda: replica.metric("serving_batches") == 4, 10, "the batches are under way")
            os.kill(replica.pid, signal.SIGTERM)
            wait_until(replica.refuses, 10, "no more connections are taken")
        for answer in asked:
            assert answer.result().json()["predictions"] == expected * 4
    assert replica.wait(30) == 0


def test_what_takes_too_long_to_end_is_given_up(
    start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, SERVING_SHUTDOWN_SECONDS="1")
    with socket.create_connection(replica.address, timeout=30) as half:
        half.sendall(head("/predict", 99) + b"{")
        wait_until(lambda: replica.metric("serving_connections") >= 2, 10, "the request has begun")
        assert replica.stop(20) == 0
