"""The model service, as its operator sees it."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx


class ReloadRefused(Exception):
    """The service looked at the version and keeps the one that it has."""


class NotServed(Exception):
    """The service doesn't serve, or doesn't answer, what it should."""


class ModelService:
    """A client of one serving replica.

    Args:
        timeout_seconds: more than a swap may take, and its undoing.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 150) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds)
        self._token = token

    def reload(self, version: str) -> dict[str, Any]:
        """Has every worker swap to a version.

        Raises:
            ReloadRefused: the candidate didn't pass the service's checks, or the token isn't the service's.
            httpx.HTTPError: the service or its registry can't be reached; worth a retry.
        """
        answer = self._http.post(
            "/reload", json={"version": version}, headers={"Authorization": f"Bearer {self._token}"}
        )
        if answer.status_code in {401, 409, 422}:
            raise ReloadRefused(f"version {version}: {answer.json()['detail']}")
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result

    def verify(self, version: str, rows: Sequence[Mapping[str, Any]], expected: Sequence[float]) -> None:
        """Proves that every worker holds the version and that it answers what was computed offline.

        Args:
            rows: raw fields as JSON values.
            expected: predictions of these, in order, from the version's bundle.

        Raises:
            NotServed: otherwise.
            httpx.HTTPError: the service can't be reached; worth a retry.
        """
        self._verify_workers(version)
        answer = self._http.post("/predict/batch", json={"rows": list(rows)})
        answer.raise_for_status()
        body = answer.json()
        if str(body["model"]["version"]) != version:
            raise NotServed(f"/predict/batch answers from version {body['model']['version']}, not {version}")
        for row, offline, online in zip(rows, expected, body["predictions"], strict=True):
            if abs(offline - online) > 1e-6 * max(1.0, abs(offline)):
                raise NotServed(f"{dict(row)}: offline {offline!r}, online {online!r}")

    def _verify_workers(self, version: str) -> None:
        answer = self._http.get("/model")
        answer.raise_for_status()
        held = {worker["pid"]: str(worker["version"]) for worker in answer.json()["workers"]}
        behind = {pid: found for pid, found in held.items() if found != version}
        if behind or not held:
            raise NotServed(f"workers hold {held}, not {version}")
