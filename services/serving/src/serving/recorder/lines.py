"""What was said, as lines that Postgres' COPY reads."""

from collections.abc import Iterable, Sequence

MICROSECONDS = 1_000_000
"""In a second. The log has times in them."""
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


def unescaped(text: bytes) -> bytes:
    """A request or an answer out of a line."""
    return text.replace(b"\\\\", b"\\")


def _escaped(text: bytes) -> bytes:
    if not any(each in text for each in _SPECIAL):  # which a batch is soon looked through for
        return text
    return text.translate(_BLANKS).replace(b"\\", b"\\\\")
