"""From the spool to the warehouse: reads on where it stopped, and removes segments that have arrived as a whole."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from serving.recorder import blocks
from serving.recorder.blocks import Unreadable
from serving.recorder.shadow import Shadow
from serving.recorder.spool import OUTCOMES, Segment, Spool
from serving.recorder.warehouse import Unfit

log = logging.getLogger(__name__)

PART_BYTES = 512 * 1024
"""Of the spool, what is sent at once; and the rest of the last block."""
REFUSED = "refused.lines"
"""Lines that the warehouse won't take, in the spool's folder, for a person to look at."""
UNREADABLE = "unreadable."
"""Before the name of a segment that a broken disk has left."""


class Keeper(Protocol):
    """What takes the lines: see ``serving.recorder.warehouse.Warehouse``."""

    def take(self, kind: str, lines: bytes) -> int: ...


@dataclass
class Counts:
    """Since the recorder's start."""

    rows: int = 0
    """That the warehouse didn't have."""
    refused: int = 0
    """Lines that it won't take."""
    torn: int = 0
    """Blocks without an end, of processes that were killed while they wrote, and unreadable ones."""


@dataclass
class _Part:
    """Of one segment, what is sent together with others."""

    segment: Segment
    lines: bytes
    length: int
    """Bytes of the segment."""


@dataclass
class Shipper:
    """Not for two at once. Reading begins anew with each: what had arrived already counts as nothing new."""

    spool: Spool
    keeper: Keeper
    shadow: Shadow | None = None
    """Is told the lines of predictions once the warehouse has them."""
    counts: Counts = field(default_factory=Counts)
    _offsets: dict[str, int] = field(default_factory=dict)

    def ship(self) -> bool:
        """Sends on what there is, up to a part's length; whether there was anything. Raises Away."""
        segments = list(self.spool.segments())
        sent = False
        for outcomes in (False, True):
            parts = self._parts([segment for segment in segments if (segment.kind == OUTCOMES) is outcomes])
            if parts:
                self._send(parts)
                sent = True
        self._remove_done(segments)
        return sent

    def make_durable(self) -> None:
        """Has the disk keep what waits for the warehouse, against a loss of power."""
        for segment in self.spool.segments():
            try:
                handle = os.open(segment.path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _parts(self, segments: Sequence[Segment]) -> list[_Part]:
        parts, room = [], PART_BYTES
        for segment in segments:
            lines, length = self._read(segment, room)
            if length:
                parts.append(_Part(segment, lines, length))
                room -= length
            if room <= 0:
                break
        return parts

    def _read(self, segment: Segment, room: int) -> tuple[bytes, int]:
        """Lines from where it stopped, and how long the blocks are: as many as there is room for, and one more."""
        try:
            with segment.path.open("rb") as file:
                file.seek(self._offsets.get(segment.name, 0))
                data = file.read(room)
                while len(data) >= room and (more := file.read(blocks.missing(data))):
                    data += more
        except FileNotFoundError:
            return b"", 0  # it was ended just now, and has another name
        try:
            return blocks.read(data)
        except Unreadable:
            if not segment.is_open:
                self._set_aside(segment)
            return b"", 0

    def _set_aside(self, segment: Segment) -> None:
        self.counts.torn += 1
        place = segment.path.with_name(UNREADABLE + segment.name)
        offset = self._offsets.pop(segment.name, 0)
        log.error("%s is unreadable from byte %s on, and now lies in %s", segment.name, offset, place.name)
        segment.path.rename(place)

    def _send(self, parts: Sequence[_Part]) -> None:
        lines = b"".join(part.lines for part in parts)
        self._keep(parts[0].segment.kind, lines)
        for part in parts:
            name = part.segment.name
            self._offsets[name] = self._offsets.get(name, 0) + part.length
        if self.shadow is not None and parts[0].segment.kind != OUTCOMES:
            self.shadow.arrived(lines, behind=sum(part.length for part in parts) >= PART_BYTES)

    def _keep(self, kind: str, lines: bytes) -> None:
        try:
            self.counts.rows += self.keeper.take(kind, lines)
        except Unfit as error:
            halves = _halves(lines)
            if len(halves) == 1:
                self._refuse(lines, error)
                return
            for half in halves:
                self._keep(kind, half)

    def _refuse(self, line: bytes, error: Unfit) -> None:
        self.counts.refused += 1
        log.error("the warehouse refused a line of the log: %s", error)
        with (self.spool.folder / REFUSED).open("ab") as file:
            file.write(line)

    def _remove_done(self, segments: Sequence[Segment]) -> None:
        # whether it is open was seen before its blocks were read, so nothing can have come since
        for segment in segments:
            if segment.is_open or self._read(segment, 1)[1]:
                continue
            torn = _length(segment.path) - self._offsets.pop(segment.name, 0)
            if torn:
                self.counts.torn += 1
                log.warning("%s ends with a torn block of %s bytes", segment.name, torn)
            segment.path.unlink(missing_ok=True)


def _halves(lines: bytes) -> list[bytes]:
    """The lines in two parts; one part, if it is one line."""
    middle = lines.find(b"\n", len(lines) // 2) + 1
    if middle in {0, len(lines)}:
        middle = lines.rfind(b"\n", 0, len(lines) // 2) + 1
    return [lines] if middle == 0 else [lines[:middle], lines[middle:]]


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
