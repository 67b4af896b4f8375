"""Real processes that tests start, ask and kill: any program, and the model service with its workers."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from embedded import ports
from prometheus_client.parser import text_string_to_metric_families

TOKEN = "a-token-for-tests"
EXAMPLE = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The condition's first true value; fails when it has none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            if value := condition():
                return value
        time.sleep(0.05)
    pytest.fail(f"not within {seconds} s: {what}")


class Program:
    """A process of its own group, with its output in a file."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, env={**os.environ, **self._environment}, stdout=out, stderr=out, start_new_session=True
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM, and the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(seconds)

    def wait(self, seconds: float) -> int:
        """The exit code, once it ends by itself."""
        assert self._process is not None
        return self._process.wait(seconds)

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def output(self) -> str:
        return self._log.read_text()


class Replica(Program):
    """``python -m serving`` with its workers."""

    def __init__(self, folder: Path, tracking_uri: str, model: str, workers: int, **settings: str) -> None:
        self.url = f"http://127.0.0.1:{(port := ports.choose())}"
        self.store = folder / "store"
        environment = {
            "SERVING_PORT": str(port),
            "SERVING_WORKERS": str(workers),
            "SERVING_STORE": str(self.store),
            "SERVING_MODEL_NAME": model,
            "SERVING_RELOAD_TOKEN": TOKEN,
            "MLFLOW_TRACKING_URI": tracking_uri,
            **settings,
        }
        super().__init__([sys.executable, "-m", "serving"], environment, folder / "serving.log")
        self.model_name = model
        self.workers = workers

    def start(self, seconds: float = 60) -> None:
        super().start()
        if seconds:
            until(lambda: self.get("/health/live").ok, seconds, "the service is alive")

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=10)

    def predict(self, row: dict[str, Any] = EXAMPLE) -> requests.Response:
        return requests.post(f"{self.url}/predict", json=row, timeout=10)

    def post(self, path: str, body: Any, media_type: str = "application/json", **headers: str) -> requests.Response:
        content = {"Content-Type": media_type}
        return requests.post(self.url + path, body, headers=content | headers, timeout=60)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of this name that have these labels."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def processes(self) -> list[psutil.Process]:
        """The supervisor first."""
        supervisor = psutil.Process(self.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def peaks(self, *, reset: bool = False) -> dict[int, int]:
        """The most bytes that were resident of each process since the last reset."""
        if reset:
            for process in self.processes():
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")
        statuses = {process.pid: Path(f"/proc/{process.pid}/status").read_text() for process in self.processes()}
        return {pid: int(text.partition("VmHWM:")[2].split()[0]) << 10 for pid, text in statuses.items()}

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def refuses(self) -> bool:
        """Whether no more connections are taken."""
        try:
            socket.create_connection(self.address, timeout=5).close()
        except ConnectionRefusedError:
            return True
        return False

    def batch_processes(self) -> list[int]:
        """Those of its children that run at a lower priority."""
        return [child.pid for child in psutil.Process(self.pid).children() if child.nice() > 0]

    def reload(self, body: dict[str, Any] | None = None, token: str = TOKEN) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(f"{self.url}/reload", json=body, headers=headers, timeout=60)

    def roll_out(self, step: str, version: str, **more: Any) -> requests.Response:
        """A step of a rollout on this replica."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.post(
            f"{self.url}/rollout/{step}", json={"version": version, **more}, headers=headers, timeout=60
        )

    def holds(self, version: str) -> dict[str, Any] | None:
        """``GET /model`` once every worker is there and has the version."""
        response = self.get("/model")
        if not response.ok:
            return None
        model: dict[str, Any] = response.json()
        versions = [worker["version"] for worker in model["workers"]]
        return model if versions == [version] * self.workers and model["version"] == version else None
