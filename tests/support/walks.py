"""Test builds of the compiled walk, and which walks a machine can run."""

import importlib.util
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "packages/treewalk/src/treewalk/_walk.c"

SCALAR = "scalar"
NATIVE = "AVX-512"
EMULATED = "AVX-512, emulated"
SANITIZED = "AVX-512, emulated, under the address and UB sanitizers"

_ARITHMETIC = ("-std=c99", "-O1", "-ffp-contract=off")


def processor_ranks() -> bool:
    """Whether this processor has what the walk by ranks needs."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and {"avx512bw", "avx512vbmi"} <= set(flags.read_text().split())


def build_emulated(folder: Path, *flags: str) -> Path:
    """The extension with AVX-512's instructions emulated, as a shared library."""
    target = folder / "_walk.so"
    includes = [f"-I{sysconfig.get_path('include')}", f"-I{Path(__file__).parent}"]
    defines = ["-DPy_LIMITED_API=0x030b0000", "-DTREEWALK_EMULATED"]
    options = ["-shared", "-fPIC", *_ARITHMETIC, *flags, *defines, *includes]
    command = ["cc", *options, str(SOURCE), "-o", str(target), "-lm"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def load(library: Path) -> Any:
    """The type ``Walk`` of a build, beside whatever other build is loaded."""
    spec = importlib.util.spec_from_file_location("emulated._walk", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Walk
