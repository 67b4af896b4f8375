"""What one-row requests feel of what else is asked: alone, beside a stream of batches, beside scrapes, in turn."""

import itertools
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.beside import beside
from benchmarks.exchange import Exchange, body_file, wait_for_first_answer
from benchmarks.load import Failed
from benchmarks.machine import Cores
from benchmarks.processes import free_port, running
from benchmarks.servers import Server

FEWEST_SAMPLES = 700
"""In each turn, though no turn takes more than ``PATIENCE`` times its seconds."""
PATIENCE = 4
WARM_UP_SECONDS = 1
SCRAPE_SECONDS = 0.02
"""Between two: thousands of times as often as Prometheus asks, so that the percentiles see them."""

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Turn:
    """The latencies of one turn."""

    p50_ms: float
    p99_ms: float
    samples: int

    @classmethod
    def of(cls, seconds: list[float]) -> "Turn":
        p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
        return cls(float(p50), float(p99), len(seconds))

    @classmethod
    def median(cls, turns: "list[Turn]") -> "Turn":
        """Medians of the turns; all of their samples."""
        return cls(median(t.p50_ms for t in turns), median(t.p99_ms for t in turns), sum(t.samples for t in turns))


@dataclass(frozen=True, slots=True)
class Isolation:
    """Medians of the rounds."""

    alone: Turn
    beside_batches: Turn
    beside_scrapes: Turn


def measure(server: Server, folder: Path, cores: Cores, rounds: int, seconds: float) -> Isolation:
    """Raises Ended, Failed."""
    port, batch = free_port(), server.batches["json"]
    body = body_file(folder, [batch])
    begin = time.perf_counter()
    alone, beside_batches, beside_scrapes = [], [], []
    with running(server.command(port), server.environment(port), {cores.server}, folder / "isolation.log") as program:
        wait_for_first_answer(program, port, server.ones[0], begin)
        turn(port, server.ones, WARM_UP_SECONDS)
        for _ in range(rounds):
            alone.append(turn(port, server.ones, seconds))
            with beside(port, cores.load, "batches", batch.path, str(body)):
                beside_batches.append(turn(port, server.ones, seconds))
            with beside(port, cores.load, "scrapes", str(SCRAPE_SECONDS)):
                beside_scrapes.append(turn(port, server.ones, seconds))
    return Isolation(Turn.median(alone), Turn.median(beside_batches), Turn.median(beside_scrapes))


def turn(port: int, exchanges: Sequence[Exchange], seconds: float) -> Turn:
    """One client that asks one row at a time, without a pause. Raises Failed."""
    requests = itertools.cycle([_encode(exchange) for exchange in exchanges])
    taken: list[float] = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = now = time.perf_counter()
        while now - begin < seconds or (len(taken) < FEWEST_SAMPLES and now - begin < PATIENCE * seconds):
            request = next(requests)
            sent = time.perf_counter()
            connection.sendall(request)
            _read(connection)
            now = time.perf_counter()
            taken.append(now - sent)
    return Turn.of(taken)


def _encode(exchange: Exchange) -> bytes:
    headers = {"Host": "127.0.0.1", **exchange.headers, "Content-Length": str(len(exchange.body))}
    lines = [f"POST {exchange.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + exchange.body


def _read(connection: socket.socket) -> None:
    """One answer, to its last byte."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200") or length is None:
        raise Failed(f"one row: {answer[:500].decode(errors='replace')}")
    missing = int(length[1]) - len(body)
    while missing > 0:
        missing -= len(_receive(connection))


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65_536)
    if not received:
        raise Failed("the server closed the connection")
    return received
