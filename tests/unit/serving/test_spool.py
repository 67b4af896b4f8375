"""The spool's files, and what is sent on from them."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from serving.recorder import lines
from serving.recorder.lines import ONE
from serving.recorder.shipper import PART_BYTES, REFUSED, REFUSED_BYTES, Shipper
from serving.recorder.spool import OUTCOMES, PREDICTIONS, Segment, SegmentWriter, Spool
from serving.recorder.warehouse import Away, Unfit


def said(*requests: bytes) -> bytes:
    """Lines of requests that were answered."""
    return lines.answers(ONE, [(1_000, 0.001, request, b"{}") for request in requests])


class Requests:
    """A warehouse in memory that keeps requests; of what it is sent again, one."""

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
        requests = [line if kind == OUTCOMES else line.split(b"\t")[3] for line in lines.splitlines()]
        new = {request: kind for request in requests if request not in self.kept}
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


def test_they_arrive_while_their_segment_is_open_and_it_goes_once_it_has_ended(spool: Spool) -> None:
    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, 1_000)
    shipper = Shipper(spool, kept)
    writer.write(said(b"a", b"b"))
    ship_all(shipper)
    writer.write(said(b"c"))
    ship_all(shipper)
    assert list(kept.kept) == [b"a", b"b", b"c"]
    assert files(spool) == [f"run-{os.getpid()}.000001.predictions.open"]
    writer.end()
    ship_all(shipper)
    assert files(spool) == []
    assert shipper.counts.rows == 3


def test_a_segment_that_is_long_enough_is_followed_by_another(spool: Spool) -> None:
    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, len(said(b"line 0")) + 1)
    for number in range(5):
        writer.write(said(b"line %d" % number))
    assert len(files(spool)) == 3
    ship_all(Shipper(spool, kept))
    assert sorted(kept.kept) == [b"line %d" % number for number in range(5)]
    assert len(files(spool)) == 1


def test_while_the_warehouse_is_away_everything_stays(spool: Spool) -> None:
    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, 1_000)
    shipper = Shipper(spool, kept)
    writer.write(said(b"a"))
    writer.end()
    kept.away = True
    for _ in range(2):
        with pytest.raises(Away):
            shipper.ship()
    shipper.make_durable()
    assert len(files(spool)) == 1
    kept.away = False
    ship_all(shipper)
    assert (list(kept.kept), files(spool)) == ([b"a"], [])


def test_what_was_sent_already_is_sent_again_by_the_next_recorder_and_counts_as_nothing_new(spool: Spool) -> None:
    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, 1_000)
    writer.write(said(b"a", b"b"))
    ship_all(Shipper(spool, kept))
    again = Shipper(spool, kept)
    ship_all(again)
    assert (len(kept.kept), again.counts.rows) == (2, 0)


def test_a_line_that_the_warehouse_refuses_is_set_aside_and_holds_no_other_up(spool: Spool) -> None:
    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, 10_000)
    kept.poison = b"bad"
    requests = [b"line %d" % number for number in range(40)]
    requests[17] = b"bad 17"
    requests[39] = b"bad 39"
    writer.write(said(*requests))
    shipper = Shipper(spool, kept)
    ship_all(shipper)
    assert set(kept.kept) == {line for line in requests if b"bad" not in line}
    assert (spool.folder / REFUSED).read_bytes() == b"".join(
        b"one\t1\t1000\t%b\t{}\n" % requests[number] for number in (17, 39)
    )
    assert (shipper.counts.rows, shipper.counts.refused) == (38, 2)


def test_a_line_longer_than_a_part_is_sent_as_a_whole(spool: Spool) -> None:
    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, 100 * PART_BYTES)
    long = b"x" * (PART_BYTES + 1)
    for request in (b"a", long, b"b"):
        writer.write(said(request))
    ship_all(Shipper(spool, kept))
    assert list(kept.kept) == [b"a", long, b"b"]


def test_much_is_sent_in_parts(spool: Spool) -> None:
    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, 100 * PART_BYTES)
    for begin in range(0, 5_000, 50):
        writer.write(said(*(b"%01000d" % number for number in range(begin, begin + 50))))
    ship_all(Shipper(spool, kept))
    assert len(kept.kept) == 5_000
    assert kept.longest < PART_BYTES + len(said(*[b"0" * 1_000] * 50))


def test_outcomes_and_predictions_are_told_apart(spool: Spool) -> None:
    kept = Requests()
    SegmentWriter(spool, OUTCOMES, 10).write(lines.outcomes(1_000, [("o", 0.5)]), durably=True)
    SegmentWriter(spool, PREDICTIONS, 10).write(said(b"p"))
    ship_all(Shipper(spool, kept))
    assert kept.kept == {b"1\to\t0.5": OUTCOMES, b"p": PREDICTIONS}


def test_what_a_killed_writer_left_is_sent_but_for_the_line_that_it_was_writing(spool: Spool) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    whole, torn = said(b"a", b"b"), said(b"torn")
    kept = Requests()
    shipper = Shipper(spool, kept)
    for number, length in enumerate((1, 8, len(torn) - 1), start=1):
        (spool.folder / f"run-{dead.pid}.{number:06d}.predictions.open").write_bytes(whole + torn[:length])
    (spool.folder / f"other-{os.getpid()}.000001.predictions.open").write_bytes(said(b"c"))
    ship_all(shipper)
    assert set(kept.kept) == {b"a", b"b", b"c"}
    assert (files(spool), shipper.counts.torn) == ([], 3)


def test_what_a_broken_disk_left_is_refused_or_torn_and_holds_nothing_else_up(spool: Spool) -> None:
    kept = Requests()
    kept.poison = b"\0"
    lost = (bytes(5_000), bytes(5_000) + b"\n" + said(b"c"), said(b"d") + bytes(PART_BYTES))
    for number, left in enumerate(lost, start=1):
        (spool.folder / f"other-1.{number:06d}.predictions").write_bytes(said(b"a%d" % number) + left)
    (spool.folder / "other-2.000001.predictions").write_bytes(said(b"b"))
    shipper = Shipper(spool, kept)
    ship_all(shipper)
    assert set(kept.kept) == {b"a1", b"a2", b"a3", b"b", b"c", b"d"}
    assert files(spool) == [REFUSED]
    assert (shipper.counts.torn, shipper.counts.refused) == (2, 1)


@dataclass(frozen=True)
class Ending(Spool):
    """A spool whose writers end, and die, just after it has been looked through."""

    lives: bool = True
    """The writers' processes, of which ``segments`` learns before or after that."""

    def segments(self) -> Iterator[Segment]:
        for segment in list(super().segments()):
            if segment.path.name.endswith(".open"):
                segment.path.rename(segment.path.with_name(segment.name))
            yield Segment(segment.path, segment.kind, segment.is_open and self.lives)


