"""Which way a worker's answers go, and what becomes of those that find no room."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import linering
import pytest
from linering import Ring
from serving.errors import NotRecorded
from serving.recorder.journal import LONG_BYTES, Counts, Journal
from serving.recorder.lines import ONE
from serving.recorder.spool import Spool

Make = Callable[..., Journal]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, "run")


@pytest.fixture
def ring() -> Ring:
    found = linering.new(ONE, 2_000)
    assert found is not None
    return found


@pytest.fixture
def make(spool: Spool, ring: Ring) -> Iterator[Make]:
    made = []

    def new(ring: Ring | None = ring, most_bytes: int = 10**6, share: float = 1) -> Journal:
        made.append(Journal(spool, most_bytes, share, ring))
        return made[-1]

    yield new
    for journal in made:
        journal.close()


def written(spool: Spool) -> list[tuple[bytes, bytes]]:
    """Kinds and requests of the spool's lines."""
    text = b"".join(path.read_bytes() for path in sorted(spool.folder.iterdir()))
    return [(kind, request) for kind, _, _, request, _ in (line.split(b"\t") for line in text.splitlines())]


async def all_written(journal: Journal, answers: int) -> Counts:
    while True:
        journal.look()
        if journal.counts.recorded + journal.counts.dropped >= answers:
            return journal.counts
        await asyncio.sleep(0.01)


async def test_one_row_goes_into_the_ring_and_a_batch_to_the_spool(make: Make, spool: Spool, ring: Ring) -> None:
    journal = make()
    journal.add(0.1, b"one row", b"{}")
    journal.add_batch(0.1, b"many", b"{}")
    assert await all_written(journal, 2) == Counts(recorded=2)
    assert b"one row" in ring.waiting()
    assert written(spool) == [(b"batch", b"many")]


async def test_a_long_row_and_one_without_a_ring_go_to_the_spool(make: Make, spool: Spool, ring: Ring) -> None:
    long = b"x" * LONG_BYTES
    journal = make()
    journal.add(0.1, long, b"{}")
    assert await all_written(journal, 1) == Counts(recorded=1)
    alone = make(ring=None)
    alone.add(0.1, b"short", b"{}")
    assert await all_written(alone, 1) == Counts(recorded=1)
    assert sorted(written(spool)) == [(b"one", b"short"), (b"one", long)]
    assert ring.waiting() == b""


async def test_a_full_ring_is_counted(make: Make) -> None:
    journal = make()
    for _ in range(3):
        journal.add(0.1, b"x" * 900, b"{}")
    assert await all_written(journal, 3) == Counts(recorded=2, dropped=1)


async def test_a_full_spool_takes_nothing_and_says_so(make: Make, spool: Spool) -> None:
    journal = make(most_bytes=10)
    (spool.folder / "run-1.000001.predictions").write_bytes(bytes(11))
    journal.look()
    assert journal.problem == "the spool is full: 11 of 10 bytes"
    journal.add(0.1, b"one", b"{}")
    journal.add_batch(0.1, b"many", b"{}")
    with pytest.raises(NotRecorded, match="the spool is full"):
        await journal.add_outcomes([("0" * 32, 1.0)])
    assert await all_written(journal, 2) == Counts(dropped=2)
    (spool.folder / "run-1.000001.predictions").unlink()
    journal.look()
    assert journal.problem is None


async def test_a_disk_that_is_gone_is_told_and_what_it_does_not_take_is_counted(make: Make, spool: Spool) -> None:
    journal = make()
    shutil.rmtree(spool.folder)
    journal.add_batch(0.1, b"lost", b"{}")
    with pytest.raises(NotRecorded, match=r"the spool: .* No such file"):
        await journal.add_outcomes([("0" * 32, 1.0)])
    assert await all_written(journal, 1) == Counts(dropped=1)
    assert "the spool: " in str(journal.problem)
    spool.folder.mkdir()
    journal.look()
    journal.add_batch(0.1, b"kept", b"{}")
    assert await all_written(journal, 2) == Counts(recorded=1, dropped=1)
    assert (written(spool), journal.problem) == ([(b"batch", b"kept")], None)


async def test_a_share_is_of_all_answers(make: Make) -> None:
    journal = make(share=0)
    journal.add(0.1, b"one", b"{}")
    journal.add_batch(0.1, b"many", b"{}")
    journal.look()
    assert journal.counts == Counts()
