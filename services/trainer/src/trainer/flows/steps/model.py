"""From matrices to a registered version."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from contract.operations import Hour, MinuteOfDay
from numpy.typing import NDArray
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from trainer.flows.handover import Candidate, Evaluation, FeatureSet, Registered
from trainer.flows.outside import settings, training_run
from trainer.flows.retrying import RETRIES
from trainer.modelling.bundles import seal
from trainer.modelling.evaluation import Predicted, calibrate, measure_splits
from trainer.modelling.examples import Examples
from trainer.modelling.fit import Matrices, fit, fit_with_early_stopping, read_booster
from trainer.modelling.parameters import Boosting

COVERAGE = 0.9
"""Share of outcomes that lie within the interval that is promised with a prediction."""


@task(name="train", task_run_name="train", cache_policy=NO_CACHE)
def train(run_id: str, found: FeatureSet, boosting: Boosting, seed: int) -> Candidate:
    """A booster that stops early on the latest training rows, then one of as many trees from all of them."""
    parameters = boosting.for_xgboost(seed)
    stopped = fit_with_early_stopping(
        Matrices.of(Examples.read(found.fit), Examples.read(found.validation)),
        parameters,
        boosting.max_rounds,
        boosting.early_stopping_rounds,
    )
    get_run_logger().info("early stopping after %s trees", stopped.rounds)
    booster = fit(Examples.read(found.training), parameters, stopped.rounds)
    candidate = Candidate(run_id=run_id, folder=settings().storage / "runs" / run_id, rounds=stopped.rounds)
    candidate.folder.mkdir(parents=True, exist_ok=True)
    booster.save_model(candidate.model)
    stopped.booster.save_model(candidate.early_stopped)
    training_run(run_id).log_parameters({**boosting.model_dump(), "seed": seed, "rounds": stopped.rounds})
    return candidate


@task(name="evaluate", task_run_name="evaluate", cache_policy=NO_CACHE, **RETRIES)
def evaluate(candidate: Candidate, found: FeatureSet) -> Evaluation:
    """Figures and pictures of the candidate, to MLflow."""
    # Matplotlib takes most of a second to import; where flows are only deployed nothing is drawn
    from trainer.modelling.plots import draw

    booster, stopped = read_booster(candidate.model), read_booster(candidate.early_stopped)
    splits = {
        "train": Predicted.by(booster, Examples.read(found.training)),
        # the final booster has learnt from these rows, so the earlier one speaks for them
        "validation": Predicted.by(stopped, Examples.read(found.validation)),
        "holdout": Predicted.by(booster, Examples.read(found.holdout)),
    }
    # by the earlier booster too: the final one has learnt from them
    calibrating = Predicted.by(stopped, Examples.read(found.calibration))
    interval = calibrate(calibrating.actual, calibrating.predicted, COVERAGE)
    metrics = measure_splits(splits, interval)
    run = training_run(candidate.run_id)
    run.log_metrics(metrics)
    with TemporaryDirectory() as folder:
        output = found.contract.output
        what = f"{output.name} ({output.unit})" if output.unit else output.name
        draw(Path(folder), splits["holdout"], _hours(found), booster, what)
        run.log_files(Path(folder), "plots")
    get_run_logger().info("holdout RMSE %.3f", metrics["holdout_rmse"])
    return Evaluation(metrics=metrics, interval=interval)


def _hours(found: FeatureSet) -> NDArray[np.int64] | None:
    """Hour of day of each row of the holdout, 0 to 23, shape (n,); None where rows have no time with hours."""
    named = {operation.inputs[0] for operation in found.contract.features if isinstance(operation, Hour | MinuteOfDay)}
    time = next((field.name for field in found.contract.fields if field.name in named and field.required), None)
    if time is None:
        return None
    hours: NDArray[np.int64] = pc.hour(pq.read_table(found.rows.holdout.path)[time]).to_numpy()
    return hours


@task(name="register", task_run_name="register", cache_policy=NO_CACHE, **RETRIES)
def register(candidate: Candidate, found: FeatureSet, evaluation: Evaluation) -> Registered:
    """The bundle, proven by its golden rows, as a new version in the registry."""
    contract = found.contract.promising(evaluation.interval)
    candidate.bundle.mkdir(exist_ok=True)
    sealed = seal(candidate.bundle, contract, read_booster(candidate.model), pq.read_table(found.rows.holdout.path))
    version = training_run(candidate.run_id).register(candidate.bundle, sealed.contract)
    get_run_logger().info("registered %s version %s", contract.name, version)
    return Registered(model=contract.name, version=version, run_id=candidate.run_id)
