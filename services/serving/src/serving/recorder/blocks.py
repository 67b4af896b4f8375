"""What lies in the spool: blocks, of what was said one after the other.

The worker that writes one joins what it has; making lines of it, three times the work, is left to the reader, which has
more time. Numbers are in the machine's own byte order: a spool doesn't leave its machine.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise
from struct import Struct

from serving.recorder import lines
from serving.recorder.lines import BATCH, ONE, Outcome, Said

_OUTCOMES = b"outcomes"
_HEAD = Struct("=8sII")
"""Kind of what was said, how many, and how many bytes follow."""
_ROW_BYTES = 8 + 8 + 4 + 4
_KINDS = (ONE, BATCH, _OUTCOMES)


class Unreadable(Exception):
    """This is no block: the disk has lost what was written."""


def answers(kind: bytes, said: Sequence[Said]) -> bytes:
    """A block of requests and their answers.

    Args:
        kind: ``ONE`` or ``BATCH``.
        said: At least one.
    """
    at, seconds, requests, replies = zip(*said, strict=True)
    lengths = array("I", map(len, requests)), array("I", map(len, replies))
    head = _HEAD.pack(kind, len(said), _ROW_BYTES * len(said) + sum(map(sum, lengths)))
    return b"".join((head, array("q", at), array("d", seconds), *lengths, *requests, *replies))


def outcomes(at: int, told: Sequence[Outcome]) -> bytes:
    """A block of what came true, as the client said at ``at``, nanoseconds since 1970."""
    body = lines.outcomes(at, told)
    return _HEAD.pack(_OUTCOMES, len(told), len(body)) + body


def missing(data: bytes) -> int:
    """How many bytes the last block lacks, as far as can be told; 0 if it is whole, or no block."""
    position = 0
    try:
        while (end := _end(data, position)) <= len(data):
            position = end
    except Unreadable:
        return 0
    return end - len(data) if position < len(data) else 0


def read(data: bytes) -> tuple[bytes, int]:
    """The lines of the blocks that are whole, and how many bytes of ``data`` these are.

    Raises:
        Unreadable: there is no block at the beginning; one later on only ends what is read.
    """
    found: list[bytes] = []
    position = 0
    try:
        while (end := _end(data, position)) <= len(data):
            found.append(_lines(data, position, end))
            position = end
    except Unreadable:
        if not found:
            raise
    return b"".join(found), position


def _end(data: bytes, position: int) -> int:
    """Of the block that begins there; of its head, if that isn't whole."""
    end = position + _HEAD.size
    if end > len(data):
        return end
    kind, count, length = _HEAD.unpack_from(data, position)
    if kind.rstrip(b"\0") not in _KINDS or not count:
        raise Unreadable
    return end + int(length)


def _lines(data: bytes, position: int, end: int) -> bytes:
    kind, count, _ = _HEAD.unpack_from(data, position)
    kind, body = kind.rstrip(b"\0"), data[position + _HEAD.size : end]
    return body if kind == _OUTCOMES else lines.answers(kind, _said(body, count))


def _said(body: bytes, count: int) -> list[Said]:
    if len(body) < _ROW_BYTES * count:
        raise Unreadable
    at, seconds = array("q", body[: 8 * count]), array("d", body[8 * count : 16 * count])
    lengths = array("I", body[16 * count : _ROW_BYTES * count])
    bounds = list(accumulate(lengths, initial=_ROW_BYTES * count))
    if bounds[-1] != len(body):
        raise Unreadable
    texts = [body[begin:end] for begin, end in pairwise(bounds)]
    return list(zip(at, seconds, texts[:count], texts[count:], strict=True))
