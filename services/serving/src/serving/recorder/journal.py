"""A worker's part of the log: what it predicted, and what it was told came true.

Answers are held for ``LINGER_SECONDS``, or until there are ``FLUSH_ROWS``, and then written by a thread of their own: a
killed worker loses at most what it had not written. What has been written outlives the process, whatever becomes of the
warehouse.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time_ns
from typing import Protocol

from serving import aside
from serving.errors import NotRecorded
from serving.recorder import blocks
from serving.recorder.lines import BATCH, ONE, Outcome, Said
from serving.recorder.spool import OUTCOMES, PREDICTIONS, SegmentWriter, Spool

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.2
FLUSH_ROWS = 256
FLUSH_BYTES = 64 * 1024
"""Of one request: a longer one isn't held."""
SEGMENT_BYTES = 4 * 1024 * 1024
"""Longer segments would keep the disk's space longer than they have to."""
MOST_WAITING_BYTES = 32 * 1024 * 1024
"""That wait for a disk which is stuck; more are not recorded."""


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
    """A worker's log. Used from the event loop alone; no call of it waits for the disk but those that say so."""

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
        self._held: list[Said] = []
        self._timer: asyncio.TimerHandle | None = None
        self._disk = aside.threads(1, "journal")
        self._waiting_bytes = 0
        """For the disk."""
        self.counts = Counts()
        self.problem: str | None = None

    def add(self, seconds: float, request: bytes, answer: bytes) -> None:
        if self._share < 1 and random.random() >= self._share:  # noqa: S311
            return
        self._held.append((time_ns(), seconds, request, answer))
        if self._timer is None or len(self._held) >= FLUSH_ROWS or len(request) >= FLUSH_BYTES:
            self._enough()

    def add_batch(self, seconds: float, request: bytes, answer: bytes) -> None:
        if self._share < 1 and random.random() >= self._share:  # noqa: S311
            return
        said = (time_ns(), seconds, request, answer)
        self._write(1, len(request) + len(answer), lambda: blocks.answers(BATCH, [said]))

    async def add_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        if self.problem is not None:
            raise NotRecorded(self.problem)
        block = blocks.outcomes(time_ns(), outcomes)
        try:
            await self._off_loop(lambda: self._outcomes.write(block, durably=True))
        except OSError as error:
            raise NotRecorded(f"the spool: {error}") from error

    def flush(self) -> None:
        """Has what is held written."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        if held:
            block = blocks.answers(ONE, held)
            self._write(len(held), len(block), lambda: block)

    def _enough(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self.flush)
        else:
            self.flush()

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
        for writer in (self._predictions, self._outcomes):
            self._disk.submit(writer.end)
        self._disk.shutdown(wait=True)

    def _write(self, answers: int, length: int, make: Callable[[], bytes]) -> None:
        """Has the thread make and write the block of so many answers."""
        if self.problem is not None or self._waiting_bytes + length > MOST_WAITING_BYTES:
            self.counts.dropped += answers
            return
        self._waiting_bytes += length
        writing = self._off_loop(lambda: self._predictions.write(make()))
        writing.add_done_callback(lambda written: self._written(written, answers, length))

    def _off_loop(self, act: Callable[[], None]) -> "asyncio.Future[None]":
        """In the order of the calls: there is one thread."""
        return asyncio.get_running_loop().run_in_executor(self._disk, act)

    def _written(self, writing: "asyncio.Future[None]", answers: int, length: int) -> None:
        self._waiting_bytes -= length
        error = None if writing.cancelled() else writing.exception()
        if error is None:
            self.counts.recorded += answers
        else:
            self.counts.dropped += answers
            self._say(f"the spool: {error}")

    def _say(self, problem: str | None) -> None:
        if (problem is None) != (self.problem is None):
            log.log(logging.INFO if problem is None else logging.ERROR, "recording: %s", problem or "goes on")
        self.problem = problem
