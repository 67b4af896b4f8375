"""What is on the disk when the machine stops."""

from pathlib import Path

import pytest
from serving import files


def test_a_folder_is_known_by_its_name_as_those_above_it_that_were_made_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync", synced.append)
    files.make_folder(tmp_path / "model" / "spool")
    assert synced == [tmp_path, tmp_path / "model"]
    files.make_folder(tmp_path / "model" / "spool")
    assert len(synced) == 2


def test_what_others_are_told_may_stay_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files.replace_if_possible(tmp_path / "gone" / "note.json", b"{}")
    assert "note.json can't be written" in caplog.text
    files.replace_if_possible(tmp_path / "note.json", b"{}")
    assert (tmp_path / "note.json").read_bytes() == b"{}"
