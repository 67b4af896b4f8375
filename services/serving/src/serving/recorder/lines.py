"""What was said, as lines that Postgres' COPY reads."""

import json
from collections.abc import Iterable, Sequence

MICROSECONDS = 1_000_000
"""In a second. The log has times in them."""
NANOSECONDS = 1_000
"""In a microsecond."""

EXACT_DIGITS = 16
"""A shorter whole number is the same as a 64-bit float."""

ONE = b"one"
BATCH = b"batch"
SHADOW = b"shadow"

Said = tuple[int, float, bytes, bytes]
"""Nanoseconds since 1970, seconds that the answer took, the request and the answer as JSON."""
Outcome = tuple[str, float]
"""A prediction's id, and what came true, in the prediction's unit."""

# JSON has line breaks and tabs only between its parts, where a blank will do
_SPECIAL = (b"\n", b"\r", b"\t", b"\\")
_BLANKS = bytes.maketrans(b"\n\r\t", b"   ")


def answers(kind: bytes, said: Iterable[Said]) -> bytes:
    """A line for each, as ``linering.Ring`` makes them too, with times in microseconds.

    Args:
        kind: ``ONE``, ``BATCH`` or ``SHADOW``.
    """
    return b"".join(
        b"%b\t%d\t%d\t%b\t%b\n"
        % (kind, at // NANOSECONDS, int(seconds * MICROSECONDS), _escaped(request), _escaped(answer))
        for at, seconds, request, answer in said
    )


def outcomes(at: int, told: Sequence[Outcome]) -> bytes:
    """``at``: nanoseconds since 1970; the lines have microseconds."""
    return b"".join(b"%d\t%b\t%r\n" % (at // NANOSECONDS, name.encode(), actual) for name, actual in told)


def plainly(lines: bytes) -> bytes:
    """Lines of answers whose requests have their numbers as the model saw them, as 64-bit floats.

    A request is kept as it was sent. But JSON has numbers that PostgreSQL's doesn't take, such as ``1e-20000``, and a
    text may have a character that no text of PostgreSQL has. What is no such line stays as it is.
    """
    return b"".join(_plain(line) for line in lines.splitlines(keepends=True))


def _plain(line: bytes) -> bytes:
    try:
        kind, at, microseconds, request, answer = line.split(b"\t")
        read = json.loads(unescaped(request), parse_int=_whole)
    except (ValueError, RecursionError):
        return line
    said = json.dumps(read, ensure_ascii=False).replace("\\u0000", "\ufffd").encode("utf-8", "replace")
    return b"\t".join([kind, at, microseconds, _escaped(said), answer])


def _whole(digits: str) -> int | float:
    # Python refuses to make an int of 5,000 digits
    return int(digits) if len(digits) < EXACT_DIGITS else float(digits)


def unescaped(text: bytes) -> bytes:
    """A request or an answer out of a line."""
    return text.replace(b"\\\\", b"\\")


def _escaped(text: bytes) -> bytes:
    if not any(each in text for each in _SPECIAL):  # which a batch is soon looked through for
        return text
    return text.translate(_BLANKS).replace(b"\\", b"\\\\")
