"""When the service moves by itself, and when it doesn't."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from serving import follower
from serving.slot import Slot


async def test_it_serves_where_the_alias_points(workers: Any, registry: Any) -> None:
    for number in ("1", "2"):
        registry.alias = number
        await workers.follower.poll()
        assert workers.versions == [number] * 3


async def test_a_version_asked_for_by_hand_stays_until_the_alias_moves(workers: Any, registry: Any) -> None:
    registry.alias = "1"
    await workers.follower.poll()
    await workers.coordinator.serve_version("2")
    await workers.follower.poll()
    assert workers.versions == ["2"] * 3
    registry.alias = "3"
    await workers.follower.poll()
    assert workers.versions == ["3"] * 3


async def test_a_version_served_before_the_alias_names_it_is_not_swapped_again(workers: Any, registry: Any) -> None:
    registry.alias = "1"
    await workers.follower.poll()
    await workers.coordinator.serve_version("2")
    registry.alias = "2"
    await workers.follower.poll()
    assert workers.generations == [2, 2, 2]
    assert workers.replica.state.read().followed == workers.slots[0].served.key


async def test_version_1_of_a_registry_made_anew_is_followed(workers: Any, registry: Any) -> None:
    registry.alias = "1"
    await workers.follower.poll()
    registry.born, registry.folders["1"] = 1, registry.folders["2"]
    await workers.follower.poll()
    assert workers.generations == [2, 2, 2]


async def test_a_refused_champion_is_reported_once_and_tried_again_later(
    workers: Any, registry: Any, damaged: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.alias = "1"
    await workers.follower.poll()
    registry.folders["4"], registry.alias = damaged, "4"
    for _ in range(3):
        await workers.follower.poll()
    assert registry.downloads.count("contract.json") == 2  # of 1, and of 4 once
    refused = workers.replica.notes.read().refused
    assert refused.version == "4"
    assert "sha256" in refused.reason
    assert caplog.text.count("was refused") == 1
    assert "serving_champion_refused 1.0" in workers.metrics.text().decode()

    registry.folders["4"] = registry.folders["2"]
    monkeypatch.setattr(workers.follower, "_retry_at", 0.0)
    await workers.follower.poll()
    assert workers.versions == ["4"] * 3
    assert workers.replica.notes.read().refused is None
    assert "serving_champion_refused 0.0" in workers.metrics.text().decode()


async def test_retries_of_a_refused_champion_become_rare(
    workers: Any, registry: Any, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.folders["4"], registry.alias = damaged, "4"
    pauses = []
    for _ in range(9):
        monkeypatch.setattr(workers.follower, "_retry_at", 0.0)
        await workers.follower.poll()
        pauses.append(workers.follower._retry_seconds)
    assert pauses[:3] == [4.0, 8.0, 16.0]
    assert pauses[-1] == follower.LONGEST_RETRY_SECONDS


async def test_an_unreachable_registry_changes_nothing_and_is_counted(workers: Any, registry: Any) -> None:
    registry.alias = "1"
    await workers.follower.poll()
    registry.reachable = False
    await workers.follower.poll()
    assert workers.versions == ["1"] * 3
    assert workers.replica.notes.read().reason == "the registry: no connection"
    assert "serving_registry_poll_failures_total 1.0" in workers.metrics.text().decode()
    registry.reachable, registry.alias = True, "2"
    await workers.follower.poll()
    assert workers.versions == ["2"] * 3
    assert workers.replica.notes.read().reason is None


async def test_an_alias_that_is_taken_away_leaves_the_model(workers: Any, registry: Any) -> None:
    registry.alias = "1"
    await workers.follower.poll()
    registry.alias = None
    await workers.follower.poll()
    assert workers.versions == ["1"] * 3
    assert "no champion" in workers.replica.notes.read().reason


async def test_a_worker_that_fell_behind_is_brought_back(workers: Any, registry: Any, tmp_path: Path) -> None:
    registry.alias = "1"
    await workers.follower.poll()
    key = workers.slots[0].served.key
    (tmp_path / "store" / key / "bundle" / "model.ubj").write_bytes(b"rust")
    fresh = Slot(workers.slots[2].pid, workers.store, workers.replica.state, lambda _: None)
    workers.slots[2].current, workers.slots[2]._generation = fresh.current, 0
    await workers.follower.poll()
    assert workers.versions == ["1"] * 3
    assert workers.generations == [1, 1, 1]


@asynccontextmanager
async def following(workers: Any, poll_seconds: float = 3600) -> AsyncIterator[Any]:
    """The follower at work, after its first poll."""
    workers.follower._poll_seconds = poll_seconds
    running = asyncio.create_task(workers.follower.run())
    try:
        yield workers.follower
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  it is in files and other objects
            await asyncio.sleep(0.01)


async def test_it_looks_at_once_when_it_is_told(workers: Any, registry: Any) -> None:
    registry.alias = "1"
    async with following(workers) as told:
        await until(lambda: workers.versions == ["1"] * 3)
        registry.alias = "2"
        told.look()
        await until(lambda: workers.versions == ["2"] * 3)
        assert not told._told.is_set()  # and waits again


async def test_what_is_told_while_it_looks_is_looked_at_too(
    workers: Any, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.alias = "1"
    champion = registry.champion
    loop = asyncio.get_running_loop()

    def moves_meanwhile() -> Any:
        found = champion()
        if registry.looks == 2:  # the first is the poll's own, this one is the swap's
            registry.alias = "2"
            loop.call_soon_threadsafe(workers.follower.look)
        return found

    monkeypatch.setattr(registry, "champion", moves_meanwhile)
    async with following(workers):
        await until(lambda: workers.versions == ["2"] * 3)


async def test_many_tellings_are_few_looks(workers: Any, registry: Any) -> None:
    registry.alias = "1"
    async with following(workers) as told:
        await until(lambda: workers.versions == ["1"] * 3)
        before = registry.looks
        for _ in range(20):
            told.look()
            await asyncio.sleep(0.005)
        registry.alias = "2"
        told.look()
        await until(lambda: workers.versions == ["2"] * 3)
        # the swap itself asks once more
        assert registry.looks - before <= 6


async def test_being_told_undoes_no_rollout(workers: Any, registry: Any) -> None:
    registry.alias = "1"
    async with following(workers) as told:
        await until(lambda: workers.versions == ["1"] * 3)
        await workers.coordinator.lease_version("2", 60)
        before = registry.looks
        told.look()
        await until(lambda: registry.looks > before)
        assert workers.versions == ["2"] * 3
        registry.alias = "2"
        told.look()
        await until(lambda: workers.replica.state.read().lease is None)
        assert workers.versions == ["2"] * 3


async def test_it_polls_as_ever_when_nobody_tells_it(workers: Any, registry: Any) -> None:
    registry.alias = "1"
    async with following(workers, poll_seconds=0.05):
        await until(lambda: workers.versions == ["1"] * 3)
        registry.alias = "2"
        await until(lambda: workers.versions == ["2"] * 3)
