"""Files between steps: whole, named by content, and not for ever."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trainer.data.checkpoints import digest_of, write_checkpoint
from trainer.data.files import replacing
from trainer.data.retention import remove_older

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})


def test_a_file_whose_writing_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the ne")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_is_named_by_its_rows_and_written_once(tmp_path: Path) -> None:
    first = write_checkpoint(tmp_path, TABLE)
    written = first.path.stat().st_ino
    second = write_checkpoint(tmp_path, pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]))
    other = write_checkpoint(tmp_path, TABLE.slice(0, 2))

    assert first == second
    assert second.path.stat().st_ino == written
    assert other.path != first.path
    assert pq.read_table(first.path) == TABLE


def test_the_digest_sees_values_names_and_types() -> None:
    others = [
        TABLE.slice(1),
        TABLE.rename_columns(["a", "c"]),
        TABLE.set_column(0, "a", pa.array([1, 2, 3], pa.int32())),
        TABLE.set_column(1, "b", pa.array(["x", "", "z"])),
    ]
    assert len({digest_of(table) for table in [TABLE, *others]}) == len(others) + 1


def test_only_what_nobody_wrote_to_for_long_is_removed(tmp_path: Path) -> None:
    old, used, young = (tmp_path / name for name in ("old", "used", "young"))
    for folder in (old, used, young):
        folder.mkdir()
        (folder / "file").write_text("x")
    long_ago = time.time() - 40 * 86_400
    for path in (old / "file", old, used):
        os.utime(path, (long_ago, long_ago))

    assert remove_older([tmp_path, tmp_path / "absent"], timedelta(days=14)) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"used", "young"}
