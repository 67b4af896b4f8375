"""UBJSON, as far as XGBoost writes it: the arrays that are large are typed, and are taken over without copying.

Lengths are always int64 and typed arrays always have a count: XGBoost's own reader takes nothing else either.
"""

import struct
from typing import Any

import numpy as np

MOST_LEVELS = 32
"""XGBoost's models have nine."""

_TYPES = {
    ord(marker): np.dtype(name)
    for marker, name in {"d": ">f4", "D": ">f8", "i": "i1", "U": "u1", "I": ">i2", "l": ">i4", "L": ">i8"}.items()
}
_NUMBERS = {marker: struct.Struct(f">{code}") for marker, code in zip(b"dDiUIlL", "fdbBhiq", strict=True)}
_CONSTANTS = {ord("T"): True, ord("F"): False, ord("Z"): None}
_LENGTH = struct.Struct(">q")
_ARRAY, _OBJECT, _TEXT = b"[{S"
_END_ARRAY, _END_OBJECT = b"]}"


class Malformed(ValueError):
    """The bytes are no UBJSON of XGBoost's kind."""


def read(content: bytes) -> Any:
    """The document: dict, list, str, int, float, bool or None; a typed array is a read-only big-endian ndarray.

    Raises:
        Malformed: with the position.
    """
    reader = _Reader(content)
    try:
        document = reader.value(0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise Malformed(f"ends or breaks at byte {reader.at} of {len(content)}") from error
    if reader.at != len(content):
        raise Malformed(f"goes on after its end, at byte {reader.at}")
    return document


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.at = 0

    def value(self, level: int) -> Any:
        marker = self._content[self.at]
        self.at += 1
        if marker == _TEXT:
            return self._text()
        if number := _NUMBERS.get(marker):
            (value,) = number.unpack_from(self._content, self.at)
            self.at += number.size
            return value
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if level == MOST_LEVELS:
            raise Malformed(f"is nested more than {MOST_LEVELS} levels deep")
        if marker == _ARRAY:
            return self._array(level + 1)
        if marker == _OBJECT:
            return self._object(level + 1)
        raise Malformed(f"has an unknown marker at byte {self.at - 1}")

    def _object(self, level: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while self._content[self.at] != _END_OBJECT:
            name = self._text()
            if name in members:
                raise Malformed(f"has {name!r} twice in one object, at byte {self.at}")
            members[name] = self.value(level)
        self.at += 1
        return members

    def _array(self, level: int) -> Any:
        if self._content[self.at] == ord("$"):
            kind = _TYPES.get(self._content[self.at + 1])
            self.at += 2
            if kind is None:
                raise Malformed(f"has an array of an unknown type at byte {self.at}")
            return self._typed(kind)
        if self._content[self.at] == ord("#"):
            return [self.value(level) for _ in range(self._count())]
        items = []
        while self._content[self.at] != _END_ARRAY:
            items.append(self.value(level))
        self.at += 1
        return items

    def _typed(self, kind: "np.dtype[Any]") -> Any:
        count = self._count(kind.itemsize)
        array = np.frombuffer(self._content, kind, count, self.at) if count else np.empty(0, kind)
        self.at += count * kind.itemsize
        return array

    def _count(self, size: int = 1) -> int:
        if self._content[self.at] != ord("#"):
            raise Malformed(f"has an array without count at byte {self.at}")
        self.at += 1
        return self._length(size)

    def _text(self) -> str:
        length = self._length()
        start = self.at
        self.at += length
        return self._content[start : self.at].decode()

    def _length(self, size: int = 1) -> int:
        """An int64; no more elements than the bytes that are left can hold."""
        if self._content[self.at] != ord("L"):
            raise Malformed(f"has no length at byte {self.at}")
        (length,) = _LENGTH.unpack_from(self._content, self.at + 1)
        self.at += 9
        if not 0 <= length <= (len(self._content) - self.at) // size:
            raise Malformed(f"has a length of {length} at byte {self.at}")
        return int(length)
