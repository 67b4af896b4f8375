"""Real MLflow and serving processes, on free ports, in temporary folders."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from contract import Contract
from embedded.composition import programs
from mlflow import MlflowClient
from prometheus_client.parser import text_string_to_metric_families

TOKEN = "a-token-for-tests"
AS_IN_THE_STACK = {
    name: value
    for name, value in programs(Path(__file__).parents[3] / "docker-compose.yml", {}, {})["mlflow"].environment.items()
    if name.startswith("MLFLOW_WEBHOOK_") or name in {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_DISABLE_TELEMETRY"}
} | {"MLFLOW_WEBHOOK_CACHE_TTL": "0"}  # what a test registers is sent to at once
"""MLflow's settings but for its places."""
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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


class Tracking(Program):
    """An MLflow server."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.artifacts = folder / "artifacts"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self.artifacts)]
        super().__init__(command, AS_IN_THE_STACK, folder / "mlflow.log")
        self.client = MlflowClient(self.uri, self.uri)

    def start(self) -> None:
        super().start()
        until(lambda: requests.get(f"{self.uri}/health", timeout=5).ok, 120, "MLflow is healthy")

    def publish(self, model: str, folder: Path, rmse: float = 5.5) -> str:
        """Registers a folder that was logged to a run; returns the version."""
        run = self._run(rmse)
        self.client.log_artifacts(run, str(folder), "bundle")
        return self._register(model, f"runs:/{run}/bundle", run)

    def publish_logged_model(self, model: str, folder: Path, rmse: float = 5.5) -> str:
        """The same as MLflow 3 does it: as a model of the experiment, not of the run."""
        run = self._run(rmse)
        logged = self.client.create_logged_model("0", name="model", source_run_id=run)
        self.client.log_model_artifacts(logged.model_id, str(folder))
        self.client.finalize_logged_model(logged.model_id, "READY")
        return self._register(model, f"models:/{logged.model_id}", run, logged.model_id)

    def crown(self, model: str, version: str) -> None:
        self.client.set_registered_model_alias(model, "champion", version)

    def stored(self, model: str, version: str, file: str) -> Path:
        """A version's file on the server's disk."""
        source = self.client.get_model_version(model, version).source
        assert source is not None
        (found,) = self.artifacts.glob(f"0/{source.split('/')[1]}/artifacts/bundle/{file}")
        return found

    def _run(self, rmse: float) -> str:
        run: str = self.client.create_run("0").info.run_id
        self.client.log_metric(run, "holdout_rmse", rmse)
        return run

    def _register(self, model: str, source: str, run: str, model_id: str | None = None) -> str:
        if not self.client.search_registered_models(f"name = '{model}'"):
            self.client.create_registered_model(model)
        version: str = self.client.create_model_version(model, source, run, model_id=model_id).version
        return str(version)


class Replica(Program):
    """``python -m serving`` with its workers."""

    def __init__(self, folder: Path, tracking_uri: str, model: str, workers: int, **settings: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
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


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """``wait_until(condition, seconds, what)``."""
    return until


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    server = Tracking(tmp_path_factory.mktemp("mlflow"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


StartReplica = Callable[..., Replica]


@pytest.fixture(scope="module")
def start_replica(tracking: Tracking, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartReplica]:
    """``start_replica(model, workers=1)``; what it started ends with the module's tests."""
    started: list[Replica] = []

    def start(model: str, workers: int = 1, start_seconds: float = 60, **settings: str) -> Replica:
        folder = tmp_path_factory.mktemp("replica")
        replica = Replica(folder, tracking.uri, model, workers, **settings)
        started.append(replica)
        replica.start(start_seconds)
        return replica

    yield start
    for replica in started:
        replica.kill()


@pytest.fixture(scope="module")
def start_serving(
    tracking: Tracking,
    make_bundle: Callable[..., Contract],
    tmp_path_factory: pytest.TempPathFactory,
    start_replica: StartReplica,
) -> StartReplica:
    """``start_serving(model, workers=1, **settings)``: as ``start_replica``, once the champion is served."""
    published: set[str] = set()

    def start(model: str, workers: int = 1, **settings: str) -> Replica:
        if model not in published:
            folder = tmp_path_factory.mktemp("bundle")
            make_bundle(folder, name=model)
            tracking.crown(model, tracking.publish(model, folder))
            published.add(model)
        replica = start_replica(model, workers, **settings)
        until(lambda: replica.holds("1"), 60, "the champion is served")
        return replica

    return start
