"""One program at a time works on a stack's folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.errors import AtWork


@contextmanager
def exclusively(folder: Path, what: str) -> Iterator[None]:
    """Keeps others out as long as the context lasts; the system lets them in if this process dies.

    Args:
        folder: the stack's, made if absent.
        what: is done here, for who is kept out.

    Raises:
        AtWork: another one is at it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AtWork(folder, os.pread(file, 200, 0).decode(errors="replace")) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{what} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(file)
