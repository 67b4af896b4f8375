"""How large a message's arrays will be, from its metadata: a FlatBuffers table that pyarrow has verified but hides.

Field numbers are those of Arrow's ``Message.fbs``.
"""

from struct import unpack_from

import numpy as np
import pyarrow as pa

from serving.errors import BadArrow

HEADER = 2
ROWS, BUFFERS, COMPRESSION = 0, 2, 3
DATA, IS_DELTA = 1, 2

NOT_COMPRESSED = -1
"""Stands in place of the length of a buffer that compression wouldn't have made smaller."""


class Metadata:
    """Of a record batch or a dictionary."""

    def __init__(self, message: pa.Message) -> None:
        self._bytes = memoryview(message.metadata)
        self._body = memoryview(message.body)
        batch = self._follow(self._follow(0), HEADER)
        self.is_delta = False
        if message.type == "dictionary":
            flag = self._find(batch, IS_DELTA)
            self.is_delta = flag is not None and self._bytes[flag] != 0
            batch = self._follow(batch, DATA)
        self._batch = batch

    @property
    def rows(self) -> int:
        at = self._find(self._batch, ROWS)
        return 0 if at is None else int(unpack_from("<q", self._bytes, at)[0])

    @property
    def size(self) -> int:
        """Bytes of all buffers once they aren't compressed any more. Raises BadArrow."""
        if self._find(self._batch, COMPRESSION) is None or self._find(self._batch, BUFFERS) is None:
            return len(self._body)
        vector = self._follow(self._batch, BUFFERS)
        count = unpack_from("<I", self._bytes, vector)[0]
        buffers = np.frombuffer(self._bytes, "<i8", 2 * count, vector + 4).reshape(-1, 2)
        return sum(self._uncompressed(offset, length) for offset, length in buffers.tolist() if length)

    def _uncompressed(self, offset: int, length: int) -> int:
        if length < 8 or offset < 0 or offset + length > len(self._body):
            raise BadArrow("a buffer lies outside of its message")
        size: int = unpack_from("<q", self._body, offset)[0]
        if size < NOT_COMPRESSED:
            raise BadArrow("a buffer has a negative size")
        return length if size == NOT_COMPRESSED else size

    def _find(self, table: int, field: int) -> int | None:
        """Where a table's field is; None if it has its default."""
        vtable = table - unpack_from("<i", self._bytes, table)[0]
        entry = 4 + 2 * field
        if entry >= unpack_from("<H", self._bytes, vtable)[0]:
            return None
        offset: int = unpack_from("<H", self._bytes, vtable + entry)[0]
        return table + offset if offset else None

    def _follow(self, table: int, field: int | None = None) -> int:
        """The table or vector that a field, or the beginning, points to."""
        at = table if field is None else self._find(table, field)
        if at is None:
            raise BadArrow("a message has no content")
        return at + int(unpack_from("<I", self._bytes, at)[0])
