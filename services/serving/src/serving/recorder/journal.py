"""A worker's part of the log: what it predicted, and what it was told came true.

Answers to one row go into memory that the worker shares with the recorder's process (``linering``): that takes no
system call, and a killed worker loses nothing. Batches and outcomes are written to the spool here, by a thread of their
own.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time_ns
from typing import Protocol

from linering import Ring

from serving import aside
from serving.errors import NotRecorded
from serving.recorder import lines
from serving.recorder.lines import BATCH, ONE, Outcome
from serving.recorder.spool import OUTCOMES, PREDICTIONS, SegmentWriter, Spool

log = logging.getLogger(__name__)

LONG_BYTES = 64 * 1024
"""Of one row's request, that would take much of the shared memory."""
MOST_WAITING_BYTES = 32 * 1024 * 1024
"""That wait for a disk which is stuck; more are not recorded."""


@dataclass
class Counts:
    """Of this worker, since its start."""

    recorded: int = 0
    """Answers; a batch counts as one."""
    dropped: int = 0
    """Answers that there was no room for."""


class Log(Protocol):
    """Where answers and outcomes go."""

    problem: str | None
    """Why nothing is recorded; None while all is well."""
    counts: Counts
    """As of the last ``look``."""

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
    """A worker's log. Used from the event loop alone; no call of it waits for the disk but those that say so."""

    def __init__(self, spool: Spool, most_bytes: int, share: float, ring: Ring | None) -> None:
        """
        Args:
            most_bytes: of the whole spool; beyond it nothing is recorded.
            share: of the answers that are recorded, from 0 to 1.
            ring: which the recorder reads; without one, every answer goes the way of batches.
        """
        self._spool = spool
        self._most_bytes = most_bytes
        self._share = share
        self._ring = ring
        self._predictions = SegmentWriter(spool, PREDICTIONS)
        self._outcomes = SegmentWriter(spool, OUTCOMES)
        self._disk = aside.threads(1, "journal")
        self._waiting_bytes = 0
        """For the disk."""
        self._by_thread = Counts()
        """What didn't go into the ring."""
        self.counts = Counts()
        self.problem: str | None = None

    def add(self, seconds: float, request: bytes, answer: bytes) -> None:
        if self._is_left_out():
            return
        if self._ring is None or self.problem is not None or len(request) >= LONG_BYTES:
            self._write(ONE, seconds, request, answer)
        else:
            self._ring.add(seconds, request, answer)

    def add_batch(self, seconds: float, request: bytes, answer: bytes) -> None:
        if not self._is_left_out():
            self._write(BATCH, seconds, request, answer)

    async def add_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        if self.problem is not None:
            raise NotRecorded(self.problem)
        said = lines.outcomes(time_ns(), outcomes)
        try:
            await self._off_loop(lambda: self._outcomes.write(said, durably=True))
        except OSError as error:
            raise NotRecorded(f"the spool: {error}") from error

    def look(self) -> None:
        ring, other = self._ring, self._by_thread
        self.counts.recorded = other.recorded + (ring.added if ring else 0)
        self.counts.dropped = other.dropped + (ring.missed if ring else 0)
        try:
            held = self._spool.total_bytes()
        except OSError as error:
            self._say(f"the spool: {error}")
            return
        full = held > self._most_bytes
        self._say(f"the spool is full: {held} of {self._most_bytes} bytes" if full else None)

    def close(self) -> None:
        for writer in (self._predictions, self._outcomes):
            self._disk.submit(writer.end)
        self._disk.shutdown(wait=True)

    def _is_left_out(self) -> bool:
        return self._share < 1 and random.random() >= self._share  # noqa: S311

    def _write(self, kind: bytes, seconds: float, request: bytes, answer: bytes) -> None:
        """Has the thread make the line and write it."""
        length = len(request) + len(answer)
        if self.problem is not None or self._waiting_bytes + length > MOST_WAITING_BYTES:
            self._by_thread.dropped += 1
            return
        said = (time_ns(), seconds, request, answer)
        self._waiting_bytes += length
        writing = self._off_loop(lambda: self._predictions.write(lines.answers(kind, [said])))
        writing.add_done_callback(lambda written: self._written(written, length))

    def _off_loop(self, act: Callable[[], None]) -> "asyncio.Future[None]":
        """In the order of the calls: there is one thread."""
        return asyncio.get_running_loop().run_in_executor(self._disk, act)

    def _written(self, writing: "asyncio.Future[None]", length: int) -> None:
        self._waiting_bytes -= length
        error = None if writing.cancelled() else writing.exception()
        if error is None:
            self._by_thread.recorded += 1
        else:
            self._by_thread.dropped += 1
            self._say(f"the spool: {error}")

    def _say(self, problem: str | None) -> None:
        if (problem is None) != (self.problem is None):
            log.log(logging.INFO if problem is None else logging.ERROR, "recording: %s", problem or "goes on")
        self.problem = problem
