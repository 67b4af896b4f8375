"""A rollout that is tried again, as Prefect does with a task that couldn't reach something."""

from contextlib import nullcontext
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from prefect.states import Failed
from rollout_parties import Broken, Strike, World
from trainer.flows.steps import serve as module
from trainer.flows.steps.release import roll_out
from trainer.flows.steps.serve import serve, unless_champion_changes
from trainer.flows.steps.versions import UNLESS_FINAL
from trainer.rollout.change import Change
from trainer.rollout.errors import ChampionChanged, NotServed, Refused, RolloutInProgress, Unavailable
from trainer.rollout.proof import Proof

NOTHING: Any = None
PROOF = Proof("8", "digest of 8", [{"distance": 1}], [1.0])


def serve_eight(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ledger", lambda _: nullcontext(world.ledger))
    monkeypatch.setattr(module, "prompt_registry", lambda _: world.aliases)
    monkeypatch.setattr(module, "replicas", lambda: world.replicas)
    with disable_run_logger():
        serve("trip-duration", Change("train", "7", "8", "a flow run", "better"), PROOF, 0)


def test_a_try_after_one_that_was_undone_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(strike=Strike(8, "fails", done=True))
    with pytest.raises(Broken):
        serve_eight(world, monkeypatch)
    serve_eight(world, monkeypatch)

    assert [row.outcome for row in world.rows] == ["done", "failed", "done"]
    assert (world.champion, world.served) == ("8", ["8", "8"])


def test_a_try_after_one_that_moved_the_alias_and_could_not_know_it_finds_what_it_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.champion = "8"
    world.after_a_while()
    serve_eight(world, monkeypatch)

    assert world.served == ["8", "8"]
    assert [row.change.kind for row in world.rows] == ["train", "by hand"]


@pytest.mark.parametrize(("changes", "judged"), [(0, 1), (1, 2), (2, 2)])
def test_a_verdict_beside_a_champion_that_has_gone_is_given_once_more(changes: int, judged: int) -> None:
    verdicts: list[int] = []

    def decide() -> str:
        verdicts.append(len(verdicts))
        if len(verdicts) <= changes:
            raise ChampionChanged("7", "6")
        return "served"

    with disable_run_logger():
        if changes < 2:
            assert unless_champion_changes(decide) == "served"
        else:
            with pytest.raises(ChampionChanged):
                unless_champion_changes(decide)
    assert len(verdicts) == judged


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Unavailable("away"), True),
        (OSError("away"), True),
        (Refused("damaged"), False),
        (NotServed("another version"), False),
        (ChampionChanged("7", "6"), False),
        (RolloutInProgress("trip-duration", 0), False),
    ],
)
def test_only_what_could_not_be_reached_is_tried_again(error: Exception, again: bool) -> None:
    assert UNLESS_FINAL(NOTHING, NOTHING, Failed(data=error)) is again
    assert roll_out.retry_condition_fn is not None
    assert roll_out.retry_condition_fn(NOTHING, NOTHING, Failed(data=error)) is again
