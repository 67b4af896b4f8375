"""One replica of the model service, over HTTP."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from trainer.rollout.errors import NotServed, Refused, Unavailable
from trainer.rollout.proof import Proof

BUSY = "urn:roundhouse:problem:swap-in-progress"
"""Refused because of what the replica is doing, not because of what it was asked."""

TIMEOUT = httpx.Timeout(150.0, connect=10.0)
"""Seconds: more than a replica may take to stage or swap, and to undo that."""

POLL_SECONDS = 10.0
"""Within which a replica has followed the alias, whatever it was doing."""


@dataclass(frozen=True)
class HttpReplica:
    """A client of one replica.

    Every call raises Refused where the replica won't, and Unavailable where it can't be reached.
    """

    url: httpx.URL
    """The service's."""
    address: str
    """The replica's, among those behind the service's name."""
    token: str

    def __str__(self) -> str:
        return f"replica {self.address}"

    def stage(self, version: str) -> str:
        return str(self._tell("/rollout/stage", version=version)["digest"])

    def swap(self, version: str, lease_seconds: float) -> int:
        return int(self._tell("/rollout/swap", version=version, lease_seconds=lease_seconds)["generation"])

    def renew(self, version: str, lease_seconds: float) -> None:
        self._tell("/rollout/renew", version=version, lease_seconds=lease_seconds)

    def abandon(self, version: str) -> None:
        self._tell("/rollout/abandon", version=version)

    def follow(self) -> None:
        self._tell("/reload")

    def verify(self, proof: Proof, generation: int) -> None:
        found = self._served()
        self._check_served(found, proof.version)
        if found["digest"] != proof.digest:
            raise NotServed(f"{self} serves the bundle {found['digest']}, not {proof.digest}")
        held = {worker["pid"]: worker["generation"] for worker in found["workers"]}
        if set(held.values()) != {generation}:
            raise NotServed(f"{self}: workers are at generations {held}, not all at {generation}")
        self._check_answers(proof)

    def serves(self, version: str) -> bool:
        try:
            self._check_served(self._served(), version)
        except NotServed:
            return False
        return True

    def verify_fulfilled(self, version: str) -> None:
        # the replica's own poll may be at it just now
        retrying = Retrying(
            retry=retry_if_exception_type((NotServed, Refused, Unavailable)),
            stop=stop_after_delay(POLL_SECONDS),
            wait=wait_fixed(0.2),
            reraise=True,
        )
        retrying(self._fulfil, version)

    def metrics(self) -> str:
        """What it has counted, in Prometheus' text format."""
        return self._success("GET", "/metrics", None, {}).text

    def _fulfil(self, version: str) -> None:
        self.follow()
        found = self._served()
        self._check_served(found, version)
        if found["lease"] is not None:
            raise NotServed(f"{self} still serves version {version} by a lease, not by the alias")

    def _check_served(self, found: dict[str, Any], version: str) -> None:
        held = {worker["pid"]: worker["version"] for worker in found["workers"]}
        if {str(found["version"]), *map(str, held.values())} != {version} or not held:
            raise NotServed(f"{self} serves version {found['version']}, its workers {held}, not {version}")

    def _check_answers(self, proof: Proof) -> None:
        # with the token it isn't taken for traffic
        body = self._tell("/predict/batch", rows=[dict(row) for row in proof.rows])
        if str(body["model"]["version"]) != proof.version:
            raise NotServed(f"{self} answers from version {body['model']['version']}, not {proof.version}")
        try:
            proof.check(body["predictions"])
        except NotServed as difference:
            raise NotServed(f"{self}: {difference}") from None

    def _served(self) -> dict[str, Any]:
        return self._answer("GET", "/model")

    def _tell(self, path: str, **body: Any) -> dict[str, Any]:
        return self._answer("POST", path, body, {"Authorization": f"Bearer {self.token}"})

    def _answer(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        result: dict[str, Any] = self._success(method, path, body, headers or {}).json()
        return result

    def _success(self, method: str, path: str, body: object, headers: dict[str, str]) -> httpx.Response:
        try:
            answer = self._request(method, path, body, headers)
        except httpx.TransportError as error:
            raise Unavailable(f"{self}: {path}: {str(error) or type(error).__name__}") from error
        if answer.is_success:
            return answer
        problem = _problem(answer)
        said = f"{self}: {path}: {problem.get('detail') or answer.reason_phrase}"
        passing = answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or problem.get("type") == BUSY
        raise (Unavailable if passing else Refused)(said)

    def _request(self, method: str, path: str, body: object, headers: dict[str, str]) -> httpx.Response:
        # no proxy stands between us and a service of our own
        with httpx.Client(timeout=TIMEOUT, trust_env=False) as http:
            return http.request(
                method,
                self.url.copy_with(host=self.address, path=path),
                json=body,
                # proxies of its own and certificates go by the service's name
                headers={"Host": self.url.netloc.decode(), **headers},
                extensions={"sni_hostname": self.url.host},
            )


def _problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem details (RFC 9457) of a refusal; empty if somebody else answered."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    found: dict[str, Any] = answer.json()
    return found
