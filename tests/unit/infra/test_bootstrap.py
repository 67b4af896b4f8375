"""``infra/bootstrap``: which uv installs the project, and how that uv itself is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STUB = """#!/bin/sh
echo "$(basename "$0") $*" >>"$LOG"
case "$*" in
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  "-m pip install "*) cp "$0" .venv/bin/uv ;;
  --version) echo "uv RELEASE (a stub)" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With a Python that only notes what it is asked for, and another release of uv on PATH, which does too."""
    (tmp_path / "infra/images").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for name in ("infra/bootstrap", "infra/images/uv.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    release = (tmp_path / "infra/images/uv.txt").read_text().partition("uv==")[2].split()[0]
    programs = {
        "bin/python": STUB.replace("RELEASE", release),
        "bin/uv": STUB.replace("RELEASE", "0.1.0").replace("basename", "echo foreign"),
        "infra/find-python": f"#!/bin/sh\necho {tmp_path}/bin/python\n",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(checkout: Path) -> list[str]:
    """What the programs were asked for."""
    log = checkout / "log"
    log.unlink(missing_ok=True)
    environment = {"PATH": f"{checkout / 'bin'}:{os.environ['PATH']}", "LOG": str(log), "HOME": str(checkout)}
    subprocess.run([checkout / "infra/bootstrap"], cwd=checkout, env=environment, check=True, capture_output=True)
    return log.read_text().splitlines()


def test_uv_is_installed_by_its_hashes_whatever_uv_is_on_path(checkout: Path) -> None:
    asked = run(checkout)
    assert "python -m pip install --quiet --disable-pip-version-check --require-hashes -r infra/images/uv.txt" in asked
    assert asked[-1] == "uv sync --quiet --frozen --all-packages --all-groups --compile-bytecode"
    assert not [line for line in asked if line.startswith("foreign")]


def test_the_second_time_uv_is_there_already(checkout: Path) -> None:
    run(checkout)
    assert not [line for line in run(checkout) if "pip install" in line]


def test_another_release_than_the_lock_s_is_replaced(checkout: Path) -> None:
    run(checkout)
    old = (checkout / ".venv/bin/uv").read_text().replace('echo "uv ', 'echo "uv 9')
    (checkout / ".venv/bin/uv").write_text(old)
    assert [line for line in run(checkout) if "pip install" in line]


def test_an_environment_that_was_moved_or_copied_with_its_folder_is_made_anew(checkout: Path) -> None:
    run(checkout)
    copy = checkout.with_name("copy")
    shutil.copytree(checkout, copy)
    assert "python -m venv .venv" not in run(checkout)
    assert "python -m venv .venv" in run(copy)
    assert "python -m venv .venv" not in run(copy)