@pytest.mark.parametrize("lives", [True, False])
def test_a_segment_that_ends_while_it_is_looked_at_is_read_under_its_new_name(spool: Spool, lives: bool) -> None:
    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, 1_000)
    shipper = Shipper(spool, kept)
    writer.write(said(b"a"))
    ship_all(shipper)
    writer.write(said(b"b"))
    shipper.spool = Ending(spool.folder, spool.run, lives)
    assert not shipper.ship()
    shipper.spool = spool
    ship_all(shipper)
    assert list(kept.kept) == [b"a", b"b"]
    assert (files(spool), shipper.counts.rows, shipper.counts.torn) == ([], 2, 0)


def test_what_waits_is_made_durable_by_its_content_and_its_name(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, fsync = [], os.fsync

    def noted(handle: int) -> None:
        fsync(handle)
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())

    SegmentWriter(spool, PREDICTIONS, 1_000).write(said(b"a"))
    (file,) = spool.folder.iterdir()
    monkeypatch.setattr(os, "fsync", noted)
    Shipper(spool, Requests()).make_durable()
    assert synced == [file, spool.folder]
    Shipper(Ending(spool.folder, spool.run), Requests()).make_durable()
    assert synced == [file, spool.folder, spool.folder]


def test_a_process_id_that_comes_again_takes_nobody_s_file(spool: Spool) -> None:
    earlier = spool.new(1, PREDICTIONS)
    earlier.write_bytes(said(b"a"))
    SegmentWriter(spool, PREDICTIONS, 1_000).write(said(b"b"))
    kept = Requests()
    ship_all(Shipper(spool, kept))
    assert set(kept.kept) == {b"a", b"b"}


