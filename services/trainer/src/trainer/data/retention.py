"""What lies on the shared volume doesn't grow for ever."""

import shutil
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path


def remove_older(folders: Iterable[Path], age: timedelta) -> int:
    """Removes entries that nobody has written to for so long; the number removed.

    An entry is a file or folder directly inside one of ``folders``. One that another process removes meanwhile is
    as good as removed.
    """
    oldest = time.time() - age.total_seconds()
    removed = 0
    for folder in folders:
        for entry in folder.iterdir() if folder.is_dir() else ():
            if _last_written(entry) < oldest:
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
                removed += 1
    return removed


def _last_written(entry: Path) -> float:
    return max((path.stat().st_mtime for path in (entry, *entry.rglob("*"))), default=0.0)
