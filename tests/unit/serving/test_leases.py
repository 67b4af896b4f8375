"""Versions that are served for as long as a rollout stands behind them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from serving.errors import DamagedBundle, NoLease, VersionNotFound


async def served_by_alias(workers: Any, registry: Any, version: str = "1") -> None:
    registry.alias = version
    await workers.follower.poll()
    assert workers.versions == [version] * 3


async def end_of_lease(workers: Any) -> None:
    while not workers.replica.state.read().lease.ended:  # noqa: ASYNC110  it is a time in a file
        await asyncio.sleep(0.01)


async def test_staging_changes_nothing_that_is_served(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    digest = await workers.coordinator.stage("2")
    assert workers.versions == ["1"] * 3
    swapped = await workers.coordinator.lease_version("2", 60)
    assert workers.versions == ["2"] * 3
    assert digest == swapped.digest == workers.slots[0].served.model.contract.digest


async def test_what_cannot_be_staged_is_refused_with_the_reason(workers: Any, registry: Any, damaged: Path) -> None:
    await served_by_alias(workers, registry)
    registry.folders["4"] = damaged
    with pytest.raises(DamagedBundle, match=r"model\.ubj: sha256"):
        await workers.coordinator.stage("4")
    with pytest.raises(VersionNotFound):
        await workers.coordinator.stage("9")
    assert workers.versions == ["1"] * 3


async def test_a_version_deleted_between_stage_and_swap_is_refused(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    await workers.coordinator.stage("2")
    del registry.folders["2"]
    with pytest.raises(VersionNotFound):
        await workers.coordinator.lease_version("2", 60)
    assert workers.versions == ["1"] * 3
    assert workers.replica.state.read().lease is None


async def test_polls_do_not_undo_a_rollout(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    await workers.coordinator.lease_version("2", 60)
    for _ in range(3):
        await workers.follower.poll()
    assert workers.versions == ["2"] * 3


async def test_the_alias_fulfils_a_lease(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    await workers.coordinator.lease_version("2", 60)
    generations = workers.generations
    registry.alias = "2"
    await workers.follower.poll()
    state = workers.replica.state.read()
    assert (state.lease, state.followed, workers.generations) == (None, state.entry, generations)
    with pytest.raises(NoLease):
        await workers.coordinator.renew("2", 60)
    await workers.coordinator.abandon("2")
    assert workers.versions == ["2"] * 3


async def test_a_lease_that_nobody_renews_falls_back_without_the_registry(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    await workers.coordinator.lease_version("2", 0.05)
    registry.reachable = False
    await end_of_lease(workers)
    await workers.follower.poll()
    assert workers.versions == ["1"] * 3
    assert workers.replica.state.read().lease is None
    registry.reachable = True
    await workers.follower.poll()
    assert workers.versions == ["1"] * 3


async def test_a_renewed_lease_lasts(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    await workers.coordinator.lease_version("2", 0.05)
    lease = await workers.coordinator.renew("2", 60)
    await workers.follower.poll()
    assert workers.versions == ["2"] * 3
    assert lease == workers.replica.state.read().lease
    with pytest.raises(NoLease):
        await workers.coordinator.renew("1", 60)


async def test_what_a_rollout_abandons_goes_back_and_once_more_does_no_harm(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    await workers.coordinator.lease_version("2", 60)
    registry.reachable = False
    for _ in range(2):
        state = await workers.coordinator.abandon("2")
        assert (state.version, workers.versions) == ("1", ["1"] * 3)
    registry.reachable = True
    await workers.follower.poll()
    assert workers.versions == ["1"] * 3


async def test_a_first_model_that_is_abandoned_leaves_none(workers: Any) -> None:
    await workers.coordinator.lease_version("1", 60)
    assert workers.versions == ["1"] * 3
    await workers.coordinator.abandon("1")
    assert workers.versions == [None] * 3


async def test_the_version_that_is_served_already_can_be_leased_and_given_back(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    generations = workers.generations
    await workers.coordinator.lease_version("1", 60)
    await workers.coordinator.abandon("1")
    assert (workers.versions, workers.generations) == (["1"] * 3, generations)
    assert workers.replica.state.read().lease is None


async def test_a_rollout_after_one_whose_driver_died_goes_back_to_what_the_alias_says(
    workers: Any, registry: Any
) -> None:
    await served_by_alias(workers, registry)
    await workers.coordinator.lease_version("2", 60)
    await workers.coordinator.lease_version("3", 60)
    await workers.coordinator.abandon("3")
    assert workers.versions == ["1"] * 3


async def test_an_alias_moved_by_hand_meanwhile_is_followed_after_the_rollout(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    await workers.coordinator.lease_version("2", 60)
    registry.alias = "3"
    await workers.follower.poll()
    assert workers.versions == ["2"] * 3
    await workers.coordinator.abandon("2")
    await workers.follower.poll()
    assert workers.versions == ["3"] * 3


async def test_an_alias_that_moved_before_its_driver_died_is_what_counts(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    await workers.coordinator.lease_version("2", 0.05)
    registry.alias = "2"
    registry.reachable = False
    await end_of_lease(workers)
    await workers.follower.poll()
    registry.reachable = True
    await workers.follower.poll()
    assert workers.versions == ["2"] * 3


async def test_what_a_lease_goes_back_to_is_never_removed_from_the_store(workers: Any, registry: Any) -> None:
    workers.store._keep = 2
    await served_by_alias(workers, registry)
    before = workers.replica.state.read().entry
    for version in ("2", "3", "2", "3"):
        await workers.coordinator.lease_version(version, 60)
    assert (workers.store._folder / before).is_dir()
    await workers.coordinator.abandon("3")
    assert workers.versions == ["1"] * 3


async def test_swaps_back_and_forth_never_lose_the_last_one(workers: Any, registry: Any) -> None:
    await served_by_alias(workers, registry)
    for _ in range(10):
        for version in ("2", "1"):
            await workers.coordinator.lease_version(version, 60)
            registry.alias = version
            await workers.follower.poll()
            assert workers.versions == [version] * 3
    assert workers.replica.state.read().lease is None
