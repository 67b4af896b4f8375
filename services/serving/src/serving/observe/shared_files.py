"""The files that hold the workers' counters: all of their space is there from the beginning.

``prometheus_client`` maps files that have a length and no space yet. On a full disk, the first write to such a page
ends the process by SIGBUS, in the middle of a request. With the space taken beforehand a full disk is an error at the
start, which says what it is.
"""

import os
from pathlib import Path
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

FILE_BYTES = 128 * 1024
"""Half as much again as all routes, statuses and reasons take together."""


class AllocatedDict(MmapedDict):
    """A file of counters with its space."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            with Path(filename).open("ab") as file:
                _allocate(file.fileno(), max(FILE_BYTES, os.fstat(file.fileno()).st_size))
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        # a length, the key and its padding, and two numbers
        if self._used + len(key.encode()) + 32 > self._capacity:
            _allocate(self._f.fileno(), 2 * self._capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]


def use_allocated_files() -> None:
    """For all counters that are made from now on."""
    values.MmapedDict = AllocatedDict  # type: ignore[attr-defined]


def _allocate(handle: int, length: int) -> None:
    """Raises OSError where there is no room."""
    allocate: Any = getattr(os, "posix_fallocate", None)
    if allocate is not None:
        allocate(handle, 0, length)
        return
    # macOS: what is written has its space
    missing = length - os.fstat(handle).st_size
    while missing > 0:
        missing -= os.write(handle, bytes(missing))
