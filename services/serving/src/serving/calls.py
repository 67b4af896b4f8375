"""What the protocols work with, whatever carries it: a call with its body, and the answer to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO


@dataclass(frozen=True)
class Limits:
    """How much one call may bring."""

    body_bytes: int
    rows: int


@dataclass(frozen=True)
class Call:
    """A request to a served model."""

    body: BinaryIO
    """Ends with the request's body; a protocol that streams reads it bit by bit."""
    limits: Limits
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the path and the query."""


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    body: bytes | Iterable[bytes]
    """Parts, where the answer is longer than should be held at once."""
    media_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    """Rows predicted, for the metrics."""
    refusal: str = ""
    """Why the call was refused, as a problem's slug; empty if it wasn't."""
