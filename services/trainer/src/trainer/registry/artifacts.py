"""Files of versions and runs, out of the tracking server and from nowhere else.

MLflow's client goes wherever the server says that a version lies: to another host, a bucket, a folder of this machine.
"""

from pathlib import Path
from urllib.parse import urlsplit

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

MOST_STEPS = 4
"""From a version to its model to that model's run to a place is three."""


class ForeignArtifacts(Exception):
    """A version or run says that its files lie where the tracking server doesn't keep any."""

    def __init__(self, asked: str, place: str) -> None:
        super().__init__(f"{asked} lies at {place}, which isn't a place of the tracking server")


def download(uri: str, tracking_uri: str, into: Path) -> Path:
    """Fetches a folder, named as ``models:/name/version`` or ``runs:/id/name``; where it is then.

    Raises:
        ForeignArtifacts: the server names another place; nothing was asked there.
        MlflowException: the server doesn't have it, or can't be reached.
    """
    into.mkdir(parents=True, exist_ok=True)
    return Path(_repository(uri, tracking_uri).download_artifacts("", str(into)))


def has_files(uri: str, tracking_uri: str) -> bool:
    """Whether such a folder has anything in it; raises as ``download``."""
    return bool(_repository(uri, tracking_uri).list_artifacts())


def check_place(asked: str, place: str, tracking_uri: str) -> None:
    """Raises ForeignArtifacts unless the tracking server at that URI keeps files there."""
    parts, server = urlsplit(place), urlsplit(tracking_uri)
    if parts.scheme != "mlflow-artifacts" or parts.netloc not in ("", server.netloc) or ".." in parts.path.split("/"):
        raise ForeignArtifacts(asked, f"{parts.scheme}://{parts.hostname or ''}{parts.path}")


def _repository(uri: str, tracking_uri: str) -> ArtifactRepository:
    place = uri
    for _ in range(MOST_STEPS):
        match urlsplit(place).scheme:
            case "models":
                place = ModelsArtifactRepository.get_underlying_uri(place)
            case "runs":
                place = RunsArtifactRepository.get_underlying_uri(place, tracking_uri)
            case _:
                break
    check_place(uri, place, tracking_uri)
    return get_artifact_repository(place, tracking_uri=tracking_uri)
