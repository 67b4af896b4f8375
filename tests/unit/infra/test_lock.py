"""Releases that have to be the same, or exact, in what the lock holds."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
MLFLOW = re.compile(r"(mlflow[\w-]*)(.*)")


def read(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text())


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