def test_a_disk_that_is_full_in_the_middle_of_a_line_leaves_no_half_of_it(spool: Spool) -> None:
    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, 1_000_000)
    writer.write(said(b"a" * 9))
    with files_of_at_most(4_000), pytest.raises(OSError, match="too large"):
        writer.write(said(b"b" * 5_000))
    writer.write(said(b"c"))
    ship_all(Shipper(spool, kept))
    assert list(kept.kept) == [b"a" * 9, b"c"]


def test_a_half_line_that_cannot_be_taken_back_is_the_last_of_its_file(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: int) -> None:
        raise OSError("Input/output error")

    kept, writer = Requests(), SegmentWriter(spool, PREDICTIONS, 1_000_000)
    writer.write(said(b"a"))
    monkeypatch.setattr(os, "ftruncate", fail)
    with files_of_at_most(4_000), pytest.raises(OSError, match="too large"):
        writer.write(said(b"b" * 5_000))
    writer.write(said(b"c"))
    shipper = Shipper(spool, kept)
    ship_all(shipper)
    assert (list(kept.kept), shipper.counts.torn) == ([b"a", b"c"], 1)


def test_a_file_that_goes_while_the_spool_is_measured_counts_as_nothing(spool: Spool) -> None:
    SegmentWriter(spool, PREDICTIONS, 1_000).write(said(b"a"))
    (spool.folder / "gone").symlink_to(spool.folder / "nowhere")
    assert spool.total_bytes() == len(said(b"a"))


def test_other_files_in_the_folder_are_nobody_s_business(spool: Spool) -> None:
    (spool.folder / "lost+found").mkdir()
    (spool.folder / "note.txt").write_text("a\n")
    assert not Shipper(spool, Requests()).ship()
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


class Counting(Requests):
    """Counts its transactions."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions = 0

    def take(self, kind: str, lines: bytes) -> int:
        self.transactions += 1
        return super().take(kind, lines)


def test_numbers_that_no_database_takes_cost_one_transaction_more_however_many_there_are(spool: Spool) -> None:
    warehouse = Counting()
    warehouse.poison = b"e-20000"
    requests = [b'{"row": %d, "distance": 1e-20000}' % number for number in range(1000)]
    SegmentWriter(spool, PREDICTIONS).write(said(*requests))
    shipper = Shipper(spool, warehouse)
    assert shipper.ship()
    assert warehouse.transactions == 2
    assert list(warehouse.kept) == [b'{"row": %d, "distance": 0.0}' % number for number in range(1000)]
    assert shipper.counts.refused == 0


def test_what_was_refused_has_a_limit_of_its_own_and_does_not_count_towards_the_spools(spool: Spool) -> None:
    warehouse = Requests()
    warehouse.poison = b"poison"
    shipper = Shipper(spool, warehouse)
    long = b'{"poison": "%b"}' % (b"x" * (REFUSED_BYTES // 3))
    for _ in range(5):
        writer = SegmentWriter(spool, PREDICTIONS)
        writer.write(said(long))
        writer.end()
        ship_all(shipper)
    assert shipper.counts.refused == 5
    assert spool.total_bytes() == 0
    refused = {path.name: path.stat() for path in spool.folder.iterdir()}
    assert set(refused) == {REFUSED, f"{REFUSED}.1"}
    assert all(found.st_size <= REFUSED_BYTES and found.st_mode & 0o077 == 0 for found in refused.values())
    SegmentWriter(spool, PREDICTIONS).write(said(b'{"poison": "%b"}' % (b"x" * 2 * REFUSED_BYTES)))
    ship_all(shipper)
    assert (spool.folder / REFUSED).stat().st_size == REFUSED_BYTES
