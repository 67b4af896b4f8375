"""Which version is served: the alias ``champion`` of a registered model, the one source of truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

CHAMPION = "champion"
CHALLENGER = "challenger"

# a missing alias is the first, a missing registered model the second
NOT_THERE = {ErrorCode.Name(INVALID_PARAMETER_VALUE), ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)}


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


@dataclass(frozen=True)
class Registry:
    """The versions and aliases of one registered model."""

    mlflow: MlflowClient
    model: str

    def version_of(self, alias: str) -> str | None:
        """The version that has the alias, or None."""
        try:
            return str(self.mlflow.get_model_version_by_alias(self.model, alias).version)
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                return None
            raise

    def give_alias(self, alias: str, version: str) -> None:
        """Moves an alias in one step: there is no moment without it."""
        self.mlflow.set_registered_model_alias(self.model, alias, version)

    def take_alias(self, alias: str) -> None:
        self.mlflow.delete_registered_model_alias(self.model, alias)

    def tags(self, version: str) -> dict[str, str]:
        return dict(self.mlflow.get_model_version(self.model, version).tags)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self.mlflow.set_model_version_tag(self.model, version, name, value)

    def download(self, version: str, into: Path) -> Path:
        """Fetches a version's bundle; its folder.

        Raises:
            NoSuchVersion: it was never registered, or has been deleted.
        """
        try:
            return Path(mlflow.artifacts.download_artifacts(f"models:/{self.model}/{version}", dst_path=str(into)))
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                raise NoSuchVersion(self.model, version) from error
            raise

    def run_of(self, version: str) -> str | None:
        """The training run that made a version; None of one that was registered without.

        Raises:
            NoSuchVersion: as ``download``.
        """
        try:
            return self.mlflow.get_model_version(self.model, version).run_id or None
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                raise NoSuchVersion(self.model, version) from error
            raise

    def download_of_run(self, version: str, name: str, into: Path) -> Path | None:
        """Fetches a folder of the version's training run; None if it has none of that name.

        Raises:
            NoSuchVersion: as ``download``.
        """
        run_id = self.run_of(version)
        if run_id is None or not self.mlflow.list_artifacts(run_id, name):
            return None
        return Path(self.mlflow.download_artifacts(run_id, name, str(into)))

    def learnt_from(self, version: str) -> LearntFrom:
        """What the version's training run says of its data; nothing of a version without such a run.

        Raises:
            NoSuchVersion: as ``download``.
        """
        run_id = self.run_of(version)
        try:
            tags = self.mlflow.get_run(run_id).data.tags if run_id else {}
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                raise NoSuchVersion(self.model, version) from error
            raise
        months = [month for month in tags.get("months", "").split(",") if month]
        return LearntFrom(tags.get("source"), tags.get("service"), months)
