"""Starts the worker processes and replaces the ones that die.

uvicorn has a supervisor of its own. It asks each worker in turn for a sign of life and waits for the answer, so that a
worker killed at that moment is missed until the time-out. This one waits for the processes themselves.
"""

import logging
import multiprocessing
import signal
import socket
import time
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

import uvicorn
from uvicorn.config import STARTUP_FAILURE

log = logging.getLogger(__name__)

SHORTEST_LIFE_SECONDS = 1.0
"""A worker that lived shorter is replaced only then, so that a fault at the start doesn't take the whole processor."""

GRACE_SECONDS = 5
"""Beyond uvicorn's own time for a graceful end, after which a worker is killed."""


class Supervisor:
    """Runs ``config.workers`` processes on one listening socket."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        self._config = config
        self._listener = listener
        self._workers: dict[SpawnProcess, float] = {}
        """Each with the time of its start."""
        self._ending, self._end = multiprocessing.Pipe(duplex=False)

    def run(self) -> int:
        """Until SIGTERM, SIGINT or a worker that can't start; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end.send_bytes(b"end"))
        for _ in range(self._config.workers):
            self._start()
        code = None
        while code is None:
            ready = wait([self._ending, *[worker.sentinel for worker in self._workers]])
            code = 0 if self._ending in ready else self._replace_dead()
        self._stop()
        return code

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        worker = spawn.Process(target=_work, args=(self._config, self._listener), daemon=True)
        worker.start()
        self._workers[worker] = time.monotonic()

    def _replace_dead(self) -> int | None:
        for worker in [worker for worker in self._workers if not worker.is_alive()]:
            started = self._workers.pop(worker)
            log.error("worker %s ended with exit code %s", worker.pid, worker.exitcode)
            if worker.exitcode == STARTUP_FAILURE:
                return 1
            time.sleep(max(0.0, started + SHORTEST_LIFE_SECONDS - time.monotonic()))
            self._start()
        return None

    def _stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
        deadline = time.monotonic() + (self._config.timeout_graceful_shutdown or 0) + GRACE_SECONDS
        for worker in self._workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.is_alive():
                log.error("worker %s doesn't end and is killed", worker.pid)
                worker.kill()
                worker.join()


def _work(config: uvicorn.Config, listener: socket.socket) -> None:
    config.configure_logging()
    uvicorn.Server(config).run([listener])
