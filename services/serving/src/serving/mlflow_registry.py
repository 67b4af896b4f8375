"""MLflow's registry over plain REST: no MLflow package is needed to serve."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from serving.errors import (
    FileNotInRegistry,
    NoChampion,
    RegistryUnreachable,
    TooLarge,
    UnreadableLocation,
    VersionNotFound,
)
from serving.observe.context import carried
from serving.registry import ModelVersion

API = "api/2.0/mlflow"
ARTIFACTS = "api/2.0/mlflow-artifacts/artifacts"
CHUNK = 1 << 20
MOST_ANSWER = 8 << 20
"""Bytes of an answer about a version. A run's has all of its parameters, metrics and tags."""

T = TypeVar("T")
Answer = Mapping[str, Any]


class _Absent(Exception):
    """MLflow says that there is no such thing: 404, or 400 for an alias and for a number that is none."""


class MlflowRegistry:
    """See ``serving.registry.Registry``."""

    def __init__(self, uri: str, model: str, alias: str, *, connect_seconds: float, read_seconds: float) -> None:
        found = urlsplit(uri.rstrip("/"))
        # not part of the address, which is shown to whoever asks why there is no model
        self._login = (unquote(found.username or ""), unquote(found.password or "")) if "@" in found.netloc else None
        self._uri = found._replace(netloc=found.netloc.rpartition("@")[2]).geturl()
        self._model = model
        self._alias = alias
        self._timeouts = (connect_seconds, read_seconds)

    def champion(self) -> ModelVersion:
        try:
            return self._api("registered-models/alias", _version, name=self._model, alias=self._alias)
        except _Absent:
            raise NoChampion(self._model, self._alias) from None

    def version(self, number: str) -> ModelVersion:
        try:
            return self._api("model-versions/get", _version, name=self._model, version=number)
        except _Absent:
            raise VersionNotFound(self._model, number) from None

    def metrics(self, version: ModelVersion) -> Mapping[str, float]:
        if not version.run_id:
            return {}
        try:
            return self._api("runs/get", _metrics, run_id=version.run_id)
        except _Absent:
            return {}

    def download(self, version: ModelVersion, file: str, target: Path, most: int) -> None:
        path = f"{ARTIFACTS}/{quote(f'{self._folder(version)}/{file}')}"
        try:
            with self._get(path, {}) as response, target.open("xb") as out:
                for chunk in _chunks(response):
                    if out.tell() + len(chunk) > most:
                        raise TooLarge(file, version.version, most)
                    out.write(chunk)
        except _Absent:
            raise FileNotInRegistry(file, version.version) from None

    def _folder(self, version: ModelVersion) -> str:
        """Path of the version's files below the artifact root of the tracking server."""
        asked = {"name": version.name, "version": version.version}
        try:
            uri = self._api("model-versions/get-download-uri", lambda answer: str(answer["artifact_uri"]), **asked)
        except _Absent:
            raise VersionNotFound(version.name, version.version) from None
        location = urlsplit(uri)
        if location.scheme == "runs":
            run_id, _, within = location.path.strip("/").partition("/")
            location = urlsplit(f"{self._run_folder(run_id, version)}/{within}")
        # an absolute URI may name another server, and dots lead out of the artifacts
        own = location.netloc in ("", urlsplit(self._uri).netloc) and ".." not in location.path.split("/")
        if location.scheme != "mlflow-artifacts" or not own:
            raise UnreadableLocation(
                f"version {version.version} lies at {uri}, which the tracking server doesn't proxy"
            )
        return location.path.strip("/")

    def _run_folder(self, run_id: str, version: ModelVersion) -> str:
        try:
            folder = self._api("runs/get", lambda answer: str(answer["run"]["info"]["artifact_uri"]), run_id=run_id)
        except _Absent:
            raise UnreadableLocation(f"version {version.version} lies in the run {run_id}, which is gone") from None
        return folder.rstrip("/")

    def _api(self, call: str, read: Callable[[Answer], T], **parameters: str) -> T:
        with self._get(f"{API}/{call}", parameters) as response:
            return read(json.loads(_whole(response)))

    @contextmanager
    def _get(self, path: str, parameters: Mapping[str, str]) -> Iterator[requests.Response]:
        try:
            with requests.get(
                f"{self._uri}/{path}",
                params=parameters,
                # as it is: what is packed could be of any size
                headers={**carried.get(), "Accept-Encoding": "identity"},
                auth=self._login,
                timeout=self._timeouts,
                stream=True,
                # whoever answers for the registry would have this machine ask any other one
                allow_redirects=False,
            ) as response:
                if response.status_code in {400, 404}:
                    raise _Absent
                if response.status_code != requests.codes.ok:
                    raise RegistryUnreachable(f"the registry at {self._uri} answered {response.status_code}")
                yield response
        except (requests.RequestException, HTTPError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RegistryUnreachable(f"the registry at {self._uri}: {_reason(error)}") from error


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The body's bytes as they come."""
    if "Content-Encoding" in response.headers:
        raise ValueError("the answer is packed")
    return iter(lambda: response.raw.read(CHUNK), b"")


def _whole(response: requests.Response) -> bytes:
    read = bytearray()
    for chunk in _chunks(response):
        read += chunk
        if len(read) > MOST_ANSWER:
            raise ValueError("the answer is too long")
    return bytes(read)


def _version(answer: Answer) -> ModelVersion:
    found = answer["model_version"]
    return ModelVersion(
        name=found["name"],
        version=str(found["version"]),
        run_id=found.get("run_id", ""),
        source=found["source"],
        created=int(found["creation_timestamp"]),
    )


def _metrics(answer: Answer) -> Mapping[str, float]:
    values = {metric["key"]: float(metric["value"]) for metric in answer["run"]["data"].get("metrics", [])}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _reason(error: Exception) -> str:
    match error:
        case requests.ConnectTimeout():
            return "no connection within the time allowed"
        case requests.Timeout():
            return "no answer within the time allowed"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return f"an answer that isn't MLflow's ({type(error).__name__})"
