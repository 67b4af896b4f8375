"""The spool's files, and what is sent on from them."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving.recorder.shipper import PART_BYTES, REFUSED, Shipper
from serving.recorder.spool import OUTCOMES, PREDICTIONS, SegmentWriter, Spool
from serving.recorder.warehouse import Away, Unfit


class Lines:
    """A warehouse in memory; of what it is sent again, it keeps one."""

    def __init__(self) -> None:
        self.kept: dict[bytes, str] = {}
        self.away = False
        self.poison: bytes | None = None
        self.longest = 0

    def take(self, kind: str, lines: bytes) -> int:
        assert lines.endswith(b"\n")
        if self.away:
            raise Away("no connection")
        if self.poison and self.poison in lines:
            raise Unfit("no JSON")
        self.longest = max(self.longest, len(lines))
        new = {line: kind for line in lines.splitlines() if line not in self.kept}
        self.kept |= new
        return len(new)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, "run")


def files(spool: Spool) -> list[str]:
    return sorted(path.name for path in spool.folder.iterdir())


def ship_all(shipper: Shipper) -> None:
    while shipper.ship():
        pass


def test_lines_arrive_while_their_segment_is_open_and_it_goes_once_it_has_ended(spool: Spool) -> None:
    lines, writer = Lines(), SegmentWriter(spool, PREDICTIONS, 1_000)
    shipper = Shipper(spool, lines)
    writer.write(b"a\nb\n")
    ship_all(shipper)
    writer.write(b"c\n")
    ship_all(shipper)
    assert list(lines.kept) == [b"a", b"b", b"c"]
    assert files(spool) == [f"run-{os.getpid()}.000001.predictions.open"]
    writer.end()
    ship_all(shipper)
    assert files(spool) == []
    assert shipper.counts.rows == 3


def test_a_segment_that_is_long_enough_is_followed_by_another(spool: Spool) -> None:
    lines, writer = Lines(), SegmentWriter(spool, PREDICTIONS, 10)
    for number in range(5):
        writer.write(b"line %d\n" % number)
    assert len(files(spool)) == 3
    ship_all(Shipper(spool, lines))
    assert sorted(lines.kept) == [b"line %d" % number for number in range(5)]
    assert len(files(spool)) == 1


def test_while_the_warehouse_is_away_everything_stays(spool: Spool) -> None:
    lines, writer = Lines(), SegmentWriter(spool, PREDICTIONS, 1_000)
    shipper = Shipper(spool, lines)
    writer.write(b"a\n")
    writer.end()
    lines.away = True
    for _ in range(2):
        with pytest.raises(Away):
            shipper.ship()
    shipper.make_durable()
    assert len(files(spool)) == 1
    lines.away = False
    ship_all(shipper)
    assert (list(lines.kept), files(spool)) == ([b"a"], [])


def test_what_was_sent_already_is_sent_again_by_the_next_recorder_and_counts_as_nothing_new(spool: Spool) -> None:
    lines, writer = Lines(), SegmentWriter(spool, PREDICTIONS, 1_000)
    writer.write(b"a\nb\n")
    ship_all(Shipper(spool, lines))
    again = Shipper(spool, lines)
    ship_all(again)
    assert (len(lines.kept), again.counts.rows) == (2, 0)


def test_a_line_that_the_warehouse_refuses_is_set_aside_and_holds_no_other_up(spool: Spool) -> None:
    lines, writer = Lines(), SegmentWriter(spool, PREDICTIONS, 10_000)
    lines.poison = b"bad"
    said = [b"line %d" % number for number in range(40)]
    said[17] = b"bad 17"
    said[39] = b"bad 39"
    writer.write(b"\n".join(said) + b"\n")
    shipper = Shipper(spool, lines)
    ship_all(shipper)
    assert set(lines.kept) == {line for line in said if b"bad" not in line}
    assert (spool.folder / REFUSED).read_bytes() == b"bad 17\nbad 39\n"
    assert (shipper.counts.rows, shipper.counts.refused) == (38, 2)


def test_a_line_longer_than_a_part_is_sent_alone(spool: Spool) -> None:
    lines, writer = Lines(), SegmentWriter(spool, PREDICTIONS, 100 * PART_BYTES)
    long = b"x" * (PART_BYTES + 1)
    writer.write(b"a\n" + long + b"\nb\n")
    ship_all(Shipper(spool, lines))
    assert list(lines.kept) == [b"a", long, b"b"]


def test_much_is_sent_in_parts(spool: Spool) -> None:
    lines, writer = Lines(), SegmentWriter(spool, PREDICTIONS, 100 * PART_BYTES)
    writer.write(b"".join(b"%01000d\n" % number for number in range(5_000)))
    ship_all(Shipper(spool, lines))
    assert len(lines.kept) == 5_000
    assert lines.longest <= PART_BYTES


def test_outcomes_and_predictions_are_told_apart(spool: Spool) -> None:
    lines = Lines()
    SegmentWriter(spool, OUTCOMES, 10).write(b"o\n", durably=True)
    SegmentWriter(spool, PREDICTIONS, 10).write(b"p\n")
    ship_all(Shipper(spool, lines))
    assert lines.kept == {b"o": OUTCOMES, b"p": PREDICTIONS}


def test_what_a_killed_writer_left_is_sent_but_for_the_line_that_it_was_writing(spool: Spool) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    (spool.folder / f"run-{dead.pid}.000001.predictions.open").write_bytes(b"a\nb\nto")
    (spool.folder / f"other-{os.getpid()}.000001.predictions.open").write_bytes(b"c\n")
    lines = Lines()
    shipper = Shipper(spool, lines)
    ship_all(shipper)
    assert set(lines.kept) == {b"a", b"b", b"c"}
    assert (files(spool), shipper.counts.torn) == ([], 1)


def test_a_process_id_that_comes_again_takes_nobody_s_file(spool: Spool) -> None:
    earlier = spool.new(1, PREDICTIONS)
    earlier.write_bytes(b"a\n")
    SegmentWriter(spool, PREDICTIONS, 1_000).write(b"b\n")
    lines = Lines()
    ship_all(Shipper(spool, lines))
    assert set(lines.kept) == {b"a", b"b"}


def test_a_disk_that_is_full_in_the_middle_of_a_line_leaves_no_half_of_it(spool: Spool) -> None:
    lines, writer = Lines(), SegmentWriter(spool, PREDICTIONS, 1_000_000)
    writer.write(b"a" * 9 + b"\n")
    with files_of_at_most(4_000), pytest.raises(OSError, match="too large"):
        writer.write(b"b" * 5_000 + b"\n")
    writer.write(b"c\n")
    ship_all(Shipper(spool, lines))
    assert list(lines.kept) == [b"a" * 9, b"c"]


def test_other_files_in_the_folder_are_nobody_s_business(spool: Spool) -> None:
    (spool.folder / "lost+found").mkdir()
    (spool.folder / "note.txt").write_text("a\n")
    assert not Shipper(spool, Lines()).ship()
    assert files(spool) == ["lost+found", "note.txt"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As a full disk: a write that goes beyond is cut off, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
