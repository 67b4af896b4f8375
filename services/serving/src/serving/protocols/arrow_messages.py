"""Arrow IPC messages of a body, one at a time, each known to be small before pyarrow makes arrays of it."""

import struct
from typing import BinaryIO

import pyarrow as pa

from serving.errors import BadArrow, BodyTooLarge
from serving.protocols.arrow_metadata import Metadata
from serving.protocols.bodies import exactly

BEGINNING = b"\xff" * 4
"""Goes before a message's length."""

END = bytes(4)
"""A message of length zero ends a stream."""


class Source:
    """The body as a file for pyarrow, which asks for as much of it as a message says it has."""

    closed = False

    def __init__(self, body: BinaryIO, limit: int) -> None:
        self._body = body
        self._limit = limit
        self._last = b""

    @property
    def has_ended(self) -> bool:
        """Was the end's mark the last that was read? A stream that was cut between two messages has none."""
        return self._last == END and not self._body.read(1)

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= self._limit:
            raise BodyTooLarge(self._limit)
        before, self._last = self._last, exactly(self._body, count)
        if not before and self._last != BEGINNING:
            # whatever else it is, its first bytes must not be taken for a length
            raise BadArrow("the body does not begin as an Arrow IPC stream")
        return self._last


class Messages:
    """The checked messages as a file for a stream reader. Holds no more than one.

    Reading raises:
        BadArrow: a message is damaged or of an old kind, or the stream has no end.
        BodyTooLarge: a message, or what decompression would make of it, exceeds the limit.
    """

    closed = False

    def __init__(self, body: BinaryIO, limit: int) -> None:
        self._source = Source(body, limit)
        self._reader = pa.ipc.MessageReader.open_stream(pa.PythonFile(self._source, "r"))
        self._limit = limit
        self._deltas = 0
        first = self._next()
        if first is None or first.type != "schema":
            raise BadArrow("the body does not begin with a schema")
        self.schema: pa.Schema = pa.ipc.read_schema(first)
        self._rest = memoryview(first.serialize())

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        if not self._rest:
            message = self._next()
            self._rest = memoryview(b"" if message is None else message.serialize())
        part, self._rest = self._rest[:count], self._rest[count:]
        return bytes(part)

    def _next(self) -> pa.Message | None:
        try:
            message = self._reader.read_next_message()
        except StopIteration:
            if not self._source.has_ended:
                raise BadArrow("the stream has no end, or bytes follow after it") from None
            return None
        if message.metadata_version < pa.ipc.MetadataVersion.V5:
            raise BadArrow("the stream is of a version before Arrow 1.0")
        if message.type in ("record batch", "dictionary"):
            self._check(message)
        return message

    def _check(self, message: pa.Message) -> None:
        try:
            metadata = Metadata(message)
            size, rows = metadata.size, metadata.rows
        except (struct.error, ValueError, IndexError) as error:
            raise BadArrow(f"a message is damaged: {error}") from None
        self._deltas += size if metadata.is_delta else 0
        # a column of nulls takes no bytes: as many rows as bytes are too many
        if max(size, rows, self._deltas) > self._limit:
            raise BodyTooLarge(self._limit)
