"""An MLflow server that has the model several times, for what is measured while versions change."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import requests
from trainer.registry.champion import CHAMPION
from trainer.registry.runs import client
from trainer.usecases.trips.fields import MODEL_NAME

from benchmarks.load import Failed
from benchmarks.machine import Cores
from benchmarks.model import Subject
from benchmarks.processes import GIVING_WAY, free_port, running
from benchmarks.servers import Server

START_SECONDS = 120
POLL_SECONDS = 0.1


def following(server: Server, address: str, store: Path) -> Server:
    """With an empty store: what it serves comes from the registry."""
    told = {"MLFLOW_TRACKING_URI": address, "SERVING_STORE": str(store)}
    return replace(server, environment=lambda port: {**server.environment(port), **told})


@contextlib.contextmanager
def registry(subject: Subject, folder: Path, cores: Cores) -> Iterator[str]:
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
