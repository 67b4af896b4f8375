"""The whole stack as local processes, once for all tests of this folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mlflow
import pytest
import requests
from embedded.stack import Stack
from pipelines import Pipeline
from webhooks import Messages, listening


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Every service on a free port, no model yet, months generated unless a run says otherwise."""
    folder = tmp_path_factory.mktemp("pipeline")
    variables = {
        "TRAINER_FIRST_TRAINING": "false",
        "SERVING_WORKERS": "2",
        # one test's alarm must not change the model under another
        "TRAINER_RETRAININGS_A_DAY": "0",
    }
    stack = Stack(folder, any_ports=True, variables=variables)
    stack.start()
    yield Pipeline(stack)
    stack.remove()


@dataclass(frozen=True)
class FirstTraining:
    ready_before: int
    """Status of the service's readiness before there was any model."""
    run: Mapping[str, Any]


@pytest.fixture(scope="session")
def first_training(pipeline: Pipeline) -> FirstTraining:
    ready = requests.get(pipeline.stack.url("serving") + "/health/ready", timeout=10).status_code
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


@pytest.fixture(scope="module")
def webhook() -> Iterator[tuple[str, Messages]]:
    """A URL, and what is posted there."""
    with listening() as found:
        yield found
