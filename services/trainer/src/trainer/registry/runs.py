"""One training run in MLflow."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
from contract import Contract
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, RunTag
from mlflow.models import Model
from mlflow.utils.time import get_current_time_millis

from trainer.registry import flavor
from trainer.registry.artifacts import check_place

# MLflow reads these when a client is used; a model of ours is data, nobody is told that it was trained, and the server
# leads to no other one
PRIVACY = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
}

# without it the UI opens an experiment on its pages for language models
CLASSIC = {"mlflow.experimentKind": "custom_model_development"}


def client(tracking_uri: str) -> MlflowClient:
    """A client of the tracking server; the fluent API, which MLflow's own model code uses, is pointed there too.

    Args:
        tracking_uri: what logs in there, as ``http://user:password@host``, is told to MLflow apart, which shows the
            address in its errors.
    """
    os.environ.update(PRIVACY)
    found = urlsplit(tracking_uri)
    if "@" in found.netloc:
        os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(found.username or "")
        os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(found.password or "")
    address = found._replace(netloc=found.netloc.rpartition("@")[2]).geturl()
    mlflow.set_tracking_uri(address)
    return MlflowClient(address)


class ExperimentDeleted(Exception):
    """Somebody deleted the experiment of a model's runs; MLflow keeps its name, so that there can be no new one."""

    def __init__(self, name: str, identity: str, tracking_uri: str) -> None:
        super().__init__(
            f"the experiment {name!r}, which has the runs of the model, was deleted in MLflow; to restore it, POST "
            f'{{"experiment_id": "{identity}"}} to {tracking_uri}/api/2.0/mlflow/experiments/restore'
        )


FLOW_RUN = "prefect_flow_run"
"""Tag with the id of the flow run that a run belongs to."""


def unfinished(mlflow: MlflowClient, experiment: str) -> dict[str, str]:
    """Runs of an experiment that MLflow shows as running, by id, with the id of the flow run that each belongs to."""
    found = mlflow.get_experiment_by_name(experiment)
    if found is None:
        return {}
    runs = mlflow.search_runs([found.experiment_id], "attributes.status = 'RUNNING'")
    return {run.info.run_id: run.data.tags[FLOW_RUN] for run in runs if FLOW_RUN in run.data.tags}


@dataclass(frozen=True)
class TrainingRun:
    """Logs to a run by its id, from whichever process a task runs in."""

    mlflow: MlflowClient
    id: str

    @classmethod
    def start(cls, mlflow: MlflowClient, experiment: str, name: str, tags: Mapping[str, str]) -> "TrainingRun":
        """
        Raises:
            ForeignArtifacts: its files would go elsewhere: whoever made the experiment said where to.
            ExperimentDeleted: there can be no runs.
        """
        existing = mlflow.get_experiment_by_name(experiment)
        if existing and existing.lifecycle_stage == LifecycleStage.DELETED:
            raise ExperimentDeleted(experiment, existing.experiment_id, mlflow.tracking_uri)
        experiment_id = existing.experiment_id if existing else mlflow.create_experiment(experiment, tags=CLASSIC)
        info = mlflow.create_run(experiment_id, run_name=name, tags=dict(tags)).info
        check_place(f"run {info.run_id}", info.artifact_uri, mlflow.tracking_uri)
        return cls(mlflow, info.run_id)

    @property
    def experiment_id(self) -> str:
        return str(self.mlflow.get_run(self.id).info.experiment_id)

    def log_parameters(self, parameters: Mapping[str, object]) -> None:
        self.mlflow.log_batch(self.id, params=[Param(name, str(value)) for name, value in parameters.items()])

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        now = get_current_time_millis()
        self.mlflow.log_batch(self.id, metrics=[Metric(name, value, now, 0) for name, value in metrics.items()])

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self.mlflow.log_batch(self.id, tags=[RunTag(name, value) for name, value in tags.items()])

    def log_dataset(self, name: str, digest: str, source: Mapping[str, object], rows: int, context: str) -> None:
        """Notes what the run read; MLflow shows at most 36 characters of a digest."""
        profile = json.dumps({"num_rows": rows})
        dataset = Dataset(name, digest[:36], "warehouse", json.dumps(source), profile=profile)
        self.mlflow.log_inputs(self.id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    def log_files(self, folder: Path, under: str) -> None:
        self.mlflow.log_artifacts(self.id, str(folder), under)

    def register(self, bundle_folder: Path, contract: Contract) -> str:
        """Logs the bundle as a model of this run and registers it under the contract's name; the version's number."""
        info = Model.log(
            artifact_path=None,
            name=contract.name,
            flavor=flavor,
            flavor_name="roundhouse",
            registered_model_name=contract.name,
            run_id=self.id,
            bundle_folder=bundle_folder,
            contract=contract,
        )
        return str(info.registered_model_version)

    def end(self, status: str) -> None:
        """``FINISHED``, ``FAILED`` or ``KILLED``."""
        self.mlflow.set_terminated(self.id, status)
