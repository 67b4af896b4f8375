"""A backup's folder is whole, or it is refused by name."""

import json
from pathlib import Path

import pytest
from backup.errors import BackupError, BadBackup
from backup.folder import MANIFEST, check, private, writing


@pytest.fixture
def made(tmp_path: Path) -> Path:
    target = tmp_path / "backups" / "one"
    with writing(target, "abc", 18) as folder:
        for name in ("mlflow.dump", "artifacts.tar"):
            with private(folder / name) as out:
                out.write(name.encode() * 100_000)
    return target


def test_what_was_written_is_found_again(made: Path) -> None:
    manifest = check(made)
    assert (manifest.commit, manifest.postgres) == ("abc", 18)
    assert manifest.files["mlflow.dump"]["bytes"] == 1_100_000


def test_nobody_else_can_read_it(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in made.iterdir()} == {0o600}


def cut_short(folder: Path) -> None:
    (folder / "mlflow.dump").touch()
    with private(folder / "mlflow.dump"):
        pass


def test_one_that_is_cut_short_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError), writing(tmp_path / "one", "abc", 18) as folder:
        cut_short(folder)
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_killed_does_not_hinder_the_next(tmp_path: Path) -> None:
    (tmp_path / "one.unfinished").mkdir()
    (tmp_path / "one.unfinished" / "left").touch()
    with writing(tmp_path / "one", "abc", 18):
        pass
    assert check(tmp_path / "one").files == {}


def test_another_backup_is_never_written_over(made: Path) -> None:
    with pytest.raises(BackupError, match="never written over"), writing(made, "abc", 18):
        pass
    check(made)


def test_a_changed_or_missing_file_is_named(made: Path) -> None:
    file = made / "artifacts.tar"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BadBackup, match=r"artifacts\.tar isn't what was written"):
        check(made)
    file.unlink()
    with pytest.raises(BadBackup, match=r"artifacts\.tar is missing"):
        check(made)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "its format is 2, and this version knows 1"),
        ({"files": {"../x": {"bytes": 1, "sha256": ""}}}, "../x is missing"),
        ({"files": {"a": {}}}, "can't be read"),
        ({"more": 1}, "can't be read"),
    ],
)
def test_another_manifest_is_refused(made: Path, change: dict[str, object], said: str) -> None:
    (made / MANIFEST).write_text(json.dumps(json.loads((made / MANIFEST).read_text()) | change))
    with pytest.raises(BadBackup, match=said):
        check(made)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "\xff"])
def test_what_is_no_manifest_is_refused(made: Path, text: str) -> None:
    (made / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(BadBackup, match="can't be read"):
        check(made)


def test_a_folder_of_anything_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBackup, match=f"no {MANIFEST}"):
        check(tmp_path)
