"""Which rows decide what in a training."""

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from optuna.storages import InMemoryStorage
from prefect.logging import disable_run_logger
from trainer.data.checkpoints import write_checkpoint
from trainer.flows.handover import Candidate, CleanRows, FeatureSet
from trainer.flows.steps import model as model_module
from trainer.flows.steps import search as search_module
from trainer.flows.steps.model import evaluate, train
from trainer.flows.steps.preparation import features
from trainer.flows.steps.search import search
from trainer.modelling.examples import Examples
from trainer.modelling.parameters import Boosting
from trainer.search.study import Study
from training_steps import MemoryRun, settings_for

pytestmark = pytest.mark.thorough

Prepare = Callable[[pa.Table, pa.Table], FeatureSet]

GIVEN = Boosting(max_rounds=60, max_depth=4, learning_rate=0.3, early_stopping_rounds=5)
SEED = 1
TRIALS = 3

EVERYTHING = (0.0, 1.0)
WATCHED = (0.8, 0.9)
CALIBRATING = (0.9, 1.0)
"""Parts of a table's rows, from one share of them to another."""


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Steps log to runs in memory, and keep their files in the test's folder."""
    for module in (model_module, search_module):
        monkeypatch.setattr(module, "training_run", MemoryRun)
    monkeypatch.setattr(search_module, "create_markdown_artifact", lambda *_, **__: None)
    with settings_for(tmp_path, monkeypatch), disable_run_logger():
        yield


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """As the step does it."""

    def prepared(training: pa.Table, holdout: pa.Table) -> FeatureSet:
        rows = [write_checkpoint(tmp_path, table) for table in (training, holdout)]
        return features.fn(CleanRows(training=rows[0], holdout=rows[1], left_out={}))

    return prepared


def slower(trips: pa.Table, part: tuple[float, float]) -> pa.Table:
    """The same trips, of which those of one part take up to three times as long."""
    minutes = trips["duration_minutes"].to_numpy().copy()
    # inside the part, wherever its ends are rounded to
    begin, end = math.ceil(part[0] * len(minutes)) + 1, math.floor(part[1] * len(minutes)) - 1
    minutes[begin:end] *= np.linspace(1, 3, end - begin)
    return trips.set_column(trips.column_names.index("duration_minutes"), "duration_minutes", pa.array(minutes))


def searched(found: FeatureSet, monkeypatch: pytest.MonkeyPatch) -> tuple[Boosting, list[tuple[Boosting, float]]]:
    """What a search chooses, and all that it tried, with the error."""
    study = Study(InMemoryStorage(), "search", GIVEN, SEED)
    monkeypatch.setattr(search_module, "kept_study", lambda *_: nullcontext((study, True)))
    chosen = search.fn("run", found, GIVEN, TRIALS, 600, 1, SEED)
    return chosen, [(trial.boosting, trial.error) for trial in study.tried()]


def trained(found: FeatureSet, name: str) -> tuple[Candidate, bytes]:
    """The candidate, and its booster that stopped early."""
    candidate = train.fn(name, found, GIVEN, SEED)
    return candidate, candidate.early_stopped.read_bytes()


def test_calibration_rows_and_holdout_rows_play_no_part_in_a_search_s_choice(
    prepare: Prepare, january: pa.Table, february: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = searched(prepare(january, february), monkeypatch)
    others = searched(prepare(slower(january, CALIBRATING), slower(february, EVERYTHING)), monkeypatch)
    watched = searched(prepare(slower(january, WATCHED), february), monkeypatch)

    assert len(found[1]) == TRIALS
    assert others == found
    assert watched[1] != found[1]


def test_early_stopping_does_not_look_at_the_rows_that_calibrate_the_interval(
    prepare: Prepare, january: pa.Table, february: pa.Table
) -> None:
    plain, calibrating = prepare(january, february), prepare(slower(january, CALIBRATING), february)
    latest = january["duration_minutes"].to_numpy().astype(np.float32)[-round(january.num_rows / 10) :]
    assert Examples.read(plain.calibration).outcome.tolist() == latest.tolist()
    candidate, stopped = trained(plain, "plain")
    other, stopped_too = trained(calibrating, "calibrating")
    _, watching = trained(prepare(slower(january, WATCHED), february), "watched")

    assert (other.rounds, stopped_too) == (candidate.rounds, stopped)
    assert candidate.rounds < GIVEN.max_rounds
    assert watching != stopped
    # and the interval is as wide as these rows want it
    narrow, wide = evaluate.fn(candidate, plain).interval, evaluate.fn(other, calibrating).interval
    assert wide.upper > narrow.upper + 5
