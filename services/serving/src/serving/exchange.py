"""Bodies in, JSON and problems out."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serving.errors import BodyTooLarge, NotJson
from serving.problems import MEDIA_TYPE, Problem


async def read_body(request: Request, limit: int) -> bytes:
    """The body, which is never held beyond the limit.

    Raises:
        BodyTooLarge: by its declared length before anything is read, or while it is read.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(limit)
    return bytes(body)


async def read_json(request: Request, limit: int) -> bytes:
    """As ``read_body``, of a request that doesn't say it is anything but JSON. Raises NotJson too."""
    given = request.headers.get("content-type", "application/json")
    media_type = given.partition(";")[0].strip().lower()
    empty = request.headers.get("content-length") == "0"
    if not empty and media_type != "application/json" and not media_type.endswith("+json"):
        raise NotJson(given)
    return await read_body(request, limit)


def encode(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def answer(document: Any) -> Response:
    return Response(encode(document), media_type="application/json")


def refusal(problem: Problem) -> Response:
    return Response(encode(problem.document()), problem.status, dict(problem.headers), MEDIA_TYPE)
