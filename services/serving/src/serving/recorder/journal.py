"""A worker's part of the log: what it predicted, and what it was told came true.

Lines are kept in memory for ``LINGER_SECONDS``, or until they are ``FLUSH_BYTES`` long, and then written: a killed
worker loses at most these. What has been written outlives the process, whatever becomes of the warehouse.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from serving.errors import NotRecorded
from serving.recorder.spool import BATCHES, OUTCOMES, PREDICTIONS, SegmentWriter, Spool

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.2
FLUSH_BYTES = 64 * 1024
SEGMENT_BYTES = 4 * 1024 * 1024
"""Longer segments would keep the disk's space longer than they have to."""
MOST_BATCHES = 4
"""Batches that wait for the disk at once; more are not recorded."""

ONE = b"one"
BATCH = b"batch"

Outcome = tuple[str, float]
"""A prediction's id, and what came true, in the prediction's unit."""

# JSON has line breaks and tabs only between its parts, where a blank will do
_BLANKS = bytes.maketrans(b"\n\r\t", b"   ")


@dataclass
class Counts:
    """Of this worker, since its start."""

    recorded: int = 0
    """Answers; a batch counts as one."""
    dropped: int = 0
    """Answers that the spool couldn't take."""


class Log(Protocol):
    """Where answers and outcomes go."""

    problem: str | None
    """Why nothing is recorded; None while all is well."""
    counts: Counts

    def add(self, seconds: float, request: bytes, answer: bytes) -> None:
        """Notes the answer to one row, both as JSON. ``seconds`` is the time that it took."""

    def add_batch(self, seconds: float, request: bytes, answer: bytes) -> None:
        """Notes the answer to a batch; the disk is waited for elsewhere."""

    async def add_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Notes what came true; it is on the disk when this returns. Raises NotRecorded."""

    def look(self) -> None:
        """Whether there is room. To be called once a second."""

    def close(self) -> None:
        """Writes what waits."""


class NoLog:
    """For a service without a warehouse."""

    problem: str | None = "off"

    def __init__(self) -> None:
        self.counts = Counts()

    def add(self, seconds: float, request: bytes, answer: bytes) -> None:
        pass

    def add_batch(self, seconds: float, request: bytes, answer: bytes) -> None:
        pass

    async def add_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        raise NotRecorded("no warehouse is configured (SERVING_WAREHOUSE_URL)")

    def look(self) -> None:
        pass

    def close(self) -> None:
        pass


class Journal:
    """A worker's log. Used from the event loop alone, but for what it says it does elsewhere."""

    def __init__(self, spool: Spool, most_bytes: int, share: float) -> None:
        """
        Args:
            most_bytes: of the whole spool; beyond it nothing is recorded.
            share: of the answers that are recorded, from 0 to 1.
        """
        self._spool = spool
        self._most_bytes = most_bytes
        self._share = share
        self._predictions = SegmentWriter(spool, PREDICTIONS, SEGMENT_BYTES)
        self._outcomes = SegmentWriter(spool, OUTCOMES, SEGMENT_BYTES)
        self._batches = SegmentWriter(spool, BATCHES, SEGMENT_BYTES)
        self._waiting: list[tuple[float, float, bytes, bytes]] = []
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._at_disk = 0
        self.counts = Counts()
        self.problem: str | None = None

    def add(self, seconds: float, request: bytes, answer: bytes) -> None:
        if self._share < 1 and random.random() >= self._share:  # noqa: S311
            return
        if self.problem is not None:
            self.counts.dropped += 1
            return
        self._waiting.append((time.time(), seconds, request, answer))
        self._waiting_bytes += len(request) + len(answer)
        if self._waiting_bytes >= FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self.flush)

    def add_batch(self, seconds: float, request: bytes, answer: bytes) -> None:
        if self._share < 1 and random.random() >= self._share:  # noqa: S311
            return
        if self.problem is not None or self._at_disk >= MOST_BATCHES:
            self.counts.dropped += 1
            return
        now = time.time()
        self._at_disk += 1
        writing = self._off_loop(lambda: self._batches.write(line(BATCH, now, seconds, request, answer)))
        writing.add_done_callback(self._batch_written)

    async def add_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        if self.problem is not None:
            raise NotRecorded(self.problem)
        now = time.time()
        lines = b"".join(b"%.6f\t%b\t%r\n" % (now, name.encode(), actual) for name, actual in outcomes)
        try:
            await self._off_loop(lambda: self._outcomes.write(lines, durably=True))
        except OSError as error:
            raise NotRecorded(f"the spool: {error}") from error

    def flush(self) -> None:
        """Writes what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not waiting:
            return
        try:
            self._predictions.write(b"".join([line(ONE, *each) for each in waiting]))
        except OSError as error:
            self._lost(len(waiting), error)
        else:
            self.counts.recorded += len(waiting)

    def look(self) -> None:
        try:
            held = self._spool.total_bytes()
        except OSError as error:
            self._say(f"the spool: {error}")
            return
        full = held > self._most_bytes
        self._say(f"the spool is full: {held} of {self._most_bytes} bytes" if full else None)

    def close(self) -> None:
        self.flush()
        self._predictions.end()
        self._disk.submit(self._end_others)
        self._disk.shutdown(wait=True)

    def _end_others(self) -> None:
        self._outcomes.end()
        self._batches.end()

    def _off_loop(self, act: Callable[[], None]) -> "asyncio.Future[None]":
        """In the order of the calls: there is one thread."""
        return asyncio.get_running_loop().run_in_executor(self._disk, act)

    def _batch_written(self, writing: "asyncio.Future[None]") -> None:
        self._at_disk -= 1
        if writing.cancelled():
            return
        error = writing.exception()
        if error is None:
            self.counts.recorded += 1
        else:
            self._lost(1, error)

    def _lost(self, count: int, error: BaseException) -> None:
        self.counts.dropped += count
        self._say(f"the spool: {error}")

    def _say(self, problem: str | None) -> None:
        if (problem is None) != (self.problem is None):
            log.log(logging.INFO if problem is None else logging.ERROR, "recording: %s", problem or "goes on")
        self.problem = problem


def line(kind: bytes, at: float, seconds: float, request: bytes, answer: bytes) -> bytes:
    """A line of the log, as Postgres' COPY reads it."""
    request = request.translate(_BLANKS)
    if b"\\" in request:
        request = request.replace(b"\\", b"\\\\")
    if b"\\" in answer:
        answer = answer.replace(b"\\", b"\\\\")
    return b"%b\t%.6f\t%.6f\t%b\t%b\n" % (kind, at, seconds, request, answer)
