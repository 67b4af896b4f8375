"""Real MLflow and serving processes, on free ports, in temporary folders."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from contract import Contract
from cryptography.fernet import Fernet
from embedded import ports
from embedded.composition import programs
from mlflow import MlflowClient
from programs import Program, Replica, until

DECLARED = programs(Path(__file__).parents[3] / "docker-compose.yml", lambda _: {}, {})["mlflow"].environment
AS_IN_THE_STACK = {
    name: value
    for name, value in DECLARED.items()
    if name.startswith("MLFLOW_WEBHOOK_") or name in {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_DISABLE_TELEMETRY"}
} | {
    "MLFLOW_WEBHOOK_CACHE_TTL": "0",  # what a test registers is sent to at once
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
}
"""MLflow's settings but for its places."""


class Tracking(Program):
    """An MLflow server."""

    def __init__(self, folder: Path) -> None:
        self.port = ports.choose()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.artifacts = folder / "artifacts"
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
        command += ["--artifacts-destination", str(self.artifacts)]
        # what MLflow reaches of itself isn't measured
        super().__init__(command, {**AS_IN_THE_STACK, "COVERAGE_PROCESS_CONFIG": ""}, folder / "mlflow.log")
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
    published: dict[str, str] = {}

    def start(model: str, workers: int = 1, **settings: str) -> Replica:
        if model not in published:
            folder = tmp_path_factory.mktemp("bundle")
            make_bundle(folder, name=model)
            published[model] = tracking.publish(model, folder)
            tracking.crown(model, published[model])
        replica = start_replica(model, workers, **settings)
        until(lambda: replica.holds(published[model]), 60, "the champion is served")
        return replica

    return start
