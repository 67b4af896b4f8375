"""Which version is served: the alias ``champion`` of a registered model, the one source of truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request_safe

from trainer.registry import artifacts

API = "/api/2.0/mlflow"

CHAMPION = "champion"
CHALLENGER = "challenger"

# a missing alias is the first, a missing registered model the second
NOT_THERE = {ErrorCode.Name(INVALID_PARAMETER_VALUE), ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)}

PROMPT: Mapping[str, Any] = {
    "timeout": 5,
    "max_retries": 2,
    "backoff_factor": 2,
    "backoff_jitter": 1,
    "respect_retry_after_header": False,
}
"""Of a request that others wait for. Against a server that is gone it is given up after 4 to 6 s, against one that
doesn't answer after at most 21 s; by MLflow's own settings those are 4 and 20 minutes."""


class NoSuchVersion(Exception):
    """The registry doesn't have it."""

    def __init__(self, model: str, version: str) -> None:
        super().__init__(f"{model} has no version {version}")


@dataclass(frozen=True)
class LearntFrom:
    """The data behind a version, as its training run noted it."""

    source: str | None
    service: str | None
    months: Sequence[str]
    """As ``2021-01``."""
    holdout_days: int | None = None
    """Days at the end of the last month that training never saw; None if it saw whole months."""


@dataclass(frozen=True)
class Registry:
    """The versions and aliases of one registered model."""

    mlflow: MlflowClient
    model: str
    patience: Mapping[str, Any] = field(default_factory=dict)
    """How requests for aliases and tags are tried again: MLflow's own settings, or ``PROMPT``."""

    def version_of(self, alias: str) -> str | None:
        """The version that has the alias, or None."""
        asked = {"name": self.model, "alias": alias}
        try:
            return str(self._ask("GET", "registered-models/alias", params=asked)["model_version"]["version"])
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                return None
            raise

    def give_alias(self, alias: str, version: str) -> None:
        """Moves an alias in one step: there is no moment without it."""
        self._tell("POST", "registered-models/alias", alias=alias, version=version)

    def take_alias(self, alias: str) -> None:
        self._tell("DELETE", "registered-models/alias", alias=alias)

    def tags(self, version: str) -> dict[str, str]:
        return dict(self.mlflow.get_model_version(self.model, version).tags)

    def made_at(self, version: str) -> datetime:
        """When the version was registered. A model that was deleted and made again has its numbers anew: what is older
        is another version's of the same number.

        Raises:
            NoSuchVersion: as ``download``.
        """
        return datetime.fromtimestamp(self._version(version).creation_timestamp / 1000, UTC)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self._tell("POST", "model-versions/set-tag", version=version, key=name, value=value)

    def download(self, version: str, into: Path) -> Path:
        """Fetches a version's bundle; its folder.

        Raises:
            NoSuchVersion: it was never registered, or has been deleted.
            ForeignArtifacts: the registry says that it lies elsewhere.
        """
        try:
            return artifacts.download(f"models:/{self.model}/{version}", self.mlflow.tracking_uri, into)
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                raise NoSuchVersion(self.model, version) from error
            raise

    def run_of(self, version: str) -> str | None:
        """The training run that made a version; None of one that was registered without, or whose run is gone.

        Raises:
            NoSuchVersion: as ``download``.
        """
        return self._run(version)[0]

    def download_of_run(self, version: str, name: str, into: Path) -> Path | None:
        """Fetches a folder of the version's training run; None if it has none of that name, or is gone.

        Raises:
            NoSuchVersion: as ``download``.
        """
        run_id, _ = self._run(version)
        uri, server = f"runs:/{run_id}/{name}", self.mlflow.tracking_uri
        if run_id is None or not artifacts.has_files(uri, server):
            return None
        return artifacts.download(uri, server, into / name)

    def learnt_from(self, version: str) -> LearntFrom:
        """What the version's training run says of its data; nothing of a version without such a run, or whose run was
        deleted for good.

        Raises:
            NoSuchVersion: as ``download``.
        """
        _, tags = self._run(version)
        months = [month for month in tags.get("months", "").split(",") if month]
        days = int(tags["holdout_days"]) if tags.get("holdout_days") else None
        return LearntFrom(tags.get("source"), tags.get("service"), months, days)

    def _version(self, version: str) -> ModelVersion:
        try:
            return self.mlflow.get_model_version(self.model, version)
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                raise NoSuchVersion(self.model, version) from error
            raise

    def _run(self, version: str) -> tuple[str | None, Mapping[str, str]]:
        """The version's training run and its tags; none where there was none, or where it was deleted for good."""
        run_id = self._version(version).run_id
        try:
            return (run_id, self.mlflow.get_run(run_id).data.tags) if run_id else (None, {})
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                return None, {}
            raise

    def _tell(self, method: str, path: str, **fields: str) -> None:
        self._ask(method, path, json={"name": self.model, **fields})

    def _ask(self, method: str, path: str, **content: Mapping[str, str]) -> Any:
        # MLflow's client takes its patience from the environment alone: one for the whole process, uploads as well
        server = get_default_host_creds(self.mlflow.tracking_uri)
        return http_request_safe(server, f"{API}/{path}", method, **content, **self.patience).json()
