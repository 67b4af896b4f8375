"""Bodies in, JSON out."""

from typing import Any

import orjson
from contract.errors import BadJson

from serving.calls import Call
from serving.errors import BodyTooLarge


def whole(call: Call) -> bytes:
    """All of the body. Raises BodyTooLarge."""
    limit = call.limits.body_bytes
    body = exactly(call.body, limit + 1)
    if len(body) > limit:
        raise BodyTooLarge(limit)
    return body


def exactly(source: Any, count: int) -> bytes:
    """So many bytes, however many come at once; fewer only at the end."""
    first: bytes = source.read(count)
    if not first or len(first) == count:
        return first
    parts, missing = [first], count - len(first)
    while missing and (more := source.read(missing)):
        parts.append(more)
        missing -= len(more)
    return first if len(parts) == 1 else b"".join(parts)


def decode(text: bytes | memoryview) -> dict[str, Any]:
    """A JSON object. Raises BadJson."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadJson(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadJson("the body is not a JSON object")
    return document


def encode(document: Any) -> bytes:
    """JSON; NumPy arrays as lists. Numbers must be finite: others would become null."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
