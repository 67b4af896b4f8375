"""What the steps of a training reach outside themselves: settings of a test's own, and a run that remembers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mlflow import MlflowClient
from trainer.flows.outside import settings


@contextmanager
def settings_for(storage: Path, monkeypatch: pytest.MonkeyPatch, warehouse_url: str = "unused") -> Iterator[None]:
    """Steps that the test calls have these; nobody answers at the other addresses."""
    places = {
        "TRAINER_STORAGE": str(storage),
        "TRAINER_WAREHOUSE_URL": warehouse_url,
        "TRAINER_SERVING_URL": "http://127.0.0.1:9",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "SERVING_RELOAD_TOKEN": "secret",
    }
    with monkeypatch.context() as patched:
        for name, value in places.items():
            patched.setenv(name, value)
        settings.cache_clear()
        yield
    settings.cache_clear()


@dataclass
class MemoryMlflow:
    """As much of MLflow's client as runs below another need."""

    names: list[str] = field(default_factory=list)
    """Of the runs that were made."""
    _numbers: Iterator[int] = field(default_factory=count)

    def create_run(self, experiment_id: str, start_time: int, tags: Mapping[str, str], run_name: str) -> Any:
        self.names.append(run_name)
        return SimpleNamespace(info=SimpleNamespace(run_id=f"nested {next(self._numbers)}"))

    def log_batch(self, run_id: str, metrics: Sequence[object] = (), params: Sequence[object] = ()) -> None:
        """What trials were like is in the study."""

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        """How they ended too."""


@dataclass
class MemoryRun:
    """A training's run in MLflow, as the steps use it."""

    id: str
    experiment_id: str = "0"
    below: MemoryMlflow = field(default_factory=MemoryMlflow)
    parameters: dict[str, object] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def mlflow(self) -> MlflowClient:
        return cast("MlflowClient", self.below)

    def log_parameters(self, parameters: Mapping[str, object]) -> None:
        self.parameters |= parameters

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        self.metrics |= metrics

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self.tags |= tags

    def log_files(self, folder: Path, under: str) -> None:
        """They stay where they are."""
