"""A rollout that is tried again, as Prefect does with a task that couldn't reach something."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from contract.golden import requests_of
from prefect.logging import disable_run_logger
from prefect.states import Failed
from rollout_parties import DIGESTS, Broken, MemoryReplica, Strike, World
from trainer.data.checkpoints import write_checkpoint
from trainer.flows.handover import Candidate, CleanRows, FeatureSet, Registered
from trainer.flows.steps import release
from trainer.flows.steps import serve as module
from trainer.flows.steps.release import roll_out
from trainer.flows.steps.serve import serve, unless_champion_changes
from trainer.flows.steps.versions import UNLESS_FINAL
from trainer.gate.terms import Terms
from trainer.gate.verdict import Verdict
from trainer.rollout.change import Change
from trainer.rollout.errors import ChampionChanged, NotServed, Refused, RolloutInProgress, Unavailable
from trainer.rollout.proof import Proof

NOTHING: Any = None
PROOF = Proof("8", "digest of 8", [{"distance": 1}], [1.0])
BETTER = Verdict(
    candidate="8",
    champion="7",
    unit="bike",
    rows=150,
    rmse=4.0,
    explained=0.8,
    comparisons=[],
    slices=[],
    refusals=[],
    notes=[],
    terms=Terms(),
    seed=1,
)


def take_part(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ledger", lambda _: nullcontext(world.ledger))
    monkeypatch.setattr(module, "prompt_registry", lambda _: world.aliases)
    monkeypatch.setattr(module, "replicas_of", lambda _: lambda: world.replicas)


def serve_eight(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    take_part(world, monkeypatch)
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


def test_a_training_s_rollout_asks_each_replica_for_the_golden_rows_and_a_hundred_of_its_holdout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_bundle: Any
) -> None:
    contract, golden = make_bundle(tmp_path / "bundle"), Proof.of("8", tmp_path / "bundle")
    held_out = pa.table(
        {
            "at": [f"2024-06-{1 + n % 30:02}T08:00:00" for n in range(150)],
            "station": [5 + n % 7 for n in range(150)],
            "temperature": [n / 5 for n in range(150)],
        }
    )
    held_out = held_out.set_column(0, "at", held_out["at"].cast(pa.timestamp("us")))
    rows = write_checkpoint(tmp_path, held_out)
    found = FeatureSet(folder=tmp_path, rows=CleanRows(training=rows, holdout=rows, left_out={}))
    world, asked = World(), dict[str, Proof]()
    take_part(world, monkeypatch)
    monkeypatch.setitem(DIGESTS, "8", contract.digest)
    monkeypatch.setattr(MemoryReplica, "_verify", lambda replica, proof, _: asked.update({replica.name: proof}))
    monkeypatch.setattr(release, "tag", lambda *_: None)
    with disable_run_logger():
        registered = Registered(model="trip-duration", version="8", run_id="run")
        roll_out.fn(registered, BETTER, Candidate(run_id="run", folder=tmp_path, rounds=8), found)

    assert world.served == ["8", "8"]
    assert asked.keys() == {"a", "b"}
    for proof in asked.values():
        assert list(proof.rows) == [*golden.rows, *requests_of(contract, held_out.slice(0, 100))]
        assert len(proof.predictions) == len(proof.rows)
