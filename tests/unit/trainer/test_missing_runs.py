"""A registry whose runs, experiments or versions people have deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.tracking._tracking_service.utils import _get_store
from trainer.monitoring.monitoring import Window
from trainer.registry.champion import LearntFrom, NoSuchVersion, Registry
from trainer.registry.runs import ExperimentDeleted, TrainingRun

MODEL = "ferry-demand"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    client = MlflowClient(uri, uri)
    client.create_registered_model(MODEL)
    return client


@pytest.fixture
def run(mlflow: MlflowClient) -> str:
    """A training's."""
    return str(mlflow.create_run("0", tags={"months": "2021-01", "source": "tlc", "service": "green"}).info.run_id)


def registered(mlflow: MlflowClient, run: str) -> str:
    return str(mlflow.create_model_version(MODEL, "mlflow-artifacts:/there", run).version)


def test_a_version_outlives_its_run(mlflow: MlflowClient, run: str, tmp_path: Path) -> None:
    versions, version = Registry(mlflow, MODEL), registered(mlflow, run)
    assert versions.learnt_from(version) == LearntFrom("tlc", "green", ["2021-01"])

    mlflow.delete_run(run)
    assert versions.learnt_from(version).source == "tlc", "in MLflow's wastebasket"
    _get_store(mlflow.tracking_uri)._hard_delete_run(run)

    assert versions.learnt_from(version) == LearntFrom(None, None, [])
    assert versions.run_of(version) is None
    assert versions.download_of_run(version, "monitoring", tmp_path) is None


def test_a_version_that_was_deleted_is_named(mlflow: MlflowClient, run: str) -> None:
    versions, version = Registry(mlflow, MODEL), registered(mlflow, run)
    before = versions.made_at(version)
    assert abs(before - datetime.now(UTC)) < timedelta(minutes=5)
    mlflow.delete_model_version(MODEL, version)
    for ask in (versions.made_at, versions.learnt_from, versions.run_of):
        with pytest.raises(NoSuchVersion, match=f"{MODEL} has no version {version}"):
            ask(version)


def test_an_experiment_that_was_deleted_is_named_with_the_way_back(mlflow: MlflowClient) -> None:
    identity = mlflow.create_experiment(MODEL, artifact_location="mlflow-artifacts:/1")
    mlflow.delete_experiment(identity)
    with pytest.raises(ExperimentDeleted, match=rf"'{MODEL}'.* was deleted in MLflow.*experiment_id.*{identity}"):
        TrainingRun.start(mlflow, MODEL, "a training", {})
    mlflow.restore_experiment(identity)


def test_what_is_older_than_a_version_is_no_answer_of_it() -> None:
    hours = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in range(4)]
    window = Window(since=hours[1], until=hours[2])
    assert window.not_before(hours[0]) == window
    assert window.not_before(hours[1] + timedelta(minutes=5)).since == hours[1] + timedelta(minutes=5)
    assert window.not_before(hours[3]) == Window(since=hours[2], until=hours[2])
