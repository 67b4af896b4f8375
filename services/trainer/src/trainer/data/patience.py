"""Requests that are tried again when, and only when, that can help."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from trainer.data.errors import LocationRefused, MonthNotPublished, RequestRefused, SourceUnavailable

Result = TypeVar("Result")

MOST_REDIRECTS = 5

ABSENT = frozenset({403, 404, 410})
"""The TLC's store says 403 of a file that isn't there."""


class TryLater(Exception):
    """The server says that it can't now."""

    def __init__(self, status: int, seconds: float) -> None:
        self.seconds = seconds
        """How long it asks to wait; 0 if it doesn't say."""
        super().__init__(f"HTTP status {status}")


class Interrupted(Exception):
    """The transfer ended before the file did."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often to try. Times in seconds."""

    attempts: int = 4
    first_wait: float = 1.0
    """Doubled after each attempt, and a random part added."""
    longest_wait: float = 30.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    """Between two pieces of a body."""

    def client(self, transport: httpx.BaseTransport, auth: tuple[str, str] | None) -> httpx.Client:
        return httpx.Client(
            timeout=httpx.Timeout(self.read_timeout, connect=self.connect_timeout),
            follow_redirects=True,
            max_redirects=MOST_REDIRECTS,
            headers={"Accept-Encoding": "identity"},
            transport=transport,
            auth=auth,
        )

    def insist(self, uri: str, request: Callable[[], Result]) -> Result:
        """Calls ``request`` until it succeeds or fails for good.

        Raises:
            LocationRefused: it leads from one address to the next for too long.
            SourceUnavailable: the last attempt failed, too.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.attempts),
            wait=self._wait,
            retry=retry_if_exception_type((httpx.TransportError, TryLater, Interrupted)),
            reraise=True,
        )
        try:
            return retrying(request)
        except httpx.TooManyRedirects as error:
            raise LocationRefused(uri, f"more than {MOST_REDIRECTS} redirects") from error
        except (httpx.TransportError, TryLater, Interrupted) as error:
            raise SourceUnavailable(uri, self.attempts, f"{_said(error)} ({type(error).__name__})") from error

    def _wait(self, state: RetryCallState) -> float:
        doubling = wait_exponential(multiplier=self.first_wait, max=self.longest_wait)
        backoff = doubling(state) + wait_random(0, self.first_wait)(state)
        error = state.outcome.exception() if state.outcome else None
        asked = error.seconds if isinstance(error, TryLater) else 0.0
        return max(backoff, min(asked, self.longest_wait))


def _said(error: Exception) -> str:
    # httpx quotes what a program that doesn't speak HTTP has answered
    return "no answer in HTTP" if isinstance(error, httpx.ProtocolError) else str(error)


def check_status(response: httpx.Response, uri: str) -> None:
    """Raises MonthNotPublished, RequestRefused or TryLater unless the answer is a success or "not modified"."""
    status = response.status_code
    if status in ABSENT:
        raise MonthNotPublished(uri, f"HTTP status {status}")
    if status in {408, 425, 429} or status >= 500:
        raise TryLater(status, _seconds(response.headers.get("Retry-After", "")))
    if status >= 400:
        raise RequestRefused(uri, status)


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdecimal() else 0.0
