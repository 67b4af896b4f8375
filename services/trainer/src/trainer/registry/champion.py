"""Which version is served: the alias ``champion`` of a registered model, the one source of truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from contract.booster import LoadedModel, load
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

CHAMPION = "champion"
CHALLENGER = "challenger"

# a missing alias is the first, a missing registered model the second
NOT_THERE = {ErrorCode.Name(INVALID_PARAMETER_VALUE), ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)}


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

    def restore_champion(self, version: str | None) -> None:
        """Puts the alias back to what it was, None meaning nowhere."""
        if version is None:
            self.take_alias(CHAMPION)
        else:
            self.give_alias(CHAMPION, version)

    def tags(self, version: str) -> dict[str, str]:
        return dict(self.mlflow.get_model_version(self.model, version).tags)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self.mlflow.set_model_version_tag(self.model, version, name, value)

    def download(self, version: str, into: Path) -> LoadedModel:
        """Fetches and loads a version's bundle.

        Raises:
            ContractError: it isn't one, or isn't whole.
        """
        folder = mlflow.artifacts.download_artifacts(f"models:/{self.model}/{version}", dst_path=str(into))
        return load(Path(folder))
