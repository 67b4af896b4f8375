"""What a replay makes of how its first training ends."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Completed, Failed
from trainer.data.months import Month
from trainer.data.source import MonthFile
from trainer.flows import replay as module
from trainer.flows.replay import replay
from trainer.flows.steps import replay as steps
from trainer.flows.steps.replay import RunFailed, Window
from trainer.flows.train import train
from trainer.replay.weeks import Week
from training_steps import settings_for

MONTHS = [Month(2021, 1), Month(2021, 2)]
REFUSED = "trip-duration version 2 was not promoted: holdout RMSE 5.4 is not surely below the champion's 5.3"


@dataclass
class Stack:
    """On which trainings end as they are told to, and what is asked and answered is always quiet."""

    trained: State
    begun: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """Deployments and parameters of the runs."""
    played: list[str] = field(default_factory=list)
    """Weeks whose trips were asked for."""

    def run_deployment(self, deployment: str, parameters: Mapping[str, Any], **_: object) -> FlowRun:
        self.begun.append((deployment, parameters))
        state = self.trained if deployment.startswith("train/") else Completed(message="quiet")
        return FlowRun(flow_id=UUID(int=1), state=state)

    def play(self, player: object, week: Week, trips: object, *, last: bool) -> Window:
        self.played.append(str(week))
        return Window(since=datetime(2026, 3, 8, 9, tzinfo=UTC), until=datetime(2026, 3, 8, 10, tzinfo=UTC))


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """In place of a replay's steps, but for those that wait for runs."""
    stack = Stack(Completed(message=REFUSED))
    files = [(month, MonthFile(tmp_path, f"somewhere/{month}.parquet", str(month), 1)) for month in MONTHS]
    monkeypatch.setattr(steps, "run_deployment", stack.run_deployment)
    monkeypatch.setattr(module, "run", steps.run.fn)
    monkeypatch.setattr(module, "play", stack.play)
    monkeypatch.setattr(module, "find_months", lambda *_: files)
    for step in ("read_trips", "ingest", "create_markdown_artifact"):
        monkeypatch.setattr(module, step, lambda *_, **__: None)
    with settings_for(tmp_path, monkeypatch):
        yield stack


def test_if_the_gate_refuses_the_first_model_the_champion_of_before_is_asked_for_the_months_to_come(
    stack: Stack,
) -> None:
    ended = replay.fn("2021-01..2021-02")

    assert ended.is_completed()
    told = str(ended.message).splitlines()
    assert told[0] == f"end of 2021-01: {REFUSED}"
    assert [line.partition(": ")[2] for line in told[1:]] == ["quiet"] * 5
    assert len(stack.played) == 4
    # nothing but the one training has anything to do with what is served, and that has the gate that all have
    (first, wanted), *others = stack.begun
    assert first == "train/trip-duration"
    assert {deployment for deployment, _ in others} == {"monitor/trip-duration"}
    train.validate_parameters(dict(wanted))
    assert "gate" not in wanted


def test_a_first_training_that_fails_ends_the_replay(stack: Stack) -> None:
    stack.trained = Failed(message="2021-01 isn't published")
    with pytest.raises(RunFailed, match="train/trip-duration: Failed: 2021-01 isn't published"):
        replay.fn("2021-01..2021-02")
    assert stack.played == []
