"""Processes that are started for a measurement, and what they and their children take."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MEGABYTE = 1e6
STOP_SECONDS = 10
GIVING_WAY = ("chrt", "--idle", "0")
"""Before the command of what shares a core with the load generator and isn't measured: waiting for it, the generator
would count its own delays as the server's."""


class Ended(Exception):
    """A process ended that was to run; the message has the end of its log."""


ERRORS = (Ended,)


@dataclass(frozen=True, slots=True)
class Resident:
    """One process of a tree."""

    pid: int
    command: str
    megabytes: float
    """Resident set size, in units of 10^6 bytes."""


class Program:
    """A command that runs on the given cores, with all that it starts."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], cores: set[int], log: Path) -> None:
        self._log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), *command],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises Ended."""
        if (code := self._process.poll()) is not None:
            raise Ended(f"exit code {code}; the end of its log:\n{self.log_end()}")

    def log_end(self) -> str:
        """The last lines of what it wrote."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])

    def cpu_seconds(self) -> float:
        """User and system time of the whole tree so far, of children that have ended too."""
        total = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def resident(self) -> list[Resident]:
        """Every process of the tree, parents first."""
        found = []
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                command = " ".join(process.cmdline())
                found.append(Resident(process.pid, command, process.memory_info().rss / MEGABYTE))
        return found

    def stop(self) -> None:
        """SIGTERM to the process; then SIGKILL to whatever is left of the tree."""
        tree = self._tree()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@contextlib.contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], cores: set[int], log: Path) -> Iterator[Program]:
    """The program, stopped at the end, however that comes."""
    program = Program(command, environment, cores, log)
    try:
        yield program
    finally:
        program.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end_on_sigterm() -> None:
    """Makes SIGTERM an exception, so that it too stops what was started."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
