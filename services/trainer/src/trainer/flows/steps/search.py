"""The search for better parameters, as a step: trials as runs below the training's run, kept in the warehouse."""

import hashlib
import json

import xgboost
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from trainer.flows.caching import PACKAGES, source_digest
from trainer.flows.handover import FeatureSet
from trainer.flows.outside import kept_study, training_run
from trainer.flows.retrying import RETRIES, unless
from trainer.modelling.examples import Examples
from trainer.modelling.fit import Matrices
from trainer.modelling.parameters import Boosting
from trainer.registry.nested import NestedRun, Status, logging_below
from trainer.search.limit import Limit
from trainer.search.outcome import Ending, NoTrialCompleted, Outcome, Tried
from trainer.search.rendering import markdown, summary
from trainer.search.search import search as try_parameters
from trainer.usecases.trips.fields import MODEL_NAME

LOGGING_SECONDS = 30
"""For trials that aren't in MLflow yet when the search is over."""

# as MLflow's own storage for Optuna maps them
STATUS: dict[Ending, Status] = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}


@task(
    name="search", task_run_name="search", cache_policy=NO_CACHE, retry_condition_fn=unless(NoTrialCompleted), **RETRIES
)
def search(
    run_id: str, found: FeatureSet, boosting: Boosting, trials: int, seconds: int, parallel: int, seed: int
) -> Boosting:
    """The parameters with the lowest validation error, of the given ones and those that are tried.

    Calibration and holdout rows are for later steps: nothing is chosen by them.

    Raises:
        NoTrialCompleted: not even the given ones came to their end.
    """
    limit, name, run = Limit(seconds), _name(found, boosting, seed), training_run(run_id)
    matrices = Matrices.of(Examples.read(found.fit), Examples.read(found.validation))
    with kept_study(name, boosting, seed, limit) as (study, alone), logging_below(run, LOGGING_SECONDS) as runs:

        def ended(trial: Tried) -> None:
            get_run_logger().info("%s", _line(trial))
            runs.log(_nested(trial, name))

        if alone:
            try_parameters(study, matrices, seed, trials, parallel, limit, ended)
        else:
            get_run_logger().warning("another run is at the same search; what it has found so far is taken")
        outcome = Outcome(study.tried(), limit.seconds_passed)
    if runs.problem:
        get_run_logger().warning("not all trials are in MLflow: %s", runs.problem)
    create_markdown_artifact(markdown(outcome), key="search", description=summary(outcome))
    get_run_logger().info("%s", summary(outcome))
    run.log_parameters({"search_trials": trials, "search_seconds": seconds, "search_parallel": parallel})
    run.log_metrics(_metrics(outcome))
    run.log_tags({"search": name, "search_best_trial": str(outcome.best.number)})
    return outcome.best.boosting


def _name(found: FeatureSet, boosting: Boosting, seed: int) -> str:
    """Changes with whatever a trial's result depends on, and with nothing else."""
    code = source_digest((*PACKAGES, "trainer.search"))
    decisive = [found.rows.digest, code, xgboost.__version__, boosting.model_dump(), seed]
    return f"{MODEL_NAME}-{hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]}"


def _line(trial: Tried) -> str:
    if trial.ending == "failed":
        return f"trial {trial.number} failed: {trial.reason}"
    reached = "" if trial.result.rmse is None else f": validation RMSE {trial.error:.3f}, {trial.result.rounds} trees"
    return f"trial {trial.number} {trial.ending}{reached}"


def _nested(trial: Tried, study: str) -> NestedRun:
    metrics = {} if trial.result.rmse is None else {"validation_rmse": trial.error, "rounds": trial.result.rounds}
    tags = {"search": study, "trial": trial.ending, **({"reason": trial.reason} if trial.reason else {})}
    return NestedRun(
        name=f"trial {trial.number:03d}{' (given)' if trial.given else ''}",
        status=STATUS[trial.ending],
        parameters=trial.boosting.model_dump(),
        metrics=metrics,
        tags=tags,
        begun_at=trial.begun_at,
        ended_at=trial.ended_at,
    )


def _metrics(outcome: Outcome) -> dict[str, float]:
    given = {} if outcome.given is None else {"search_given_rmse": outcome.given.error}
    counts = {f"search_{ending}": float(outcome.count(ending)) for ending in STATUS}
    return {"search_rmse": outcome.best.error, **given, **counts, "search_run_seconds": outcome.seconds}
