"""From the warehouse to the matrices that boosters see."""

from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
from contract import Contract
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from trainer.data import warehouse
from trainer.data.checkpoints import Checkpoint, write_checkpoint
from trainer.data.files import replacing
from trainer.data.months import Month, MonthText
from trainer.data.source import Service, SourceName
from trainer.flows.caching import CACHED, ParquetSerializer, source_digest
from trainer.flows.handover import CleanRows, FeatureSet
from trainer.flows.outside import connected_warehouse, settings
from trainer.flows.retrying import RETRIES
from trainer.modelling.examples import featurise, split_by_time
from trainer.usecases.trips.clean import clean as clean_trips
from trainer.usecases.trips.features import fit_contract

LATER_SHARE = 0.2
"""Of the training rows, the latest. Early stopping watches the earlier half of them; the interval is calibrated on the
later half, which nothing before has looked at."""


@task(name="extract", task_run_name="extract {month}", result_serializer=ParquetSerializer(), **RETRIES, **CACHED)
def extract(source: SourceName, service: Service, month: MonthText, load: str) -> pa.Table:  # noqa: ARG001
    """One month's trips out of the warehouse.

    Args:
        load: names the state of the month; part of the cache's key, so that a month loaded again is extracted again.
    """
    with connected_warehouse() as connection:
        table = warehouse.extract(connection, source, service, [Month.parse(month)])
    get_run_logger().info("%s: %s trips", month, f"{table.num_rows:,}")
    return table


@task(name="checkpoint", task_run_name="checkpoint {name}", cache_policy=NO_CACHE, **RETRIES)
def checkpoint(name: str, tables: list[pa.Table]) -> Checkpoint:
    """Tables as one Parquet file on the shared volume, which later steps, and people, read."""
    written = write_checkpoint(settings().storage, pa.concat_tables(tables))
    get_run_logger().info("%s: %s rows in %s", name, f"{written.rows:,}", written.path)
    return written


@task(name="clean", task_run_name="clean", cache_policy=NO_CACHE)
def clean(training: Checkpoint, holdout: Checkpoint) -> CleanRows:
    """Trips that a model can learn from and be judged on."""
    left_out: Counter[str] = Counter()
    kept = []
    for raw in (training, holdout):
        table, reasons = clean_trips(pq.read_table(raw.path))
        kept.append(write_checkpoint(settings().storage, table))
        left_out.update(reasons)
    get_run_logger().info("kept %s rows; left out: %s", f"{kept[0].rows + kept[1].rows:,}", dict(left_out) or "none")
    return CleanRows(training=kept[0], holdout=kept[1], left_out=dict(left_out))


@task(name="features", task_run_name="features", result_serializer="json", **CACHED)
def features(trips: CleanRows) -> FeatureSet:
    """Each split as the matrix that the booster sees.

    Tables that a feature learns come from the rows that its booster learns from, never from those that judge it.
    """
    training, holdout = pq.read_table(trips.training.path), pq.read_table(trips.holdout.path)
    found = FeatureSet(folder=settings().storage / "features" / trips.digest / source_digest()[:12], rows=trips)
    write_features(found, fit_contract, training, holdout)
    return found


def write_features(
    found: FeatureSet, fit_contract: Callable[[pa.Table], Contract], training: pa.Table, holdout: pa.Table
) -> None:
    """Each split's matrix into the set's folder.

    Args:
        fit_contract: the contract with what its features learn from rows.
        training: in the order in which later rows watch over the earlier ones.
    """
    earlier, later = split_by_time(training, LATER_SHARE)
    watched, calibrating = split_by_time(later, 0.5)
    fitted, final = fit_contract(earlier), fit_contract(training)
    featurise(fitted, earlier).write(found.fit)
    featurise(fitted, watched).write(found.validation)
    featurise(fitted, calibrating).write(found.calibration)
    featurise(final, training).write(found.training)
    featurise(final, holdout).write(found.holdout)
    with replacing(found.contract_path) as path:
        path.write_bytes(final.to_json())
