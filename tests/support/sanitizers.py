"""A C extension under the address and undefined-behaviour sanitizers: how it is compiled, and how Python runs it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


def runtime() -> str | None:
    """The address sanitizer's library, which has to be loaded before everything else; None if the compiler has none."""
    found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    path = found.stdout.strip()
    return path if Path(path).is_absolute() else None


def python(arguments: Sequence[str | Path], path: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program that uses the extension, with modules from ``path`` first; a fault ends it with a report."""
    environment = {
        **os.environ,
        "LD_PRELOAD": str(runtime()),
        # the interpreter itself frees little at its end
        "ASAN_OPTIONS": "detect_leaks=0",
        # each object in memory of its own, or the sanitizer wouldn't see where one ends
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(path),
        "OPENBLAS_NUM_THREADS": "1",
    }
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
