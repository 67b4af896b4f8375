"""Bodies in, JSON and problems out."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serving.errors import BodyTooLarge, NotJson, Overloaded
from serving.problems import MEDIA_TYPE, Problem, TurnedAway


class Memory:
    """How much of all requests' bodies a worker may hold at once."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self.held_bytes = 0

    @contextmanager
    def held(self) -> Iterator["Held"]:
        """What a request holds as long as the context lasts."""
        held = Held(self)
        try:
            yield held
        finally:
            self.held_bytes -= held.count

    def take(self, count: int) -> None:
        """Raises Overloaded."""
        if self.held_bytes + count > self._most:
            raise Overloaded(f"{self.held_bytes} bytes of requests are held, and no more are taken")
        self.held_bytes += count


class Held:
    """One request's share of the memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.count = 0

    def add(self, count: int) -> None:
        """Raises Overloaded."""
        self._memory.take(count)
        self.count += count


async def read_body(request: Request, limit: int, held: Held) -> bytes:
    """The body, which is never held beyond the limit.

    Raises:
        BodyTooLarge: by its declared length before anything is read, or while it is read.
        Overloaded: all requests' bodies together are too long.
        ClientDisconnect, TurnedAway: it will not come to its end, by the client's doing or by ours.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(limit)
    parts, length = [], 0
    async for part in _stream(request):
        parts.append(part)
        length += len(part)
        if length > limit:
            raise BodyTooLarge(limit)
        held.add(len(part))
    return b"".join(parts)


async def parts_of(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes, for as long as it comes: each part has the time that is given to a whole request."""
    progress = request.scope.get("state", {}).get("progress")
    async for part in _stream(request):
        if progress is not None:
            progress()
        yield part


async def _stream(request: Request) -> AsyncIterator[bytes]:
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect:
        problem = request.scope.get("state", {}).get("turned_away")
        if problem is None:
            raise
        raise TurnedAway(problem) from None


def check_json(request: Request) -> None:
    """Raises NotJson if the request says it is anything else, or doesn't say; an empty body needn't."""
    given = request.headers.get("content-type", "")
    media_type = given.partition(";")[0].strip().lower()
    empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    if not empty and media_type != "application/json" and not media_type.endswith("+json"):
        raise NotJson(given)


def encode(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def answer(document: Any, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    return Response(encode(document), headers=headers, media_type="application/json")


def refusal(problem: Problem) -> Response:
    return Response(encode(problem.document()), problem.status, dict(problem.headers), MEDIA_TYPE)
