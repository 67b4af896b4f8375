"""What a worker and a batch process say to each other over a Unix socket.

The worker sends one JSON line, then the request's body, and closes its side. The batch process says that it has taken
the order, before it looks at the body. It answers with one JSON line and then parts, each behind its length in four
bytes; a part of no bytes is the end. So an answer that broke off is never taken for a whole one.
"""

import socket
import struct
from asyncio import StreamReader
from collections.abc import AsyncIterator, Iterable, Mapping

from pydantic import BaseModel, ConfigDict

LENGTH = struct.Struct("!I")
LONGEST_LINE = 1 << 20
"""Bytes; a request's headers are at most 32 KiB."""

LONGEST_PART = 1 << 18

TAKEN = b"taken\n"
"""What ends the batch process after this may be the order's doing."""


SCRAPE, OUTCOMES = "scrape", "outcomes"
"""Jobs that aren't asked of a model: the metrics of all workers, and a check of what came true."""


class Order(BaseModel):
    """The worker's line."""

    model_config = ConfigDict(frozen=True)

    job: str
    key: str = ""
    """Of the model in the store."""
    headers: Mapping[str, str] = {}
    options: Mapping[str, str] = {}
    length: int = 0
    """Bytes of a body that is worked on as a whole."""


class Outcome(BaseModel):
    """The batch process's line: an ``Answer`` without its body."""

    model_config = ConfigDict(frozen=True)

    status: int
    media_type: str
    headers: Mapping[str, str]
    rows: int
    refusal: str


def send_parts(connection: socket.socket, parts: Iterable[bytes]) -> None:
    """Sends what an answer consists of, and that this was all."""
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), LONGEST_PART):
            piece = view[start : start + LONGEST_PART]
            connection.sendall(LENGTH.pack(len(piece)))
            connection.sendall(piece)
    connection.sendall(LENGTH.pack(0))


async def receive_parts(reader: StreamReader) -> AsyncIterator[bytes]:
    """Raises asyncio.IncompleteReadError if the answer breaks off."""
    while length := LENGTH.unpack(await reader.readexactly(LENGTH.size))[0]:
        yield await reader.readexactly(length)
