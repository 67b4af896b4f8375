"""The spool: a folder of segments, files of lines that are written by one process and read by another.

A segment's name says who writes it, its number and its kind: ``<writer>.<number>.<kind>``, with ``.open`` at its end
while more may come. The writer is a process of one run of the service, ``<run>-<pid>``.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from serving.files import make_folder, sync
from serving.peers import is_alive
from serving.settings import Settings

PREDICTIONS = "predictions"
OUTCOMES = "outcomes"
KINDS = (PREDICTIONS, OUTCOMES)
OPEN = ".open"
SEGMENT_BYTES = 4 * 1024 * 1024
"""After which the next segment begins; longer ones would keep the disk's space longer than they have to."""


@dataclass(frozen=True)
class Spool:
    """The folder, as one run of the service sees it."""

    folder: Path
    run: str
    """Name of this run of the service, which no other has had."""

    def writer(self) -> str:
        """This process's name as a writer."""
        return f"{self.run}-{os.getpid()}"

    def new(self, number: int, kind: str) -> Path:
        """The path of this process's next segment."""
        return self.folder / f"{self.writer()}.{number:06d}.{kind}{OPEN}"

    def total_bytes(self) -> int:
        """How much waits there. What the warehouse refused has a limit of its own: it keeps nothing else out."""
        total = 0
        for entry in os.scandir(self.folder):
            if not _is_segment(entry.name):
                continue
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue
        return total

    def segments(self) -> Iterator["Segment"]:
        """All that there are, those of one writer in the order of their writing."""
        for path in sorted(self.folder.iterdir()):
            if _is_segment(path.name):
                parts = path.name.split(".")
                yield Segment(path, parts[2], is_open=path.name.endswith(OPEN) and self._writes(parts[0]))

    def _writes(self, writer: str) -> bool:
        run, _, pid = writer.rpartition("-")
        return run == self.run and pid.isdecimal() and is_alive(int(pid))


def _is_segment(name: str) -> bool:
    parts = name.removesuffix(OPEN).split(".")
    return len(parts) == 3 and parts[2] in KINDS


@dataclass(frozen=True)
class Segment:
    """One file of the spool."""

    path: Path
    kind: str
    is_open: bool
    """More may come: its writer lives and hasn't ended it."""

    @property
    def name(self) -> str:
        """The same before and after its end."""
        return self.path.name.removesuffix(OPEN)


class SegmentWriter:
    """Appends whole lines to segments of one kind. For one thread at a time, which waits as long as the disk takes."""

    def __init__(self, spool: Spool, kind: str, longest: int = SEGMENT_BYTES) -> None:
        """``longest``: bytes after which the next segment begins."""
        self._spool = spool
        self._kind = kind
        self._longest = longest
        self._number = 0
        self._file: int | None = None
        self._path = Path()
        self._length = 0
        self._is_named = False
        """The disk knows the file by its name, too."""

    def write(self, lines: bytes, *, durably: bool = False) -> None:
        """All of it or nothing.

        Args:
            durably: it is on the disk, rather than in the system's memory, when this returns.

        Raises:
            OSError: the disk is full, or worse; nothing was written.
        """
        handle = self._begun()
        try:
            written = 0
            while written < len(lines):
                written += os.write(handle, memoryview(lines)[written:])
            if durably:
                os.fsync(handle)
                self._have_named()
        except OSError:
            self._take_back(handle)
            raise
        self._length += len(lines)
        if self._length >= self._longest:
            self.end()

    def end(self) -> None:
        """Nothing more comes to the segment under way."""
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        self._path.rename(self._path.with_name(self._path.name.removesuffix(OPEN)))

    def _begun(self) -> int:
        while self._file is None:
            self._number += 1
            self._path = self._spool.new(self._number, self._kind)
            # a worker that was killed may have had this one's process id
            with suppress(FileExistsError):
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
                self._length, self._is_named = 0, False
        return self._file

    def _have_named(self) -> None:
        if not self._is_named:
            sync(self._spool.folder)
            self._is_named = True

    def _take_back(self, handle: int) -> None:
        try:
            os.ftruncate(handle, self._length)
        except OSError:
            # the torn line stays, and what follows begins in another file
            self.end()


def spool_of(settings: Settings) -> Spool:
    """The service's; the folder is kept from one run to the next."""
    assert settings.run_dir is not None
    folder = settings.store / settings.model_name / "spool"
    make_folder(folder)
    return Spool(folder, settings.run_dir.name)
