"""Postgres, MLflow and two replicas of the model service, once for all tests of this folder."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from contract import Contract
from embedded.root import ROOT
from embedded.stack import Stack
from mlflow import MlflowClient
from programs import TOKEN, Replica
from rollout_stack import RolloutStack
from stoppable_driver import MODEL

ALEMBIC = ROOT / "infra/postgres/warehouse/alembic.ini"


@pytest.fixture(scope="package")
def running(make_bundle: Callable[..., Contract], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RolloutStack]:
    """Versions 1 and 2 are registered, 1 is champion and served; what the schedule would write is written."""
    stack = Stack(tmp_path_factory.mktemp("rollout"), any_ports=True)
    with ExitStack() as parts:
        parts.callback(stack.remove)
        stack.start(["mlflow"])
        worker = dict(stack.environment("prefect-worker")) | {"SERVING_RELOAD_TOKEN": TOKEN}
        migrate = [sys.executable, "-m", "alembic", "-c", str(ALEMBIC), "upgrade", "head"]
        subprocess.run(migrate, env=worker, cwd=ROOT, check=True, capture_output=True)
        bundles = _publish(stack.url("mlflow"), make_bundle, tmp_path_factory)
        replicas = [
            Replica(tmp_path_factory.mktemp("replica"), stack.url("mlflow"), MODEL, 2, SERVING_POLL_SECONDS="0.5")
            for _ in range(2)
        ]
        for replica in replicas:
            parts.callback(replica.kill)
            replica.start()
        running = RolloutStack(stack, replicas, worker, bundles)
        running.await_agreement("1", 60)
        yield running


def _publish(
    uri: str, make_bundle: Callable[..., Contract], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    client: Any = MlflowClient(uri, uri)
    client.create_registered_model(MODEL)
    bundles = {}
    for offset in (0, 100):
        folder = tmp_path_factory.mktemp("bundle")
        make_bundle(folder, offset=offset, name=MODEL)
        run = client.create_run("0").info.run_id
        client.log_artifacts(run, str(folder), "bundle")
        version = client.create_model_version(MODEL, f"runs:/{run}/bundle", run).version
        bundles[str(version)] = folder
    client.set_registered_model_alias(MODEL, "champion", "1")
    return bundles
