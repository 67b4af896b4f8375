"""A rollout happens as a whole or not at all, wherever it fails and wherever its driver is killed."""

from contextlib import suppress
from typing import Literal

import pytest
from rollout_parties import Broken, Killed, MemoryAliases, Strike, World, latest_served
from trainer.registry.champion import PROMPT
from trainer.rollout.errors import (
    AlreadyChampion,
    ChampionChanged,
    NotServed,
    Refused,
    RolloutInProgress,
    Unavailable,
)
from trainer.rollout.reconciliation import BY_HAND, DIED, DIED_AFTER, reconcile
from trainer.rollout.replica import POLL_SECONDS
from trainer.rollout.transaction import LEASE_SECONDS
from urllib3 import Retry

CHAMPIONS = ("7", None)
"""There is a champion, and there is none yet."""


def strikes(effect: Literal["fails", "kills", "outage"]) -> list[Strike]:
    """At every call of a rollout that succeeds, before and after the call's work."""
    world = World()
    world.roll_out()
    return [Strike(at, effect, done) for at in range(len(world.calls)) for done in (False, True)]


def assert_all_agree(world: World) -> None:
    """Alias, replicas and ledger, once leases have ended and reconciliation has run."""
    assert reconcile(world.aliases, world.ledger, lambda: world.replicas)
    assert not world.leased
    if world.champion is not None:
        assert world.served == [world.champion] * 2
        assert latest_served(world.rows) == world.champion
    assert not [row for row in world.rows if row.outcome == "under way"]
    assert all(row.failure for row in world.rows if row.outcome == "failed")


def test_a_rollout_is_on_all_replicas_then_in_the_alias_and_in_the_ledger() -> None:
    world = World()
    seconds = world.roll_out()

    assert list(seconds) == ["stage", "swap", "verify", "alias", "fulfil"]
    assert world.served == ["8", "8"]
    assert not world.leased
    assert world.champion == "8"
    assert (world.last.outcome, world.last.failure, world.last.change.from_version) == ("done", None, "7")
    assert world.last.steps == seconds
    assert world.last.change.gate == {"rmse": 5.0}
    assert not world.lock_held


def test_the_first_model_is_rolled_out_like_any_other() -> None:
    world = World(champion=None)
    world.roll_out(decided_beside=None)

    assert world.served == ["8", "8"]
    assert (world.champion, world.last.outcome) == ("8", "done")


@pytest.mark.parametrize("strike", strikes("fails"), ids=str)
@pytest.mark.parametrize("champion", CHAMPIONS)
def test_whatever_call_fails_everything_is_as_it_was_and_the_ledger_tells_why(
    strike: Strike, champion: str | None
) -> None:
    world = World(champion, strike)
    begun = len(world.rows)
    try:
        world.roll_out(decided_beside=champion)
    except Broken:
        assert world.champion == champion
        if champion:
            assert world.served == ["7", "7"]
        assert not world.leased
        if len(world.rows) > begun and world.last.outcome != "under way":
            assert world.last.outcome == "failed"
            assert "broke" in str(world.last.failure)
    else:
        # only the last call, the ledger's, may fail without undoing what is served
        assert world.calls[strike.at] == "ledger"
        assert world.champion == "8"
        assert world.served == ["8", "8"]
    assert not world.lock_held

    world.after_a_while()
    assert_all_agree(world)


@pytest.mark.parametrize("strike", strikes("kills"), ids=str)
@pytest.mark.parametrize("champion", CHAMPIONS)
def test_wherever_the_driver_is_killed_alias_replicas_and_ledger_agree_after_a_while(
    strike: Strike, champion: str | None
) -> None:
    world = World(champion, strike)
    with pytest.raises(Killed):
        world.roll_out(decided_beside=champion)
    world.after_a_while()

    assert_all_agree(world)
    if champion and world.champion == "7" and len(world.rows) > 1:
        assert (world.last.outcome, world.last.failure) == ("failed", DIED)


@pytest.mark.parametrize("strike", strikes("outage"), ids=str)
@pytest.mark.parametrize("champion", CHAMPIONS)
def test_a_party_that_goes_away_for_long_leaves_no_half_of_a_rollout(strike: Strike, champion: str | None) -> None:
    world = World(champion, strike)
    with suppress(Broken):
        world.roll_out(decided_beside=champion)
    world.after_a_while()

    assert_all_agree(world)


def test_a_driver_killed_after_the_alias_had_moved_is_told_of_as_done() -> None:
    world = World()
    world.roll_out()
    moved = max(at for at, party in enumerate(world.calls) if party == "registry")
    world = World(strike=Strike(moved, "kills", done=True))
    with pytest.raises(Killed):
        world.roll_out()
    world.after_a_while()
    assert_all_agree(world)

    assert (world.champion, world.last.outcome, world.last.failure) == ("8", "done", DIED_AFTER)


