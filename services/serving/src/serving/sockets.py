"""Names of Unix sockets, which the system limits to about 100 bytes, whatever the length of a folder's path."""

import functools
import os
from pathlib import Path

LONGEST = 100
"""Bytes that a socket's path may have anywhere; Linux takes 107."""


def address(path: Path) -> str:
    """What to bind, or to connect to: the path itself, or a shorter name of it by way of its open folder."""
    name = os.fspath(path)
    if len(os.fsencode(name)) <= LONGEST:
        return name
    return f"/proc/self/fd/{_opened(path.parent)}/{path.name}"


@functools.cache
def _opened(folder: Path) -> int:
    # a service has one run folder, and keeps it open as long as it lives
    return os.open(folder, os.O_PATH | os.O_DIRECTORY)
