"""uv with the hashes of all its wheels, out of the lock, in the form that pip checks."""

import subprocess
import sys
from pathlib import Path

FILE = Path("infra/images/uv.txt")
UV = str(Path(sys.executable).with_name("uv"))
"""This virtual environment's."""
HEAD = "# Of uv.lock, by `make pin`: pip installs this uv, of these hashes, and no other.\n"


def requirements(root: Path) -> str:
    """What belongs into ``FILE``.

    Raises:
        CalledProcessError: uv can't read the lock.
    """
    command = [UV, "export", "--frozen", "--quiet", "--only-group=installer", "--no-header", "--no-annotate"]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return HEAD + done.stdout
