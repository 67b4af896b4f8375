"""JSON over HTTP to a service on this machine; asked directly, whatever proxy the environment names."""

import http.client
import json
from email.message import Message
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

TIMEOUT = 15.0


class WebError(Exception):
    """A call didn't give what was asked for."""


class Unreachable(WebError):
    """Nobody answered."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(f"{url}: no answer ({reason})")


class Refused(WebError):
    """The service answered with an error."""

    def __init__(self, url: str, status: int, body: str) -> None:
        self.status = status
        self.body = body
        super().__init__(f"{url}: {status}: {body[:2000]}")


def call(url: str, body: object = None, *, token: str = "", timeout: float = TIMEOUT) -> Any:
    """GETs, or POSTs a body as JSON, and reads the JSON answer; None for an empty one.

    Raises:
        Unreachable, Refused: as they say.
    """
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data=data, headers=headers)  # noqa: S310  (addresses of our own services)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=timeout) as answer:
            text = answer.read()
    except HTTPError as error:
        with error:
            raise Refused(url, error.code, error.read().decode(errors="replace")) from None
    except (URLError, OSError, http.client.HTTPException) as error:
        raise Unreachable(url, getattr(error, "reason", error)) from None
    return json.loads(text) if text else None


def answers(url: str) -> bool:
    """Whether it answers 2xx now."""
    return _headers(url) is not None


def stack_at(url: str) -> str | None:
    """Identity of the stack that answers there now; empty if it doesn't say, None if nobody answers well."""
    headers = _headers(url)
    return None if headers is None else headers.get("Roundhouse-Stack", "")


def _headers(url: str) -> Message | None:
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=3) as answer:
            return answer.headers if answer.status < http.client.MULTIPLE_CHOICES else None
    except (URLError, OSError, http.client.HTTPException):
        return None
