"""The ring's own tests, with the extension under the address and undefined-behaviour sanitizers."""

import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
import sanitizers

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(sanitizers.runtime() is None, reason="the compiler has no address sanitizer"),
]

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "packages/linering/src/linering"


def build(folder: Path) -> None:
    """The package with a sanitized extension."""
    shutil.copytree(SOURCE, folder / "linering", ignore=shutil.ignore_patterns("*.so"))
    defines = ["-DPy_LIMITED_API=0x030b0000", f"-I{sysconfig.get_path('include')}"]
    target = folder / "linering/_ring.abi3.so"
    flags = ["-shared", "-fPIC", "-std=c99", "-O1", *sanitizers.FLAGS]
    subprocess.run(["cc", *flags, *defines, SOURCE / "_ring.c", "-o", target], check=True)


def test_no_read_or_write_leaves_its_memory(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    build(tmp_path)
    taken = sanitizers.python(["-c", "import linering._ring as ring; print(ring.__file__)"], tmp_path)
    assert Path(taken.stdout.strip()).is_relative_to(tmp_path)
    tests = Path(__file__).with_name("test_ring.py")
    options = ["-q", "-p", "no:cacheprovider", "--hypothesis-profile=quick"]
    done = sanitizers.python(["-m", "pytest", *options, tests], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record_property("path", "ring: in C, under the address and UB sanitizers")
