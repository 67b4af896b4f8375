"""The compiled ring. ``linering.new`` makes one."""

from typing import ClassVar, final

from typing_extensions import Buffer

@final
class Ring:
    """Nothing of it waits: a line for which there is no room is counted and left out.

    One process at a time may write, and one may read; which ones may change. A writer that is killed leaves whole
    lines.
    """

    HEADER_BYTES: ClassVar[int]
    """Of the memory, that aren't for lines."""

    def __new__(cls, memory: Buffer, kind: bytes, /) -> Ring:
        """Goes on with what is in the memory, which is all zeros at first.

        Raises:
            ValueError: the memory is too small, or ``kind`` is longer than 16 bytes or has a tab or line break.
        """

    def add(self, seconds: float, request: bytes, answer: bytes, /) -> bool:
        """Writes ``kind``, the time since 1970 and ``seconds``, both in whole microseconds, ``request`` and ``answer``;
        False if there is no room.

        Tabs and line breaks of the two texts become blanks, which in JSON is the same.
        """

    def waiting(self) -> bytes:
        """The lines that no reader has released, all whole.

        Raises:
            ValueError: the memory is damaged.
        """

    def release(self, length: int, /) -> None:
        """Gives the room of the first so many bytes back to the writer.

        Raises:
            ValueError: there are fewer.
        """

    @property
    def added(self) -> int:
        """Lines that this process has written."""

    @property
    def missed(self) -> int:
        """Lines of this process that there was no room for."""
