"""Which PostgreSQL the demo runs on: the system's if it is of the right release, and never another than its data's."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from embedded import binaries
from embedded.binaries import Binaries, OtherRelease
from embedded.errors import StackError

MakeRelease = Callable[..., Path]


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRelease:
    """``releases(17, without=…)`` installs a release as Debian does, and is the only system that is looked at."""
    monkeypatch.setattr(binaries, "USUAL", (f"{tmp_path}/usr/lib/postgresql/*/bin",))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "packaged", list)

    def make(major: int, *, without: str = "") -> Path:
        folder = tmp_path / f"usr/lib/postgresql/{major}/bin"
        extensions = tmp_path / f"usr/share/postgresql/{major}/extension"
        folder.mkdir(parents=True)
        extensions.mkdir(parents=True)
        programs = {
            "initdb": "",
            "psql": "",
            "postgres": f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.4 (Debian {major}.4-1)'\n",
            "pg_config": f"#!/bin/sh\necho {extensions.parent}\n",
        }
        for name in programs.keys() - {without}:
            (folder / name).write_text(programs[name])
            (folder / name).chmod(0o755)
        if without != "pg_trgm":
            (extensions / "pg_trgm.control").touch()
        return folder

    return make


@pytest.fixture
def package(tmp_path: Path, releases: MakeRelease, monkeypatch: pytest.MonkeyPatch) -> Binaries:
    """Of release 18."""
    found = Binaries(tmp_path / "package", 18, packaged=True)
    monkeypatch.setattr(binaries, "packaged", lambda: [found])
    return found


def data_of(major: int, folder: Path) -> Path:
    folder.mkdir()
    (folder / "PG_VERSION").write_text(f"{major}\n")
    return folder


def test_of_the_compose_stack_s_release_the_system_s_is_preferred_to_the_package_s(
    releases: MakeRelease, package: Binaries
) -> None:
    releases(16)
    assert binaries.choose(None) == package
    folder = releases(18)
    assert binaries.choose(None) == Binaries(folder, 18)


def test_without_the_package_it_is_the_compose_stack_s_release_or_else_the_newest(releases: MakeRelease) -> None:
    for major in (16, 17):
        releases(major)
    assert binaries.choose(None).major == 17
    releases(18)
    releases(19)
    assert binaries.choose(None).major == 18


@pytest.mark.parametrize("missing", ["initdb", "psql", "postgres", "pg_trgm"])
def test_an_incomplete_one_is_passed_over(releases: MakeRelease, package: Binaries, missing: str) -> None:
    releases(18, without=missing)
    assert binaries.choose(None) == package


def test_one_that_is_too_old_is_passed_over(releases: MakeRelease, package: Binaries) -> None:
    releases(binaries.OLDEST - 1)
    assert binaries.choose(None) == package


def test_one_that_the_server_s_user_cannot_enter_is_passed_over(releases: MakeRelease, package: Binaries) -> None:
    releases(18)
    assert binaries.choose(None, reaches=lambda _: False) == package


def test_one_that_does_not_run_is_passed_over(releases: MakeRelease, package: Binaries) -> None:
    (releases(18) / "postgres").write_text("#!/bin/sh\nexit 127\n")
    assert binaries.choose(None) == package


def test_without_pg_config_the_usual_places_are_looked_at(releases: MakeRelease, tmp_path: Path) -> None:
    folder = releases(17, without="pg_config")
    assert binaries.system() == []
    (folder.parent / "share/extension").mkdir(parents=True)
    (folder.parent / "share/extension/pg_trgm.control").touch()
    assert binaries.system() == [Binaries(folder, 17)]


def test_the_one_on_path_is_looked_at(releases: MakeRelease, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = releases(17)
    monkeypatch.setattr(binaries, "USUAL", ())
    assert binaries.system() == []
    monkeypatch.setenv("PATH", f"{folder}")
    # found by name, without a shell's PATH for what it runs
    assert [one.folder for one in binaries.system()] == [folder]


def test_data_keep_their_release(releases: MakeRelease, package: Binaries, tmp_path: Path) -> None:
    for major in (16, 17):
        releases(major)
    assert binaries.choose(data_of(16, tmp_path / "old")).major == 16
    assert binaries.choose(data_of(18, tmp_path / "new")) == package


def test_data_of_a_release_that_is_not_here_are_refused_with_both_named(
    releases: MakeRelease, package: Binaries, tmp_path: Path
) -> None:
    releases(16)
    with pytest.raises(OtherRelease) as refusal:
        binaries.choose(data_of(17, tmp_path / "data"))
    said = str(refusal.value)
    assert f"the data in {tmp_path / 'data'} are PostgreSQL 17's" in said
    assert re.search(r"here: 18 \(\S+\), 16 \(\S+\)\.", said)
    assert "Install PostgreSQL 17" in said


def test_without_any_it_says_what_to_install(releases: MakeRelease) -> None:
    with pytest.raises(StackError, match="install PostgreSQL 18 with its contrib extensions"):
        binaries.choose(None)


def test_texts_are_in_the_order_of_their_code_points_on_every_release() -> None:
    old, new = (Binaries(Path(), major).initdb_arguments for major in (16, 17))
    assert {"--encoding=UTF8", "--locale=C"} <= {*old} & {*new}
    assert "--locale-provider=builtin" in new
    assert "--locale-provider=builtin" not in old
