"""The access log: one JSON line for each request.

A record of ``logging`` costs tens of microseconds. These lines are made by hand and written some twenty at a time: at
once when there are enough to fill an atomic write, else within ``LINGER_SECONDS``. A killed process loses these few.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

LINGER_SECONDS = 0.1
ATOMIC_BYTES = 4096
"""What a pipe takes in one piece (PIPE_BUF on Linux), so that lines of several workers don't mix."""

QUIET = frozenset(
    ("/health/live", "/health/ready", "/metrics", "/ping", "/health", "/v2/health/live", "/v2/health/ready")
)
"""Called by machines every few seconds: logged at DEBUG."""


class Exchange(NamedTuple):
    """A request and what became of it."""

    method: str
    path: str
    route: str
    """The path's pattern."""
    status: int
    seconds: float
    request_id: str
    trace_id: str = ""
    rows: int = 0


def standard_output(content: bytes) -> None:
    while content:
        content = content[os.write(1, content) :]


class AccessLog:
    """Used from the event loop alone."""

    def __init__(self, level: str, write: Callable[[bytes], None] = standard_output) -> None:
        self._info = logging.getLevelNamesMapping()[level] <= logging.INFO
        self._debug = level == "DEBUG"
        self._write = write
        self._lines: list[str] = []
        self._length = 0
        self._second = -1
        self._time = ""
        self._waiting: asyncio.TimerHandle | None = None
        self._start = f'"level":"%s","logger":"serving.access","pid":{os.getpid()},"message":"request"'
        self._starts = {level: self._start % level for level in ("debug", "info")}

    def add(self, exchange: Exchange) -> None:
        quiet = exchange.route in QUIET
        if not (self._debug if quiet else self._info):
            return
        path = f'"{exchange.route}"' if exchange.route == exchange.path else json.dumps(exchange.path)
        trace = f',"trace_id":"{exchange.trace_id}"' if exchange.trace_id else ""
        line = (
            f'{{"time":"{self._now()}",{self._starts["debug" if quiet else "info"]},"method":"{exchange.method}"'
            f',"path":{path},"status":{exchange.status},"ms":{exchange.seconds * 1e3:.3f}'
            f',"request_id":"{exchange.request_id}"{trace}}}\n'
        )
        if self._length + len(line) > ATOMIC_BYTES:
            self.flush()
        self._lines.append(line)
        self._length += len(line)
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._flush_late)

    def flush(self) -> None:
        """Writes what there is."""
        lines, self._lines, self._length = self._lines, [], 0
        if lines:
            self._write("".join(lines).encode())

    def _flush_late(self) -> None:
        self._waiting = None
        self.flush()

    def _now(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._time = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._time}{int((now - second) * 1e3):03}+00:00"
