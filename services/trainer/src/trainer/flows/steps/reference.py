"""What later monitoring holds a version's predictions against, kept with its training run."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from trainer.flows.handover import Candidate, Evaluation, FeatureSet
from trainer.flows.outside import training_run
from trainer.flows.retrying import RETRIES
from trainer.flows.usecases import slices_of
from trainer.modelling.evaluation import Predicted
from trainer.modelling.examples import Examples
from trainer.modelling.fit import read_booster
from trainer.monitoring.reference import FOLDER, Promise, Reference, chosen, with_predictions


@task(name="keep reference", task_run_name="keep reference", cache_policy=NO_CACHE, **RETRIES)
def keep_reference(candidate: Candidate, found: FeatureSet, evaluation: Evaluation, seed: int) -> None:
    """Training rows with what the model says of them, and its errors on the holdout, to MLflow."""
    booster, examples = read_booster(candidate.model), Examples.read(found.training)
    rows = chosen(len(examples.outcome), seed)
    kept = pq.read_table(found.rows.training.path).take(rows)
    # it has learnt from these rows: its errors are too small, yet what it says is distributed as of any others
    reference = with_predictions(found.contract, kept, booster.inplace_predict(examples.features[rows]))
    judged = Predicted.by(booster, Examples.read(found.holdout))
    promise = Promise.of(
        judged.actual,
        judged.predicted,
        evaluation.interval,
        slices_of(found.contract.name, pq.read_table(found.rows.holdout.path)),
    )
    with TemporaryDirectory() as folder:
        Reference(reference, promise).write(Path(folder))
        training_run(candidate.run_id).log_files(Path(folder), FOLDER)
    get_run_logger().info("%s training rows are kept as reference", f"{kept.num_rows:,}")
