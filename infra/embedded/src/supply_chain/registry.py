"""The digest that a tag stands for now, asked of the image's registry (OCI distribution specification, version 2)."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Self

import requests

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
"""An index of all platforms before one platform's manifest: the digest has to be right on any processor."""

MOST_BYTES = 4 << 20
"""The specification's own limit for a manifest."""
SECONDS = 20.0
"""Of silence, after which a registry counts as away."""

DOCKER_HUB = "registry-1.docker.io"


class RegistryError(Exception):
    """A digest couldn't be found out, with the image and the reason."""

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(f"{image}: {reason}")


@dataclass(frozen=True, slots=True)
class Name:
    """Where an image's tag is kept."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, image: str) -> Self:
        """As Docker reads it: ``postgres:18`` is ``library/postgres`` of Docker Hub.

        Raises:
            RegistryError: the image has no tag.
        """
        rest, _, tag = image.rpartition(":")
        if not rest or "/" in tag:
            raise RegistryError(image, "has no tag")
        first, _, path = rest.partition("/")
        if path and (first == "localhost" or "." in first or ":" in first):
            return cls(first, path, tag)
        return cls(DOCKER_HUB, rest if path else f"library/{rest}", tag)

    @property
    def url(self) -> str:
        """Of the manifest. Plain HTTP to this very machine alone, as Docker does it."""
        host = self.registry.partition(":")[0]
        scheme = "http" if host in {"localhost", "127.0.0.1"} else "https"
        return f"{scheme}://{self.registry}/v2/{self.repository}/manifests/{self.tag}"


def digest(image: str) -> str:
    """``sha256:…`` of the manifest that the registry gives for the tag, computed here.

    Raises:
        RegistryError: no answer, no such image, or an answer whose digest isn't the one that it names.
    """
    name = Name.parse(image)
    try:
        with requests.Session() as session:
            answer = _manifest(session, name)
            content = _body(image, answer)
    except requests.RequestException as error:
        raise RegistryError(image, f"{name.registry} doesn't answer ({type(error).__name__})") from error
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    named = answer.headers.get("Docker-Content-Digest", found)
    if named != found:
        raise RegistryError(image, f"{name.registry} sent a manifest of {found} and calls it {named}")
    return found


def _manifest(session: requests.Session, name: Name) -> requests.Response:
    """The answer to a request without a token, or with the anonymous one that the registry asks for."""
    answer = _get(session, name.url, {})
    if answer.status_code == requests.codes.unauthorized:
        token = _token(session, name, answer.headers.get("WWW-Authenticate", ""))
        answer = _get(session, name.url, {"Authorization": f"Bearer {token}"})
    if answer.status_code != requests.codes.ok:
        image = f"{name.repository}:{name.tag}"
        raise RegistryError(image, f"{name.registry} answers {answer.status_code} {answer.reason}")
    return answer


def _get(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    return session.get(url, headers={"Accept": ACCEPT, **headers}, timeout=SECONDS, stream=True)


def _token(session: requests.Session, name: Name, challenge: str) -> str:
    parameters = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = parameters.pop("realm", None)
    if realm is None or not challenge.startswith("Bearer "):
        raise RegistryError(f"{name.repository}:{name.tag}", f"{name.registry} wants a login")
    query = {"scope": f"repository:{name.repository}:pull", **parameters}
    answer = session.get(realm, params=query, timeout=SECONDS)
    answer.raise_for_status()
    found: Any = answer.json()
    return str(found.get("token") or found.get("access_token"))


def _body(image: str, answer: requests.Response) -> bytes:
    content = b""
    for part in answer.iter_content(1 << 16):
        content += part
        if len(content) > MOST_BYTES:
            raise RegistryError(image, f"the manifest is longer than {MOST_BYTES} bytes")
    return content
