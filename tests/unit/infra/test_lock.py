"""Releases that have to be the same, or exact, in what the lock holds."""

import hashlib
import json
import re
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from supply_chain import build_tools

ROOT = Path(__file__).resolve().parents[3]
MLFLOW = re.compile(r"(mlflow[\w-]*)(.*)")


def read(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text())


def release(package: str) -> str:
    """The locked one."""
    return str(next(found["version"] for found in read("uv.lock")["package"] if found["name"] == package))


def requirements() -> list[str]:
    """Of all members of the workspace, with those of their extras."""
    found: list[str] = []
    for member in read("pyproject.toml")["tool"]["uv"]["workspace"]["members"]:
        project = read(f"{member}/pyproject.toml")["project"]
        found += project.get("dependencies", [])
        for extra in project.get("optional-dependencies", {}).values():
            found += extra
    return found


def test_mlflow_s_server_and_its_client_are_the_same_exact_release() -> None:
    wanted = {match.groups() for match in map(MLFLOW.fullmatch, requirements()) if match}
    locked = {package["version"] for package in read("uv.lock")["package"] if MLFLOW.fullmatch(package["name"])}

    assert {name for name, _ in wanted} == {"mlflow", "mlflow-skinny"}
    (release,) = locked
    assert {which for _, which in wanted} == {f"=={release}"}


def test_no_back_end_runs_that_is_not_uv_s_own_or_of_a_hash_of_ours() -> None:
    settings = read("pyproject.toml")["tool"]["uv"]
    uv = Version(release("uv"))
    pinned = {Requirement(entry["requirement"]).name for entry in settings["build-constraint-dependencies"]}
    systems = [read(f"{member}/pyproject.toml").get("build-system") for member in settings["workspace"]["members"]]
    wanted = [Requirement(text) for system in systems if system for text in system["requires"]]

    assert settings["require-build-hashes"] is True
    for requirement in wanted:
        # of these releases uv is the back end itself; of others it would download one
        assert requirement.name in pinned or (requirement.name == "uv_build" and uv in requirement.specifier)


def test_uv_is_installed_by_the_lock_s_hashes() -> None:
    text = (ROOT / build_tools.FILE).read_text()
    assert text == build_tools.requirements(ROOT)
    assert text.startswith(f"{build_tools.HEAD}uv=={release('uv')} ")


def write_back_end(folder: Path) -> str:
    """A wheel whose code tells that it has run; its SHA-256."""
    wheel = folder / "backend-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("backend.py", "def build_wheel(*given):\n    raise SystemExit('the back end ran')\n")
        archive.writestr("backend-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: backend\nVersion: 1\n")
        archive.writestr("backend-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("backend-1.dist-info/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.parametrize("is_right", [True, False])
def test_a_back_end_of_another_hash_is_not_run(tmp_path: Path, is_right: bool) -> None:
    digest = write_back_end(tmp_path)
    constraint = {"requirement": "backend==1", "hashes": [f"sha256:{digest if is_right else '0' * 64}"]}
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "example"\nversion = "1"\n'
        '[build-system]\nrequires = ["backend"]\nbuild-backend = "backend"\n'
        f"[tool.uv]\nrequire-build-hashes = true\nbuild-constraint-dependencies = [{inline(constraint)}]\n"
    )
    options = ["--no-index", f"--find-links={tmp_path}", f"--cache-dir={tmp_path / 'cache'}"]
    command = [build_tools.UV, "build", "--wheel", *options, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ("the back end ran" in done.stderr) is is_right, done.stderr
    assert ("Hash mismatch" in done.stderr) is not is_right, done.stderr


def inline(table: dict[str, Any]) -> str:
    """As an inline table of TOML, for texts and lists of texts."""
    return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items()) + "}"
