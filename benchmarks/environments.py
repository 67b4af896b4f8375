"""Virtual environments of the peers and tools: their dependencies aren't the project's, and often can't be."""

import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE / ".environments"
INSTALLED = "installed"

log = logging.getLogger("benchmarks")


class InstallationFailed(Exception):
    """The package index couldn't be reached, or no longer has what the requirements name."""


def python(name: str) -> Path:
    """The interpreter of the peer's or tool's environment, which is made if its requirements aren't installed yet."""
    folder = ROOT / name
    (requirements,) = HERE.glob(f"*/{name}/requirements.txt")
    overrides = HERE / "peers" / "overrides.txt"
    digest = hashlib.sha256(requirements.read_bytes() + overrides.read_bytes()).hexdigest()
    stamp = folder / INSTALLED
    if not stamp.exists() or stamp.read_text() != digest:
        log.info("installing %s into %s", name, folder)
        ROOT.mkdir(exist_ok=True)
        # by path: the interpreter that runs this, not one that would have to be downloaded
        run([_uv(), "venv", "--quiet", "--clear", "--python", str(Path(sys.executable).resolve()), str(folder)])
        install = [_uv(), "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
        run([*install, "--override", str(overrides), "--requirements", str(requirements)])
        stamp.write_text(digest)
    return folder / "bin" / "python"


def activated(name: str) -> dict[str, str]:
    """The variables that make a shell's commands those of the environment."""
    folder = ROOT / name
    return {"VIRTUAL_ENV": str(folder), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def run(command: Sequence[str]) -> None:
    """Raises InstallationFailed."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise InstallationFailed(f"{' '.join(command)}:\n{finished.stdout}{finished.stderr}")


def _uv() -> str:
    return str(Path(sys.executable).with_name("uv"))
