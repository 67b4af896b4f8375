"""Requests that are encoded once and sent many times."""

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.load import Failed
from benchmarks.processes import Program

JSON = "application/json"
RELATIVE_TOLERANCE = 1e-5
POLL_SECONDS = 0.005
START_SECONDS = 60
UNSUPPORTED = {404, 405, 406, 415, 501}

Headers = Mapping[str, str]
"""By name in lower case."""
Read = Callable[[bytes, Headers], Sequence[float] | NDArray[np.floating]]


class NotOffered(Exception):
    """The server doesn't have this call, or not in this encoding."""


@dataclass(frozen=True)
class Exchange:
    """A POST and how its answer is read."""

    path: str
    body: bytes
    read: Read
    expected: NDArray[np.float32]
    headers: Headers = field(default_factory=lambda: {"Content-Type": JSON})

    def check(self, answer: bytes, headers: Headers) -> None:
        """Raises Failed unless the answer has the expected predictions."""
        given = np.asarray(self.read(answer, headers), dtype=np.float64).ravel()
        if given.shape != self.expected.shape:
            raise Failed(f"{self.path}: {len(given)} predictions for {len(self.expected)} rows")
        if not np.allclose(given, self.expected, rtol=RELATIVE_TOLERANCE, atol=0):
            worst = int(np.argmax(np.abs(given - self.expected)))
            raise Failed(f"{self.path}: row {worst} gives {given[worst]}, not {self.expected[worst]}")


class Client:
    """One connection that is kept open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(self, exchange: Exchange) -> tuple[bytes, Headers, float]:
        """The answer, its headers, and seconds from the first byte sent to the last received.

        Raises:
            NotOffered: by the answer's status.
            Failed: any other status but 200.
        """
        begin = time.perf_counter()
        self._connection.request("POST", exchange.path, exchange.body, dict(exchange.headers))
        response = self._connection.getresponse()
        answer = response.read()
        seconds = time.perf_counter() - begin
        if response.status in UNSUPPORTED:
            raise NotOffered(f"{exchange.path}: {response.status}")
        if response.status != 200:
            raise Failed(f"{exchange.path}: {response.status} {answer[:500].decode(errors='replace')}")
        return answer, {name.lower(): value for name, value in response.getheaders()}, seconds

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path)
        return self._connection.getresponse().read()

    def close(self) -> None:
        self._connection.close()


def wait_for_first_answer(program: Program, port: int, exchange: Exchange, begin: float) -> float:
    """Seconds from ``begin`` (of ``time.perf_counter``) until the first answer, which must be right.

    Raises:
        Ended: the server did.
        Failed: the first answer is wrong, or none came in time.
    """
    refusal: Exception | None = None
    while time.perf_counter() - begin < START_SECONDS:
        client = Client(port)
        try:
            answer, headers, _ = client.send(exchange)
        except (OSError, http.client.HTTPException, NotOffered, Failed) as error:  # it isn't up, or has no model yet
            refusal = error
        else:
            seconds = time.perf_counter() - begin
            exchange.check(answer, headers)
            return seconds
        finally:
            client.close()
        program.check()
        time.sleep(POLL_SECONDS)
    raise Failed(f"no answer within {START_SECONDS} s: {refusal}; the end of the log:\n{program.log_end()}")


def wait_for_workers(program: Program, port: int, count: int) -> None:
    """Returns once so many workers of our service have a model. Raises Ended, Failed."""
    deadline = time.perf_counter() + START_SECONDS
    while time.perf_counter() < deadline:
        client = Client(port)
        try:
            ready = [worker for worker in json.loads(client.get("/model"))["workers"] if worker["version"]]
        finally:
            client.close()
        if len(ready) == count:
            return
        program.check()
        time.sleep(POLL_SECONDS)
    raise Failed(f"not {count} workers within {START_SECONDS} s")


def check_all(port: int, exchanges: Sequence[Exchange]) -> None:
    """Raises Failed unless each is answered as expected."""
    client = Client(port)
    for exchange in exchanges:
        exchange.check(*client.send(exchange)[:2])
    client.close()


def body_file(folder: Path, exchanges: Sequence[Exchange]) -> Path:
    """The bodies as a file, one a line, for another process to send."""
    path = folder / "bodies"
    path.write_bytes(b"\n".join(exchange.body for exchange in exchanges))
    return path


def from_json(*path: str | int) -> Read:
    """Reads the predictions, or one, that stand at this place of a JSON answer."""

    def read(answer: bytes, _: Headers) -> Sequence[float]:
        found = json.loads(answer)
        for step in path:
            found = found[step]
        return found if isinstance(found, list) else [found]

    return read
