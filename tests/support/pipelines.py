"""A running stack as its users reach it: Prefect, MLflow, the warehouse and the model service."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
import requests
from console.runs import ENDED, TRAINING, Runs
from console.web import WebError
from embedded import credentials
from embedded.stack import Stack
from mlflow import MlflowClient
from prefect.context import refresh_global_settings_context
from trainer.__main__ import run_deploy
from trainer.data import warehouse
from trainer.data.months import Month
from trainer.data.source import SourceName
from trainer.data.warehouse import Connection, connect
from trainer.flows.outside import settings
from trainer.usecases.trips.clean import clean

QUICK = {"max_rounds": 60, "max_depth": 6, "learning_rate": 0.2}
MODEL = "trip-duration"


@contextmanager
def running(folder: Path, **variables: str) -> Iterator["Pipeline"]:
    """Every service on a free port, no model yet, months generated unless a run names files of the tests."""
    files = [folder.parent, *(Path(real).resolve() for real in [os.environ.get("ROUNDHOUSE_TLC_DATA")] if real)]
    usual = {"TRAINER_FIRST_TRAINING": "false", "TRAINER_DATA_FOLDERS": ",".join(map(str, files))}
    stack = Stack(folder, any_ports=True, variables={**usual, **variables})
    stack.start()
    try:
        yield Pipeline(stack)
    finally:
        stack.remove()


@dataclass(frozen=True)
class Pipeline:
    """The running stack, as its users reach it."""

    stack: Stack

    @property
    def runs(self) -> Runs:
        return Runs(f"{self.stack.url('prefect-server')}/api")

    @property
    def mlflow(self) -> MlflowClient:
        return MlflowClient(self.stack.url("mlflow"))

    def warehouse(self) -> AbstractContextManager[Connection]:
        return connect(self.stack.postgres.url("warehouse"))

    def wait(self, look: Callable[[], Any], seconds: float, what: str) -> Any:
        """The first true value."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # on a machine that trains, one answer may be late
            with suppress(WebError, requests.RequestException):
                if found := look():
                    return found
            time.sleep(0.2)
        pytest.fail(f"not within {seconds} s: {what}")

    def run(self, deployment: str, parameters: Mapping[str, object], seconds: float = 240) -> dict[str, Any]:
        """Starts a run of a deployment, as a person in the Prefect UI does, and waits for its end."""
        return self.ended(self.runs.start(deployment, parameters), seconds)

    def ended(self, run: str, seconds: float = 240) -> dict[str, Any]:
        """A flow run, once it has, however."""

        def look() -> dict[str, Any] | None:
            found = self.runs.read(run)
            return found if found["state"]["type"] in ENDED else None

        found: dict[str, Any] = self.wait(look, seconds, f"the end of the flow run {run}")
        return found

    def deploy(self, **changes: str) -> None:
        """What the job ``deploy`` runs at each start of the stack, with other settings."""
        with self.settings(**changes):
            run_deploy()

    @contextmanager
    def settings(self, **changes: str) -> Iterator[None]:
        """Flows that the test calls run here, with the settings of the stack's worker and these in place of its own.

        As true as a run by the worker, and without its process; for settings that the worker doesn't have.
        """
        environment = {**self.stack.environment("prefect-worker"), **changes}
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # of flows and what they call, as in the worker
            try:
                with mock.patch.dict(os.environ, environment, clear=True):
                    _read_settings_again()
                    yield
            finally:
                _read_settings_again()

    def train(self, **parameters: object) -> dict[str, Any]:
        """A training that must complete; generated months and few trees unless told otherwise."""
        run = self.run(TRAINING, {"months": "2021-01", "boosting": QUICK, **parameters})
        assert run["state"]["type"] == "COMPLETED", self.runs.log(run["id"])
        return run

    def states(self, run: Mapping[str, Any]) -> dict[str, str]:
        """The state of each task by its name; none yet for one that Prefect has just heard of."""
        return {task["name"]: task["state_name"] for task in self.runs.tasks(str(run["id"]))}

    def artifact(self, key: str) -> str:
        """The newest artifact of that key, as people see it in Prefect."""
        answer = requests.get(f"{self.stack.url('prefect-server')}/api/artifacts/{key}/latest", timeout=60)
        answer.raise_for_status()
        return str(answer.json()["data"])

    def alias(self, name: str) -> str | None:
        aliases = self.mlflow.get_registered_model(MODEL).aliases
        return None if name not in aliases else str(aliases[name])

    def get(self, path: str) -> Any:
        answer = requests.get(self.stack.url("serving") + path, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: object) -> Any:
        answer = requests.post(self.stack.url("serving") + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def secret(self, name: str) -> str:
        """What the flows have to know."""
        return (credentials.of(self.stack.folder, "trainer") / name).read_text()

    def served(self) -> str:
        return str(self.get("/model")["version"])

    def count(self, table: str) -> int:
        """Rows of a table of the warehouse."""
        with self.warehouse() as connection, connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  (the tests' own table names)
            (rows,) = cursor.fetchone() or (0,)
            return int(rows)


def _read_settings_again() -> None:
    settings.cache_clear()
    refresh_global_settings_context()


def held_out(pipeline: Pipeline, month: str, source: SourceName) -> pa.Table:
    """Clean trips of a month that is in the warehouse."""
    with pipeline.warehouse() as connection:
        return clean(warehouse.extract(connection, source, "green", [Month.parse(month)]))[0]
