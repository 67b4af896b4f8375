"""Starts the processes of the service and replaces the ones that die.

uvicorn has a supervisor of its own. It asks each worker in turn for a sign of life and waits for the answer, so that a
worker killed at that moment is missed until the time-out. This one waits for the processes themselves.
"""

import logging
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess

from uvicorn.config import STARTUP_FAILURE

log = logging.getLogger(__name__)

SHORTEST_LIFE_SECONDS = 1.0
"""A process that lived shorter is replaced only then, so that a fault at the start doesn't take the whole processor."""

GRACE_SECONDS = 5
"""Beyond a process's own time for a graceful end, after which it is killed."""


@dataclass(frozen=True)
class Kind:
    """Processes that do the same."""

    name: str
    count: int
    work: Callable[[int], None]
    """Given the process's number among its kind, from 0; what replaces a dead one has its number."""
    listener: socket.socket | None
    """Theirs, closed in all others; None for processes that nobody connects to."""
    end_seconds: float | None
    """How long one may take to end; None: it is killed, as nothing is under way once the kinds before it have ended."""


class Supervisor:
    """Ends the kinds in the order given: what serves others comes last."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = kinds
        self._running: dict[ForkProcess, tuple[Kind, int, float]] = {}
        """Each with its kind, its number and the time of its start."""
        self._ending, self._end = multiprocessing.Pipe(duplex=False)

    def run(self) -> int:
        """Until SIGTERM, SIGINT or a process that can't start; the exit code."""
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda *_: self._end.send_bytes(b"end"))
        for kind in self._kinds:
            for number in range(kind.count):
                self._start(kind, number)
        code = None
        while code is None:
            ready = wait([self._ending, *[process.sentinel for process in self._running]])
            code = 0 if self._ending in ready else self._replace_dead()
        for kind in self._kinds:
            self._stop(kind)
        return code

    def _start(self, kind: Kind, number: int) -> None:
        # forked: what all of them import is imported once, and its memory is shared
        process = multiprocessing.get_context("fork").Process(target=self._work, args=(kind, number), daemon=True)
        process.start()
        self._running[process] = (kind, number, time.monotonic())

    def _work(self, kind: Kind, number: int) -> None:
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, signal.SIG_DFL)
        for other in self._kinds:
            if other is not kind and other.listener is not None:
                other.listener.close()
        kind.work(number)

    def _replace_dead(self) -> int | None:
        for process in [process for process in self._running if not process.is_alive()]:
            kind, number, started = self._running.pop(process)
            log.error("%s %s ended with exit code %s", kind.name, process.pid, process.exitcode)
            if process.exitcode == STARTUP_FAILURE:
                return 1
            time.sleep(max(0.0, started + SHORTEST_LIFE_SECONDS - time.monotonic()))
            self._start(kind, number)
        return None

    def _stop(self, kind: Kind) -> None:
        # closed here too: else a client could still connect, to no one
        if kind.listener is not None:
            kind.listener.close()
        processes = [process for process, (its, *_) in self._running.items() if its is kind]
        for process in processes:
            (process.kill if kind.end_seconds is None else process.terminate)()
        deadline = time.monotonic() + (kind.end_seconds or 0) + GRACE_SECONDS
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                log.error("%s %s doesn't end and is killed", kind.name, process.pid)
                process.kill()
                process.join()
