"""The whole stack as local processes, once for all tests of this folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from embedded.stack import Stack
from pipelines import Pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Every service on a free port, no model yet, months generated unless a run says otherwise."""
    folder = tmp_path_factory.mktemp("pipeline")
    stack = Stack(folder, any_ports=True, variables={"TRAINER_FIRST_TRAINING": "false", "SERVING_WORKERS": "2"})
    stack.start()
    yield Pipeline(stack)
    stack.stop()


@pytest.fixture(scope="session")
def champion(pipeline: Pipeline) -> str:
    """The version that is served once a first model is trained; later tests may have promoted another."""
    try:
        return pipeline.served()
    except requests.HTTPError:
        pipeline.train()
        return pipeline.served()


@pytest.fixture(scope="session")
def tlc_folder() -> Path:
    """Real monthly files, which are no part of the repository."""
    folder = os.environ.get("ROUNDHOUSE_TLC_DATA")
    if not folder:
        pytest.skip("ROUNDHOUSE_TLC_DATA names no folder with monthly files of the TLC")
    return Path(folder).resolve()
