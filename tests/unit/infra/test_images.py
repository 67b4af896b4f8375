"""The Dockerfiles agree with the lock, the workspace and each other."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILES = sorted(ROOT.glob("services/*/Dockerfile"))
MEMBERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]


def locked(package: str) -> str:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return str(next(found["version"] for found in packages if found["name"] == package))


@pytest.fixture(params=DOCKERFILES, ids=lambda file: file.parent.name)
def dockerfile(request: pytest.FixtureRequest) -> str:
    return str(request.param.read_text())


def test_there_is_one_for_each_service() -> None:
    assert [file.parent.name for file in DOCKERFILES] == ["mlflow", "serving", "trainer"]


def test_the_build_has_the_locked_uv(dockerfile: str) -> None:
    assert re.findall(r"uv==(\S+)", dockerfile) == [locked("uv")]


def test_both_stages_have_the_same_base(dockerfile: str) -> None:
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == ["python:3.13-slim-trixie"] * 2


def test_the_build_sees_the_manifest_of_every_workspace_member(dockerfile: str) -> None:
    copied = re.findall(r"^COPY (\S+)/pyproject\.toml ", dockerfile, re.MULTILINE)
    assert sorted(copied) == sorted(MEMBERS)


def test_the_container_is_not_root(dockerfile: str) -> None:
    assert re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE) == ["10001"]


def test_only_the_virtual_environment_comes_from_the_build(dockerfile: str) -> None:
    assert re.findall(r"^COPY --from=build (\S+)", dockerfile, re.MULTILINE) == ["/app/venv"]


def test_everything_that_is_copied_is_let_through_by_dockerignore(dockerfile: str) -> None:
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    hidden = [source for source in copied if not any(f"{source}/".startswith(f"{open_}/") for open_ in let_through)]
    assert hidden == []
