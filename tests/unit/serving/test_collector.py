"""From the workers' memory to the spool."""

import errno
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import linering
import pytest
from linering import Ring
from programs import until
from serving.recorder.collector import Collector
from serving.recorder.lines import ONE
from serving.recorder.spool import SegmentWriter, Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, "run")


@pytest.fixture
def rings() -> Sequence[Ring]:
    found = [linering.new(ONE, 10_000) for _ in range(2)]
    return [ring for ring in found if ring is not None]


def requests(spool: Spool) -> list[bytes]:
    texts = b"".join(path.read_bytes() for path in sorted(spool.folder.iterdir()))
    return [line.split(b"\t")[3] for line in texts.splitlines()]


def test_what_all_workers_said_goes_to_the_spool_once(spool: Spool, rings: Sequence[Ring]) -> None:
    collector = Collector(rings, spool)
    for ring, name in zip(rings, (b"a", b"b"), strict=True):
        ring.add(0, name, b"{}")
    collector.collect()
    collector.collect()
    rings[0].add(0, b"c", b"{}")
    collector.finish()
    assert requests(spool) == [b"a", b"b", b"c"]
    assert [segment.is_open for segment in spool.segments()] == [False]


def test_where_nothing_was_said_there_is_no_file(spool: Spool, rings: Sequence[Ring]) -> None:
    Collector(rings, spool).finish()
    assert list(spool.folder.iterdir()) == []


def test_a_disk_that_takes_nothing_is_told_and_all_waits_for_it(
    spool: Spool, rings: Sequence[Ring], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: SegmentWriter, lines: bytes, **_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    collector = Collector(rings, spool)
    rings[1].add(0, b"a", b"{}")
    with monkeypatch.context() as patch:
        patch.setattr(SegmentWriter, "write", full)
        collector.collect()
    assert collector.problem == "the spool: [Errno 28] No space left on device"
    rings[1].add(0, b"b", b"{}")
    collector.collect()
    assert requests(spool) == [b"a", b"b"]
    assert not collector.problem


def test_it_collects_until_it_is_told_to_end_and_then_once_more(spool: Spool, rings: Sequence[Ring]) -> None:
    ending = threading.Event()
    thread = threading.Thread(target=Collector(rings, spool).run, args=(ending,), daemon=True)
    thread.start()
    rings[0].add(0, b"a", b"{}")
    until(lambda: requests(spool) == [b"a"], 10, "it is collected")
    rings[0].add(0, b"b", b"{}")
    ending.set()
    thread.join()
    assert requests(spool) == [b"a", b"b"]


def test_ten_times_a_second_all_that_was_said_goes_to_the_spool(spool: Spool, rings: Sequence[Ring]) -> None:
    pauses, found = [], []

    class Ticks(threading.Event):
        """Time that passes at once, and in each pause something is said; the fourth is the last."""

        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout)
            found.append(requests(spool))
            rings[0].add(0, b"%d" % len(pauses), b"{}")
            return len(pauses) == 4

    Collector(rings, spool).run(Ticks())
    assert pauses == [0.1] * 4
    # so all processes that are killed at once lose what was said in one pause
    assert found == [[], [b"1"], [b"1", b"2"], [b"1", b"2", b"3"]]
    assert requests(spool) == [b"1", b"2", b"3", b"4"]
