"""What sustained one-row load feels of rollouts: alone, and while versions take turns, through MLflow."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import requests
from trainer.registry.champion import CHAMPION
from trainer.registry.runs import client
from trainer.usecases.trips.fields import MODEL_NAME

from benchmarks import load
from benchmarks.beside import beside
from benchmarks.exchange import body_file, wait_for_first_answer
from benchmarks.load import Failed, Load
from benchmarks.machine import Cores
from benchmarks.model import Subject
from benchmarks.processes import GIVING_WAY, free_port, running
from benchmarks.servers import Server, ours

PAUSE_SECONDS = 0.2
"""Between two rollouts."""
START_SECONDS = 120
POLL_SECONDS = 0.1
WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Swaps:
    """Medians of the rounds."""

    alone_p99_ms: float
    swaps_p99_ms: float
    alone_rate: float
    swaps_rate: float
    """Requests a second."""

    @classmethod
    def of(cls, alone: list[Load], swaps: list[Load]) -> "Swaps":
        p99 = [median(run.p99_ms for run in runs) for runs in (alone, swaps)]
        return cls(*p99, *(median(run.rate for run in runs) for runs in (alone, swaps)))


def measure(subject: Subject, folder: Path, cores: Cores, rounds: int, seconds: float) -> Swaps:
    """Raises Ended, Failed."""
    port, alone, swapping = free_port(), list[Load](), list[Load]()
    with _registry(subject, folder, cores) as address:
        server = _following(ours(subject, folder), address, folder / "followed")
        begin = time.perf_counter()
        with running(server.command(port), server.environment(port), {cores.server}, folder / "swaps.log") as program:
            wait_for_first_answer(program, port, server.ones[0], begin)
            url, bodies = f"http://127.0.0.1:{port}{server.ones[0].path}", body_file(folder, server.ones)
            load.run(url, bodies, WARM_UP_SECONDS, {cores.load})
            for _ in range(rounds):
                alone.append(load.run(url, bodies, seconds, {cores.load}))
                with beside(port, cores.load, "swaps", address, str(PAUSE_SECONDS)):
                    swapping.append(load.run(url, bodies, seconds, {cores.load}))
    return Swaps.of(alone, swapping)


def _following(server: Server, address: str, store: Path) -> Server:
    """With an empty store: what it serves comes from the registry."""
    told = {"MLFLOW_TRACKING_URI": address, "SERVING_STORE": str(store)}
    return replace(server, environment=lambda port: {**server.environment(port), **told})


@contextlib.contextmanager
def _registry(subject: Subject, folder: Path, cores: Cores) -> Iterator[str]:
    """An MLflow server that has the model three times, as versions 1 to 3; yields its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [*GIVING_WAY, sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with running(command, quiet, {cores.load}, folder / "mlflow.log") as program:
        deadline = time.perf_counter() + START_SECONDS
        while not _is_healthy(address):
            program.check()
            if time.perf_counter() > deadline:
                raise Failed(f"MLflow isn't healthy after {START_SECONDS} s:\n{program.log_end()}")
            time.sleep(POLL_SECONDS)
        _register(subject, address)
        yield address


def _is_healthy(address: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{address}/health", timeout=5).ok
    return False


def _register(subject: Subject, address: str) -> None:
    mlflow = client(address)
    mlflow.create_registered_model(MODEL_NAME)
    for _ in range(3):
        run = mlflow.create_run("0").info.run_id
        mlflow.log_artifacts(run, os.fspath(subject.folder), "bundle")
        mlflow.create_model_version(MODEL_NAME, f"runs:/{run}/bundle", run)
    mlflow.set_registered_model_alias(MODEL_NAME, CHAMPION, "1")
