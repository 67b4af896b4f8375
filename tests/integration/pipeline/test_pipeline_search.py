"""A training that first looks for better parameters, as a person starts it."""

from collections import Counter
from typing import Any

import pytest
import requests
from console.runs import TRAINING
from mlflow.entities import Run
from pipelines import MODEL, QUICK, Pipeline

pytestmark = pytest.mark.thorough

# other seeds than other tests' trainings: these are searches of their own
SEARCHED = {"months": "2021-01", "boosting": {**QUICK, "max_rounds": 30}, "seed": 11}

ENDLESS = {"learning_rate": 1e-6, "max_rounds": 20_000, "early_stopping_rounds": 20_000}


def run_of(pipeline: Pipeline, flow_run: Any) -> Run:
    """The training's run in MLflow."""
    (found,) = pipeline.mlflow.search_runs([experiment(pipeline)], f"tags.prefect_flow_run = '{flow_run['id']}'")
    return found


def trials_of(pipeline: Pipeline, training: Run) -> list[Run]:
    """The runs below it."""
    below = f"tags.`mlflow.parentRunId` = '{training.info.run_id}'"
    return list(pipeline.mlflow.search_runs([experiment(pipeline)], below, order_by=["attributes.run_name"]))


def experiment(pipeline: Pipeline) -> str:
    return str(pipeline.mlflow.get_experiment_by_name(MODEL).experiment_id)


def test_a_training_uses_the_best_trial_and_one_more_goes_on_where_it_ended(pipeline: Pipeline) -> None:
    first = pipeline.train(**SEARCHED, search={"trials": 8, "parallel": 2})
    training = run_of(pipeline, first)
    trials = trials_of(pipeline, training)

    assert pipeline.states(first)["search"] == "Completed"
    assert [run.info.run_name for run in trials] == ["trial 000 (given)", *(f"trial {n:03d}" for n in range(1, 8))]
    status = {"complete": "FINISHED", "pruned": "KILLED"}
    assert all(run.info.status == status[run.data.tags["trial"]] for run in trials)
    assert all({"validation_rmse", "rounds"} <= set(run.data.metrics) for run in trials)
    assert all(run.info.start_time < run.info.end_time for run in trials)
    counted = Counter(run.data.tags["trial"] for run in trials)
    assert training.data.metrics["search_complete"] == counted["complete"]

    best = min(
        (run for run in trials if run.data.tags["trial"] == "complete"),
        key=lambda run: run.data.metrics["validation_rmse"],
    )
    assert training.data.tags["search_best_trial"] == str(int(best.info.run_name.split()[1]))
    assert training.data.metrics["search_rmse"] <= training.data.metrics["search_given_rmse"]
    assert training.data.params.items() >= best.data.params.items()
    assert "| 0 (given) |" in pipeline.artifact("search")

    again = run_of(pipeline, pipeline.train(**SEARCHED, search={"trials": 10}))
    assert [run.info.run_name for run in trials_of(pipeline, again)] == ["trial 008", "trial 009"]
    assert again.data.tags["search"] == training.data.tags["search"]


def test_a_search_without_a_result_fails_the_run_and_says_so(pipeline: Pipeline) -> None:
    search = {"trials": 3, "parallel": 1, "seconds": 5}
    run = pipeline.run(TRAINING, {"months": "2021-01", "boosting": ENDLESS, "search": search})

    assert run["state"]["type"] == "FAILED"
    assert "the search has no result: within 5 s none of 1 trials completed" in run["state"]["message"]
    training = run_of(pipeline, run)
    assert training.info.status == "FAILED"
    (cut,) = trials_of(pipeline, training)
    assert (cut.info.status, cut.data.tags["trial"]) == ("KILLED", "interrupted")


def test_a_run_that_is_cancelled_ends_its_search(pipeline: Pipeline) -> None:
    run = pipeline.runs.start(TRAINING, {"months": "2021-01", "boosting": ENDLESS, "search": {"trials": 3}, "seed": 12})

    def searches() -> bool:
        return pipeline.states({"id": run}).get("search") == "Running"

    try:
        pipeline.wait(searches, 60, "the search is under way")
    finally:  # else it would keep the tests after this one waiting
        state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        api = pipeline.stack.url("prefect-server") + "/api"
        requests.post(f"{api}/flow_runs/{run}/set_state", json=state, timeout=60).raise_for_status()
    pipeline.wait(lambda: pipeline.runs.read(run)["state"]["type"] == "CANCELLED", 60, "the run is cancelled")

    # by its own end, or by reconcile, which may look just then
    ended = ("FAILED", "KILLED")
    pipeline.wait(lambda: run_of(pipeline, {"id": run}).info.status in ended, 60, "the run in MLflow is ended too")


def test_a_training_searches_for_nothing_unless_asked(pipeline: Pipeline) -> None:
    run = pipeline.train(boosting={"max_rounds": 2})

    assert "search" not in pipeline.states(run)
    assert trials_of(pipeline, run_of(pipeline, run)) == []
