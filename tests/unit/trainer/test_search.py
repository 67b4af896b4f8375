"""The search for parameters: what it tries, what it gives up, when it ends, and that it can be gone on with."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import optuna
import pyarrow as pa
import pytest
from mlflow import MlflowClient
from optuna.storages import BaseStorage, InMemoryStorage
from trainer.modelling.examples import featurise, split_by_time
from trainer.modelling.fit import Matrices, fit_with_early_stopping
from trainer.modelling.parameters import Boosting
from trainer.registry.nested import NestedRun, logging_below
from trainer.registry.runs import TrainingRun
from trainer.search.limit import Limit
from trainer.search.outcome import NoTrialCompleted, Outcome, Result, Tried
from trainer.search.rendering import markdown, summary
from trainer.search.search import search
from trainer.search.space import SPACE, boosting_at, nearest
from trainer.search.study import MOST_TRIES, Study
from trainer.usecases.trips.features import fit_contract

pytestmark = pytest.mark.thorough

GIVEN = Boosting(max_rounds=60, early_stopping_rounds=5)
POOR = Boosting(learning_rate=1.0, max_depth=1, min_child_weight=0, reg_lambda=0, max_rounds=3)
SEED = 1


@pytest.fixture(scope="session")
def matrices(january: pa.Table) -> Matrices:
    earlier, later = split_by_time(january, 0.2)
    contract = fit_contract(earlier)
    return Matrices.of(featurise(contract, earlier), featurise(contract, later))


def searched(
    matrices: Matrices,
    trials: int,
    *,
    storage: BaseStorage | None = None,
    given: Boosting = GIVEN,
    parallel: int = 1,
    limit: Limit | None = None,
    ended: Callable[[Tried], None] = lambda _: None,
) -> list[Tried]:
    study = Study(storage or InMemoryStorage(), "search", given, SEED)
    search(study, matrices, SEED, trials, parallel, limit or Limit(600), ended)
    return study.tried()


def points(tried: Sequence[Tried]) -> list[tuple[str, Boosting, float]]:
    return [(trial.ending, trial.boosting, trial.error) for trial in tried if trial.ending != "interrupted"]


@pytest.mark.parametrize("seed", range(5))
def test_any_point_of_the_space_is_a_boosting(seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    point = study.ask(dict(SPACE)).params
    boosting = boosting_at(point, GIVEN)

    assert boosting.model_dump().items() >= point.items()
    assert (boosting.max_rounds, boosting.early_stopping_rounds) == (60, 5)


def test_parameters_outside_the_space_are_tried_as_they_are(matrices: Matrices) -> None:
    (tried,) = searched(matrices, 1, given=POOR)
    point = nearest(POOR)

    assert tried.given
    assert tried.boosting == POOR
    assert (point["learning_rate"], point["max_depth"], point["min_child_weight"]) == (0.3, 4, 1)


def test_the_first_trial_has_the_given_parameters_and_the_error_of_a_fit_with_them(matrices: Matrices) -> None:
    first, *_ = searched(matrices, 2)
    alone = fit_with_early_stopping(matrices, GIVEN.for_xgboost(SEED), GIVEN.max_rounds, GIVEN.early_stopping_rounds)

    assert first.given
    assert first.boosting == GIVEN
    assert first.error == pytest.approx(alone.rmse, rel=1e-3)


def test_the_result_is_never_worse_than_the_given_parameters_and_better_than_poor_ones(matrices: Matrices) -> None:
    poor = Outcome(searched(matrices, 6, given=POOR), 1)
    assert poor.given is not None
    assert poor.best.error < poor.given.error
    assert "instead of" in summary(poor)

    # what it finds, given: nothing else may be worse
    again = Outcome(searched(matrices, 3, given=poor.best.boosting), 1)
    assert again.given is not None
    assert again.best.error <= again.given.error


def test_what_is_clearly_worse_is_given_up_and_the_given_parameters_never_are(matrices: Matrices) -> None:
    rounds: dict[int, int] = {}
    tried = searched(matrices, 16, parallel=1, ended=lambda trial: rounds.update({trial.number: trial.result.rounds}))
    pruned = [trial for trial in tried if trial.ending == "pruned"]
    complete = [trial for trial in tried if trial.ending == "complete"]

    assert len(tried) == 16
    assert pruned
    assert min(trial.error for trial in pruned) > min(trial.error for trial in complete)
    assert all(trial.result.rounds < GIVEN.max_rounds for trial in pruned)
    assert tried[0].ending == "complete"


def test_the_same_seed_tries_the_same_parameters_and_chooses_the_same(matrices: Matrices) -> None:
    first, second = (searched(matrices, 14) for _ in range(2))

    assert points(first) == points(second)
    assert Outcome(first, 1).best.boosting == Outcome(second, 1).best.boosting


def test_a_search_that_was_interrupted_ends_as_one_that_was_not(matrices: Matrices) -> None:
    whole = searched(matrices, 14)
    storage = InMemoryStorage()
    for stop_after in (4, 9):
        limit = Limit(600)
        searched(
            matrices,
            14,
            storage=storage,
            limit=limit,
            ended=lambda trial, limit=limit, last=stop_after: limit.end() if trial.number >= last else None,  # type: ignore[misc]
        )
    # and one whose process died in the middle of a trial
    Study(storage, "search", GIVEN, SEED).ask()
    rest = searched(matrices, 14, storage=storage)

    assert points(rest) == points(whole)
    assert len(rest) > len(whole)


def test_a_search_that_is_done_tries_nothing_more(matrices: Matrices) -> None:
    storage = InMemoryStorage()
    before = searched(matrices, 3, storage=storage)

    assert searched(matrices, 3, storage=storage, ended=lambda _: pytest.fail("tried again")) == before


def test_trials_at_once_are_as_many_as_wanted_and_come_to_what_one_alone_would(matrices: Matrices) -> None:
    tried = searched(matrices, 7, parallel=3)

    assert len(tried) == 7
    for trial in tried:
        if trial.ending == "complete":
            parameters = trial.boosting.for_xgboost(SEED) | {"nthread": 1}
            alone = fit_with_early_stopping(
                matrices, parameters, trial.boosting.max_rounds, trial.boosting.early_stopping_rounds
            )
            assert (trial.error, trial.result.rounds) == pytest.approx((alone.rmse, alone.rounds))


def test_at_the_deadline_trials_end_within_a_round_or_so_and_are_left_for_later(matrices: Matrices) -> None:
    endless = Boosting(learning_rate=1e-6, max_rounds=20_000, early_stopping_rounds=20_000)
    storage, ended = InMemoryStorage(), list[Tried]()
    limit = Limit(1)
    tried = searched(matrices, 5, storage=storage, given=endless, parallel=2, limit=limit, ended=ended.append)
    first = next(trial for trial in ended if trial.given)

    assert (first.ended_at - first.begun_at).total_seconds() < 2
    assert {trial.ending for trial in tried} == {"interrupted"}
    assert sorted(trial.number for trial in ended) == [trial.number for trial in tried]
    # the same ones come first when the search is gone on with
    study = Study(storage, "search", endless, SEED)
    study.resume()
    again = [study.boosting_of(study.ask()) for _ in tried]
    assert sorted(again, key=repr) == sorted((trial.boosting for trial in tried), key=repr)


def test_a_search_that_is_called_off_leaves_nothing_running(matrices: Matrices) -> None:
    def give_up(_: Tried) -> None:
        raise KeyboardInterrupt

    # the given ones get better with each of many rounds, the other trial soon ends
    endless, limit = Boosting(learning_rate=1e-6, max_rounds=20_000, early_stopping_rounds=5), Limit(600)
    with pytest.raises(KeyboardInterrupt):
        searched(matrices, 5, given=endless, parallel=2, limit=limit, ended=give_up)
    assert limit.seconds_passed < 20
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("trial")] == []


def test_parameters_whose_process_dies_each_time_are_not_tried_for_ever() -> None:
    study = Study(InMemoryStorage(), "search", GIVEN, SEED)
    study.resume()
    given = []
    for _ in range(MOST_TRIES + 1):
        given.append(study.is_given(study.ask()))
        (left,) = study.resume()
        assert left.ending == "interrupted"

    assert given == [True] * MOST_TRIES + [False]


def test_a_trial_that_fails_is_recorded_and_ends_nothing(matrices: Matrices) -> None:
    broken = GIVEN.model_copy(update={"max_depth": -1})  # as no form would let it be
    tried = searched(matrices, 3, given=broken)

    assert [trial.ending for trial in tried] == ["failed", "complete", "complete"]
    assert "max_depth" in str(tried[0].reason)
    outcome = Outcome(tried, 1)
    assert outcome.given is None
    assert "trial 0: XGBoostError" in markdown(outcome)


def test_a_validation_error_that_is_no_number_fails_the_trial(january: pa.Table) -> None:
    earlier, later = split_by_time(january, 0.2)
    contract = fit_contract(earlier)
    learnt, watched = featurise(contract, earlier), featurise(contract, later)
    huge = np.full_like(watched.outcome, 3e38)
    matrices = Matrices.of(learnt, type(watched)(watched.features, huge, watched.names))
    (tried,) = searched(matrices, 1)

    assert tried.ending == "failed"
    assert tried.reason == "the validation RMSE is inf"


def test_no_result_is_an_error_that_says_why() -> None:
    study = Study(InMemoryStorage(), "search", GIVEN, SEED)
    study.resume()
    tried = [study.tell(study.ask(), Result("failed", reason="out of memory"))]

    with pytest.raises(NoTrialCompleted, match="within 9 s none of 1 trials completed; trial 0: out of memory"):
        Outcome(tried, 9.1)


def test_the_report_has_the_best_trials_and_what_became_of_the_others(matrices: Matrices) -> None:
    text = markdown(Outcome(searched(matrices, 12), 42.4))

    assert text.startswith("# Validation RMSE ")
    assert "This run of it took 42 s." in text
    assert "12 trials" in text
    assert "| 0 (given) |" in text
    assert text.count("\n| ") <= 12


def test_an_mlflow_that_is_away_is_told_of_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    now = datetime.now(UTC)
    with logging_below(TrainingRun(MlflowClient("http://127.0.0.1:9"), "run"), 30) as runs:
        for number in range(3):
            runs.log(NestedRun(f"trial {number}", "FINISHED", {}, {}, {}, now, now))

    assert "127.0.0.1" in str(runs.problem)
