"""What a worker does for as long as it lives."""

import asyncio
import errno
from collections.abc import AsyncIterator

import pytest
from serving import chores
from serving.chores import Chores


@pytest.fixture
async def kept(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Chores]:
    monkeypatch.setattr(chores, "AGAIN_SECONDS", 0.01)
    found = Chores()
    yield found
    await found.end()


async def test_one_that_fails_goes_on_and_it_is_said_for_as_long_as_it_lasts(
    kept: Chores, caplog: pytest.LogCaptureFixture
) -> None:
    tries, failed, well = 0, asyncio.Event(), asyncio.Event()

    async def follow() -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            failed.set()
        if tries <= 3:
            raise OSError(errno.EMFILE, "Too many open files")
        kept.works("following")
        well.set()
        await asyncio.Event().wait()

    kept.begin("following", follow)
    async with asyncio.timeout(10):
        await failed.wait()
        assert kept.problem == "following: [Errno 24] Too many open files"
        await well.wait()
    assert kept.problem is None
    assert caplog.text.count("following failed, and begins again") == 1


async def test_they_end_when_they_are_told_to(kept: Chores) -> None:
    ended = asyncio.Event()

    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    kept.begin("waiting", run)
    await asyncio.sleep(0)
    await kept.end()
    assert ended.is_set()
