"""The Dockerfiles agree with the lock, the workspace and each other."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILES = sorted(ROOT.glob("services/*/Dockerfile"))
MEMBERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]


@pytest.fixture(params=DOCKERFILES, ids=lambda file: file.parent.name)
def dockerfile(request: pytest.FixtureRequest) -> str:
    return str(request.param.read_text())


def test_there_is_one_for_each_service() -> None:
    assert [file.parent.name for file in DOCKERFILES] == ["mlflow", "serving", "trainer"]


def test_the_build_installs_nothing_but_uv_by_its_hashes_and_what_uv_takes_from_the_lock(dockerfile: str) -> None:
    program = re.sub(r"^\s*#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    assert re.findall(r"pip install (.+)", program) == ["--root-user-action=ignore --require-hashes -r /tmp/uv.txt"]
    assert re.findall(r"source=(\S+),target=/tmp/uv.txt", program) == ["infra/images/uv.txt"]
    assert all("--frozen" in command for command in re.findall(r"uv (?:sync|pip|run).*", program))


def test_both_stages_have_the_same_base(dockerfile: str) -> None:
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2


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
