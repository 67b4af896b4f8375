"""Sends requests in the order of their moments, and tells later what came true."""

import heapq
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import urlsplit

from trainer.replay.moments import Clock

CONNECTIONS = 4
OUTCOMES_AT_ONCE = 500
TIMEOUT_SECONDS = 30
ATTEMPTS = 3


class PlayFailed(Exception):
    """The service doesn't answer, or refuses what it is asked."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was asked for at one moment and was known at a later one."""

    asked_at: datetime
    request: bytes
    """Raw fields, as JSON."""
    known_at: datetime
    actual: float
    """In the unit of the prediction."""


@dataclass
class Played:
    """What has happened so far."""

    predictions: int = 0
    outcomes: int = 0


@dataclass
class Player:
    """Plays against one service. Outcomes that aren't known yet wait for the next ``play``."""

    url: str
    """The service's."""
    speed: float
    """Seconds of the past in one of today."""
    played: Played = field(default_factory=Played)
    _waiting: list[tuple[datetime, str, float]] = field(default_factory=list)
    """A heap: when it is known, the prediction's id, what came true."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def play(self, events: Sequence[Event]) -> None:
        """Asks for all, each at its moment, and tells what is known by the last one's.

        Raises:
            PlayFailed: what was asked before has been asked all the same.
        """
        if not events:
            return
        clock, queue = Clock(events[0].asked_at, self.speed), iter(events)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            asking = [pool.submit(self._ask_all, queue, clock) for _ in range(CONNECTIONS)]
        for asked in asking:
            asked.result()
        with _connection(self.url) as connection:
            self._tell(connection, events[-1].asked_at)

    def tell_rest(self) -> None:
        """Tells all outcomes that wait. Raises PlayFailed."""
        with _connection(self.url) as connection:
            self._tell(connection, None)

    def _ask_all(self, queue: Iterator[Event], clock: Clock) -> None:
        with _connection(self.url) as connection:
            while event := self._next(queue):
                clock.wait_until(event.asked_at)
                answer = _post(connection, "/predict", event.request, HTTPStatus.OK)
                with self._lock:
                    self.played.predictions += 1
                    heapq.heappush(self._waiting, (event.known_at, json.loads(answer)["prediction_id"], event.actual))
                    due = len(self._waiting) >= OUTCOMES_AT_ONCE
                if due:
                    self._tell(connection, event.asked_at)

    def _next(self, queue: Iterator[Event]) -> Event | None:
        with self._lock:
            return next(queue, None)

    def _tell(self, connection: HTTPConnection, now: datetime | None) -> None:
        while outcomes := self._known(now):
            body = {"outcomes": [{"prediction_id": name, "actual": actual} for name, actual in outcomes]}
            _post(connection, "/feedback", json.dumps(body).encode(), HTTPStatus.ACCEPTED)
            with self._lock:
                self.played.outcomes += len(outcomes)

    def _known(self, now: datetime | None) -> list[tuple[str, float]]:
        """Some of what is known by now; of all that waits, if that is None."""
        known: list[tuple[str, float]] = []
        with self._lock:
            while self._waiting and len(known) < OUTCOMES_AT_ONCE and (now is None or self._waiting[0][0] <= now):
                _, name, actual = heapq.heappop(self._waiting)
                known.append((name, actual))
        return known


@contextmanager
def _connection(url: str) -> Iterator[HTTPConnection]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT_SECONDS)
    try:
        yield connection
    finally:
        connection.close()


def _post(connection: HTTPConnection, path: str, body: bytes, expected: HTTPStatus) -> bytes:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = _exchange(connection, path, body)
            content = answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            if attempt == ATTEMPTS:
                raise PlayFailed(f"{path}: {str(error) or type(error).__name__}") from error
            continue
        if answer.status != expected:
            raise PlayFailed(f"{path}: status {answer.status}: {content[:500].decode(errors='replace')}")
        return content
    raise AssertionError


def _exchange(connection: HTTPConnection, path: str, body: bytes) -> HTTPResponse:
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    return connection.getresponse()