def test_a_lock_lost_while_the_registry_was_waited_for_leaves_the_alias_alone() -> None:
    class SlowAliases(MemoryAliases):
        def version_of(self, alias: str) -> str | None:
            found = super().version_of(alias)
            if self.world.leased:
                self.world.away = "ledger"
            return found

    world = World()
    world.aliases = SlowAliases(world)
    with pytest.raises(Unavailable, match="ledger is away"):
        world.roll_out()
    assert (world.champion, world.served) == ("7", ["7", "7"])
    world.after_a_while()
    world.aliases = MemoryAliases(world)

    assert_all_agree(world)
    assert (world.last.outcome, world.last.failure) == ("failed", DIED)


def test_a_lease_outlasts_what_an_mlflow_that_does_not_answer_takes_of_it() -> None:
    retry = Retry(PROMPT["max_retries"], backoff_factor=PROMPT["backoff_factor"])
    longest = PROMPT["timeout"] + PROMPT["backoff_jitter"] * PROMPT["max_retries"]
    for _ in range(PROMPT["max_retries"]):
        retry = retry.increment("GET", "/", error=ConnectionError())
        longest += PROMPT["timeout"] + retry.get_backoff_time()

    # it is asked where the alias is, told to move it, and followed
    assert 2 * longest + POLL_SECONDS < LEASE_SECONDS


def test_after_a_killed_driver_the_next_rollout_settles_the_ledger_and_goes_its_way() -> None:
    world = World(strike=Strike(6, "kills", done=True))
    with pytest.raises(Killed):
        world.roll_out()
    world.strike, world.killed = None, False
    world.roll_out()

    assert [row.outcome for row in world.rows] == ["done", "failed", "done"]
    assert world.served == ["8", "8"]


def test_a_version_that_a_replica_refuses_changes_nothing() -> None:
    world = World()
    with pytest.raises(Refused, match="there is no version 9"):
        world.roll_out("9")

    assert world.served == ["7", "7"]
    assert world.last.failure == "stage: there is no version 9"


def test_one_replica_with_another_bundle_or_other_answers_takes_all_back(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.replicas[1].answers = 1.1
    with pytest.raises(NotServed, match=r"offline 1\.0, online 1\.1"):
        world.roll_out()

    assert (world.served, world.champion) == (["7", "7"], "7")
    assert str(world.last.failure).startswith("verify: ")

    world = World()
    monkeypatch.setattr(world.replicas[1], "stage", lambda _: "another")
    with pytest.raises(NotServed, match="staged the bundle another, not digest of 8"):
        world.roll_out()

    assert (world.served, world.champion) == (["7", "7"], "7")
    assert str(world.last.failure).startswith("stage: ")


def test_a_decision_about_another_champion_isn_t_carried_out() -> None:
    world = World()
    with pytest.raises(ChampionChanged, match="from version 6 to version 7"):
        world.roll_out(decided_beside="6")
    with pytest.raises(AlreadyChampion):
        world.roll_out("7", decided_beside="7")

    assert len(world.rows) == 1


def test_a_second_rollout_is_refused_while_the_lock_is_held_and_so_is_reconciliation() -> None:
    world = World()
    with world.ledger.locked(0):
        with pytest.raises(RolloutInProgress):
            world.roll_out()
        assert not reconcile(world.aliases, world.ledger, lambda: world.replicas)


def test_an_alias_moved_by_hand_gets_its_row_once() -> None:
    world = World()
    world.champion = "8"
    world.after_a_while()
    assert_all_agree(world)
    assert_all_agree(world)

    assert [(row.change.kind, row.change.to_version) for row in world.rows] == [("train", "7"), ("by hand", "8")]
    assert (world.last.change.actor, world.last.change.from_version, world.last.outcome) == (BY_HAND, "7", "done")


def test_an_alias_moved_by_hand_to_what_is_not_served_gets_no_row() -> None:
    world = World()
    world.champion = "8"  # which no replica has taken, as one that is damaged
    assert reconcile(world.aliases, world.ledger, lambda: world.replicas)
    assert [row.change.to_version for row in world.rows] == ["7"]

    world.away = "replica a"
    world.replicas[1].version = "8"
    assert reconcile(world.aliases, world.ledger, lambda: world.replicas)
    assert world.last.change.to_version == "8", "by all that can be asked"


def test_a_registry_without_the_alias_changes_nothing_that_is_served_and_needs_no_row() -> None:
    world = World()
    world.champion = None
    assert reconcile(world.aliases, world.ledger, lambda: world.replicas)

    assert len(world.rows) == 1
