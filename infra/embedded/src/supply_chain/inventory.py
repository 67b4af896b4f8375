"""What an image of the stack has in it, if it is built."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

PROGRAM = Path("infra/images/inventory.py")


def of_image(root: Path, image: str) -> dict[str, Any] | None:
    """What the program of that name finds in ``roundhouse-<image>``; None if there is no Docker or no such image.

    Raises:
        CalledProcessError: it can't be run there.
    """
    reference = f"roundhouse-{image}:{os.environ.get('ROUNDHOUSE_TAG') or 'latest'}"
    try:
        known = subprocess.run(["docker", "image", "inspect", reference], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    if known.returncode:
        return None
    confined = ["--rm", "--interactive", "--network=none", "--read-only", "--cap-drop=ALL", "--entrypoint=python"]
    done = subprocess.run(
        ["docker", "run", *confined, reference, "-"],
        input=(root / PROGRAM).read_text(),
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
