"""From the spool to the warehouse: reads on where it stopped, and removes segments that have arrived as a whole."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from serving.files import sync
from serving.recorder.lines import plainly
from serving.recorder.shadow import Shadow
from serving.recorder.spool import OUTCOMES, Segment, Spool
from serving.recorder.warehouse import Unfit

log = logging.getLogger(__name__)

PART_BYTES = 512 * 1024
"""What is sent at once; a longer line is sent alone."""
REFUSED = "refused.lines"
"""Lines that the warehouse won't take, in the spool's folder, for a person to look at."""
REFUSED_BYTES = 8 * 1024 * 1024
"""Of that file, and of the one before it, which is kept beside it. They don't count towards the spool's limit."""


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
    """Lines without an end, of processes that were killed while they wrote."""


@dataclass
class _Part:
    """Lines of one segment that are sent together with others."""

    segment: Segment
    lines: bytes


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
            with suppress(FileNotFoundError):  # it was ended just now, and has another name
                sync(segment.path)
        sync(self.spool.folder)

    def _parts(self, segments: Sequence[Segment]) -> list[_Part]:
        parts, room = [], PART_BYTES
        for segment in segments:
            lines = self._read(segment, room)
            if lines:
                parts.append(_Part(segment, lines))
                room -= len(lines)
            if room <= 0:
                break
        return parts

    def _read(self, segment: Segment, room: int) -> bytes:
        """Whole lines from where it stopped, about as many bytes as there is room; at least one line, if there is."""
        try:
            with segment.path.open("rb") as file:
                file.seek(self._offsets.get(segment.name, 0))
                lines = file.read(room)
                end = lines.rfind(b"\n") + 1
                if end == 0 and len(lines) == room:
                    lines += file.readline()
                    end = lines.rfind(b"\n") + 1
        except FileNotFoundError:
            return b""  # it was ended just now, and has another name
        return lines[:end]

    def _send(self, parts: Sequence[_Part]) -> None:
        lines = b"".join(part.lines for part in parts)
        self._keep(parts[0].segment.kind, lines)
        for part in parts:
            name = part.segment.name
            self._offsets[name] = self._offsets.get(name, 0) + len(part.lines)
        if self.shadow is not None and parts[0].segment.kind != OUTCOMES:
            self.shadow.arrived(lines, behind=len(lines) >= PART_BYTES)

    def _keep(self, kind: str, lines: bytes) -> None:
        try:
            self.counts.rows += self.keeper.take(kind, lines)
        except Unfit:
            # all of them at once: whoever sends much of what doesn't fit makes two transactions of one, and no more
            self._keep_apart(kind, lines if kind == OUTCOMES else plainly(lines))

    def _keep_apart(self, kind: str, lines: bytes) -> None:
        try:
            self.counts.rows += self.keeper.take(kind, lines)
        except Unfit as error:
            halves = _halves(lines)
            if len(halves) == 1:
                self._refuse(lines, error)
                return
            for half in halves:
                self._keep_apart(kind, half)

    def _refuse(self, line: bytes, error: Unfit) -> None:
        self.counts.refused += 1
        log.error("the warehouse refused a line of the log: %s", error)
        path = self.spool.folder / REFUSED
        with suppress(FileNotFoundError):
            if path.stat().st_size + len(line) > REFUSED_BYTES:
                path.replace(path.with_name(f"{REFUSED}.1"))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write(line if len(line) <= REFUSED_BYTES else line[: REFUSED_BYTES - 1] + b"\n")

    def _remove_done(self, segments: Sequence[Segment]) -> None:
        # whether it is open was seen before its lines were read, so nothing can have come since
        for segment in segments:
            if segment.is_open or self._read(segment, 1):
                continue
            try:
                length = segment.path.stat().st_size
            except FileNotFoundError:
                continue  # as in _read
            torn = length - self._offsets.pop(segment.name, 0)
            if torn:
                self.counts.torn += 1
                log.warning("%s ends with a torn line of %s bytes", segment.name, torn)
            segment.path.unlink(missing_ok=True)


def _halves(lines: bytes) -> list[bytes]:
    """The lines in two parts; one part, if it is one line."""
    middle = lines.find(b"\n", len(lines) // 2) + 1
    if middle in {0, len(lines)}:
        middle = lines.rfind(b"\n", 0, len(lines) // 2) + 1
    return [lines] if middle == 0 else [lines[:middle], lines[middle:]]
