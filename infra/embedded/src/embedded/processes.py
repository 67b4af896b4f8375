"""Programs that outlive whoever started them, recognised later by pid and start time."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from embedded.accounts import Account


@dataclass(frozen=True, slots=True)
class Process:
    """A started program. Pid and start time together name it: a pid alone may have passed to another program."""

    pid: int
    started: float
    """Seconds since the epoch, as the system reports them."""
    child: "subprocess.Popen[bytes] | None" = field(default=None, compare=False, repr=False)
    """The handle, where this very interpreter started the program: whoever starts a child has to reap it."""

    def alive(self) -> bool:
        return self._found() is not None

    def memory(self) -> int:
        """Resident bytes of the program and all that it started, shared pages counted once a process."""
        total = 0
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def stop(self, *, grace: float, first: signal.Signals = signal.SIGTERM) -> None:
        """Asks the program to end, waits ``grace`` seconds, then kills what is left of it and of its children."""
        family = self._family()
        if family:
            with contextlib.suppress(psutil.NoSuchProcess):
                family[0].send_signal(first)
            psutil.wait_procs(family[:1], timeout=grace)
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=10)
        if self.child is not None:
            self.child.wait()

    def _family(self) -> list[psutil.Process]:
        found = self._found()
        if found is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            return [found, *found.children(recursive=True)]
        return [found]

    def _found(self) -> psutil.Process | None:
        if self.child is not None and self.child.poll() is not None:
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path,
    cwd: Path,
    account: Account | None = None,
) -> Process:
    """Starts a program in a session of its own, so that Ctrl-C in the terminal doesn't reach it.

    Its output is appended to ``log``. With an account it runs as that user, else as who calls.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    as_user: dict[str, Any] = account.identity if account else {}
    with log.open("ab") as output:
        child = subprocess.Popen(
            [os.fspath(part) for part in command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **as_user,
        )
    return Process(child.pid, psutil.Process(child.pid).create_time(), child)
