"""Files that are whole or not there, whenever the machine stops."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


def make_folder(path: Path) -> None:
    """Makes a folder and all above it that are missing; after a crash of the machine they are there."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync(folder.parent)


def write_durably(target: Path, content: bytes) -> None:
    """Replaces the file in one step; after a crash of the machine it has the old content or the new."""
    replace(target, content, durably=True)
    sync(target.parent)


def replace(target: Path, content: bytes, *, durably: bool = False) -> None:
    """Replaces the file in one step: who reads it sees the old content or the new.

    Args:
        durably: the content is on the disk before it takes the place of the old one.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durably:
                file.flush()
                os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def replace_if_possible(target: Path, content: bytes) -> None:
    """What others are told stays behind while the disk is full; what it tells of goes on."""
    try:
        replace(target, content)
    except OSError as error:
        log.warning("%s can't be written: %s", target.name, error)


def sync(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Takes the lock if it is free, and yields whether it was. It ends with its holder, however that ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
