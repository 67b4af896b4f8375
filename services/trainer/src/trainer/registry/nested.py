"""Runs below a training run in MLflow: the parent's page and the experiment's table show them as its children."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from trainer.registry.runs import TrainingRun

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class NestedRun:
    """What is logged of a run, once it has ended: one that dies leaves nothing that would show as running for ever."""

    name: str
    status: Status
    parameters: Mapping[str, object]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    begun_at: datetime
    ended_at: datetime


class NestedRuns:
    """Logs from a thread of its own, so that nobody waits for MLflow; after a failure it lets the rest be."""

    def __init__(self, parent: TrainingRun) -> None:
        self._parent = parent
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mlflow")
        self._writes: list[Future[None]] = []
        self.problem: str | None = None
        """Why not all could be logged."""

    def log(self, run: NestedRun) -> None:
        """Returns at once."""
        self._writes.append(self._pool.submit(self._write, run))

    def close(self, seconds: float) -> None:
        """Waits for so long for what isn't written yet."""
        late = wait(self._writes, seconds).not_done
        self._pool.shutdown(wait=False, cancel_futures=True)
        if late and self.problem is None:
            self.problem = f"{len(late)} runs weren't written within {seconds:g} s"

    @cached_property
    def _experiment(self) -> str:
        return self._parent.experiment_id

    def _write(self, run: NestedRun) -> None:
        if self.problem is not None:
            return
        try:
            self._create(run)
        except MlflowException as error:
            self.problem = str(error)

    def _create(self, run: NestedRun) -> None:
        mlflow, ended_at = self._parent.mlflow, _milliseconds(run.ended_at)
        tags = {**run.tags, MLFLOW_PARENT_RUN_ID: self._parent.id}
        created = mlflow.create_run(self._experiment, _milliseconds(run.begun_at), tags, run.name).info.run_id
        mlflow.log_batch(
            created,
            metrics=[Metric(name, value, ended_at, 0) for name, value in run.metrics.items()],
            params=[Param(name, str(value)) for name, value in run.parameters.items()],
        )
        mlflow.set_terminated(created, run.status, ended_at)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)


@contextmanager
def logging_below(parent: TrainingRun, seconds: float) -> Iterator[NestedRuns]:
    """Waits at the end as ``NestedRuns.close`` does."""
    runs = NestedRuns(parent)
    try:
        yield runs
    finally:
        runs.close(seconds)
