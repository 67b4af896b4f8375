"""A version is loaded for the first time in a process that may end.

XGBoost trusts the models that it reads: a wrong number in one ends the process, or takes all of its memory. So a
version that no worker has loaded yet is tried by a copy of the trial process, within limits. The copy loads it,
predicts its golden rows and explains one. What ends the copy is a reason to refuse the version.
"""

import json
import os
import resource
import select
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from contract import ContractError, booster, bundle
from contract.libxgboost import XGBoostError

from serving.errors import DamagedBundle, StoreFailed
from serving.sockets import address

TRIAL_SOCKET = "trial.socket"
SECONDS = 30.0
"""For one trial, of the processor as of the clock."""
MEMORY = 256 * 1024 * 1024
"""Bytes that a trial may take, and beyond them ``TIMES`` the version's size."""
TIMES = 6
PATIENCE_SECONDS = 10.0
"""How long to wait for a trial process that is being replaced."""
LOOK_SECONDS = 1.0


class Trial(Protocol):
    """Shows that a bundle can be loaded."""

    def __call__(self, folder: Path) -> None:
        """Raises DamagedBundle, and StoreFailed if it can't be tried now."""


def try_here(folder: Path) -> None:
    """A trial in this very process, for bundles of one's own making."""
    if problem := _problem(folder):
        raise DamagedBundle(problem)


class TrialProcess:
    """The trial process, as others of this replica see it."""

    def __init__(self, address: Path) -> None:
        self._address = address

    def __call__(self, folder: Path) -> None:
        problem = json.loads(self._ask(folder))
        if problem is not None:
            raise DamagedBundle(problem)

    def _ask(self, folder: Path) -> bytes:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.settimeout(SECONDS + PATIENCE_SECONDS)
                client.connect(address(self._address))
                client.sendall(bytes(folder.absolute()))
                client.shutdown(socket.SHUT_WR)
                if answer := _all_of(client):
                    return answer
            if time.monotonic() > deadline:
                raise StoreFailed("the version can't be tried: the trial process doesn't answer")
            time.sleep(0.1)


def work(listener: socket.socket) -> None:
    """Tries one version after the other, until it is killed or its supervisor ends."""
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    listener.settimeout(LOOK_SECONDS)
    while os.getppid() == parent:
        with suppress(OSError):
            client, _ = listener.accept()
            with client:
                client.settimeout(LOOK_SECONDS)
                client.sendall(json.dumps(outcome(Path(os.fsdecode(_all_of(client))))).encode())


def outcome(folder: Path, seconds: float = SECONDS) -> str | None:
    """Tries the bundle in a copy of this process; why it can't be served, or None. This process has one thread."""
    reading, writing = os.pipe()
    copy = os.fork()
    if copy == 0:
        _attempt(folder, writing, seconds)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        is_over, *_ = select.select([pipe], [], [], seconds)
        if not is_over:
            os.kill(copy, signal.SIGKILL)
        told = pipe.read()
    _, status = os.waitpid(copy, 0)
    if not is_over:
        return f"it can't be loaded within {seconds:g} s"
    if told:
        problem: str | None = json.loads(told)
        return problem
    code = os.waitstatus_to_exitcode(status)
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"{bundle.MODEL}: loading it ends the process ({name})"


def _attempt(folder: Path, writing: int, seconds: float) -> None:
    """In the copy, which ends here."""
    try:
        _limit(folder, seconds)
        try:
            problem = _problem(folder)
        except MemoryError:
            problem = "it takes more memory than a version of its size may"
        except Exception as error:  # noqa: BLE001  (whatever it is: a worker would have met it)
            problem = f"loading it fails with {type(error).__name__}: {error}"
        os.write(writing, json.dumps(problem).encode())
    finally:
        os._exit(0)


def _limit(folder: Path, seconds: float) -> None:
    size = sum(path.stat().st_size for path in folder.iterdir())
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_AS, mapped + MEMORY + TIMES * size),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _problem(folder: Path) -> str | None:
    """Does all that a worker does with a model."""
    try:
        model = booster.load(folder)
        contract = model.contract
        row = model.rows.parse(json.dumps(bundle.read(folder).golden.rows[0]).encode())
        with suppress(XGBoostError):  # of a kind that XGBoost can't explain
            model.explain(contract.row(row))
    except ContractError as error:
        return str(error)
    return None


def _all_of(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65_536), b""))
