"""The whole stack as local processes, once for all tests of this folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mlflow
import pytest
import requests
from pipelines import Pipeline, running


@pytest.fixture(scope="package")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    # one test's alarm must not change the model under another
    with running(tmp_path_factory.mktemp("pipeline"), SERVING_WORKERS="2", TRAINER_RETRAININGS_A_DAY="0") as pipeline:
        yield pipeline


@dataclass(frozen=True)
class FirstTraining:
    ready_before: int
    """Status of the service's readiness before there was any model."""
    run: Mapping[str, Any]


@pytest.fixture(scope="package")
def first_training(pipeline: Pipeline) -> FirstTraining:
    ready = requests.get(pipeline.stack.url("serving") + "/health/ready", timeout=60).status_code
    return FirstTraining(ready, pipeline.train())


@pytest.fixture
def champion(pipeline: Pipeline, first_training: FirstTraining) -> str:
    """The version that is served now; the first, or what another test promoted."""
    return pipeline.served()


@pytest.fixture
def registry(pipeline: Pipeline) -> Iterator[None]:
    """MLflow's fluent functions ask the stack's server."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(pipeline.stack.url("mlflow"))
    yield
    mlflow.set_tracking_uri(before)
