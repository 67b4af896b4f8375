"""The packages with a C extension, where there is a compiler and where there is none."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from supply_chain import build_tools

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[3]
EXTENSIONS = {"treewalk": "treewalk/_walk", "linering": "linering/_ring"}


@pytest.mark.parametrize("compiler", ["cc", "false"])
@pytest.mark.parametrize("package", EXTENSIONS)
def test_a_package_is_built_without_a_compiler_too_and_then_without_its_extension(
    package: str, compiler: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    # a copy: setuptools keeps what it compiled beside the sources, and would take it from there
    source = shutil.copytree(ROOT / "packages" / package, tmp_path / package, ignore=shutil.ignore_patterns("build"))
    command = [build_tools.UV, "build", "--wheel", "--offline", f"--out-dir={tmp_path}", str(source)]
    environment = {**os.environ, "CC": compiler}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "network was disabled" in done.stderr:
        pytest.skip("uv has no copy of the back end here")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert f"{package}/__init__.py" in names
    assert any(name.startswith(EXTENSIONS[package] + ".") and name.endswith(".so") for name in names) is (
        compiler == "cc"
    )
    record_property("path", f"{package} is built: {'with' if compiler == 'cc' else 'without'} a compiler")
