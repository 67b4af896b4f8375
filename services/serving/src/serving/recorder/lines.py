"""What was said, as lines that Postgres' COPY reads."""

from collections.abc import Iterable, Sequence
from itertools import repeat

import orjson

MICROSECONDS = 1_000_000
"""In a second. The log has times in them: whole numbers are written in a third of the time."""
NANOSECONDS = 1_000
"""In a microsecond."""

ONE = b"one"
BATCH = b"batch"
SHADOW = b"shadow"

Said = tuple[int, float, bytes, bytes]
"""Nanoseconds since 1970, seconds that the answer took, the request and the answer as JSON."""
Outcome = tuple[str, float]
"""A prediction's id, and what came true, in the prediction's unit."""

# JSON has line breaks and tabs only between its parts, where a blank will do
_BLANKS = bytes.maketrans(b"\n\r\t", b"   ")


def answers(kind: bytes, said: Sequence[Said]) -> bytes:
    """
    Args:
        kind: ``ONE``, ``BATCH`` or ``SHADOW``.
        said: At least one. The lines have times in microseconds.
    """
    at, seconds, requests, replies = zip(*said, strict=True)
    columns: list[Iterable[bytes]] = [
        repeat(kind, len(said)),
        _decimal([each // NANOSECONDS for each in at]),
        _decimal([int(each * MICROSECONDS) for each in seconds]),
        requests,
        replies,
    ]
    if _is_unusual(b"".join((*requests, *replies))):
        columns[-2:] = map(_escaped, requests), map(_escaped, replies)
    return b"\n".join(map(b"\t".join, zip(*columns, strict=True))) + b"\n"


def outcomes(at: int, told: Sequence[Outcome]) -> bytes:
    """``at``: nanoseconds since 1970; the lines have microseconds."""
    return b"".join(b"%d\t%b\t%r\n" % (at // NANOSECONDS, name.encode(), actual) for name, actual in told)


def unescaped(text: bytes) -> bytes:
    """A request or an answer out of a line."""
    return text.replace(b"\\\\", b"\\")


def _escaped(text: bytes) -> bytes:
    return text.translate(_BLANKS).replace(b"\\", b"\\\\")


def _is_unusual(text: bytes) -> bool:
    return b"\n" in text or b"\t" in text or b"\r" in text or b"\\" in text


def _decimal(numbers: Sequence[int]) -> Sequence[bytes]:
    # several times as fast as formatting each
    return orjson.dumps(numbers)[1:-1].split(b",")
