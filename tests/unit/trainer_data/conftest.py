"""A real HTTP server that can be told to fail, and small months of trips."""

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MakeTrips = Callable[..., pa.Table]


@dataclass
class Site:
    """What the server has and how it behaves; ``asked`` is what it was asked for."""

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: "deque[int | str]" = field(default_factory=deque)
    """For the next requests, in order: a status to answer with, ``cut`` to end the body half-way, ``elsewhere`` to
    continue a transfer with another range than was asked for."""
    ranges: bool = True
    etags: bool = True
    lengths: bool = True
    retry_after: str = "0"
    leads_to: str = ""
    """Where every request is sent on to, if anywhere."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name that http.server gives it)
        """Says nothing."""

    def _answer(self, *, with_body: bool) -> None:
        self.site.asked.append((self.command, dict(self.headers)))
        if self.site.leads_to:
            self._head(302, {"Location": self.site.leads_to, "Content-Length": "0"})
            return
        fault = self.site.faults.popleft() if self.site.faults else None
        content = self.site.files.get(self.path.lstrip("/"))
        if isinstance(fault, int) or content is None:
            refusal = {"Content-Length": "0", "Retry-After": self.site.retry_after}
            self._head(fault if isinstance(fault, int) else 404, refusal)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        if self.site.etags and self.headers.get("If-None-Match") == etag:
            self._head(304, {})
            return
        body = self._start(content, etag, 1 if fault == "elsewhere" else 0)
        if with_body:
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

    def _start(self, content: bytes, etag: str, astray: int) -> bytes:
        headers = {"ETag": etag} if self.site.etags else {}
        wanted = self.headers.get("Range") if self.site.ranges else None
        if wanted and self.headers.get("If-Range") == etag:
            first = int(wanted.removeprefix("bytes=").rstrip("-")) + astray
            if first >= len(content):
                self._head(416, {"Content-Length": "0"})
                return b""
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            self._head(206, headers | {"Content-Length": str(len(content) - first)})
            return content[first:]
        self._head(200, headers | ({"Content-Length": str(len(content))} if self.site.lengths else {}))
        return content

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def site() -> Iterator[Site]:
    with _serving() as site:
        yield site


@pytest.fixture
def inside() -> Iterator[Site]:
    """Another server of this machine, whose only file is nobody's business."""
    with _serving() as site:
        site.files["secret"] = b"the secret of another service"
        yield site


@contextmanager
def _serving() -> Iterator[Site]:
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site.base = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def parquet() -> bytes:
    """A Parquet file of some hundred kilobytes."""
    return _parquet(7919)


@pytest.fixture(scope="session")
def other_parquet() -> bytes:
    """Another."""
    return _parquet(7907)


def _parquet(step: int) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table({"number": [n * step % 100_003 for n in range(40_000)]}), content, compression="none")
    return content.getvalue()


@pytest.fixture(scope="session")
def make_trips() -> MakeTrips:
    """``make_trips(trip_distance=[…], minutes=[…], …)``: plausible trips of January 2021 but for what is given."""
    return _make_trips


def _make_trips(rows: int = 1, **given: list[Any]) -> pa.Table:
    count = max([rows, *map(len, given.values())])
    pickups = given.pop("pickup_at", [datetime(2021, 1, 15, 12) + timedelta(minutes=n) for n in range(count)])
    minutes = given.pop("minutes", [10.0] * count)
    reached = [
        None if pickup is None or taken is None else pickup + timedelta(minutes=taken)
        for pickup, taken in zip(pickups, minutes, strict=True)
    ]
    columns: dict[str, list[Any]] = {
        "pickup_at": pickups,
        "dropoff_at": reached,
        "pu_location_id": [74] * count,
        "do_location_id": [75] * count,
        "trip_distance": [2.5] * count,
        "passenger_count": [1] * count,
    } | given
    types = {"pickup_at": pa.timestamp("us"), "dropoff_at": pa.timestamp("us"), "trip_distance": pa.float64()}
    return pa.table({name: pa.array(values, types.get(name, pa.int32())) for name, values in columns.items()})
