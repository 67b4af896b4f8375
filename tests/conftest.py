"""What unit and integration tests share."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import paths_taken
import pytest
import xgboost
from contract import Contract, Golden, Interval, Output, bundle
from contract.fields import Category, Integer, Number, Timestamp
from contract.operations import CategoryCode, Hour, Identity, Weekday
from contract.rows import Rows
from pydantic_core import to_json
from xdist.scheduler import LoadScopeScheduling

MakeBundle = Callable[..., Contract]

# a thread of MLflow's would tell of us, and change the environment while clients read it, which then fail
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# a busy machine takes longer than Hypothesis's default for an example, and nothing here promises a time
hypothesis.settings.register_profile("whole", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=20)
hypothesis.settings.load_profile("whole")

STACKS = tuple(f"tests/integration/{folder}/" for folder in ("pipeline", "unattended", "replay", "rollout"))
"""Folders whose tests share a stack that takes long to start. The longest first: shorter ones fill the gaps."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first, since nothing could fill the gaps beside it at the end; the order within stays."""
    first = (*STACKS, "tests/integration/serving/test_prediction_log.py", "tests/integration/")
    items.sort(key=lambda item: next((n for n, start in enumerate(first) if item.nodeid.startswith(start)), len(first)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Which of the code paths that the machine chooses have been run."""
    passed = terminalreporter.stats.get("passed", ())
    found = paths_taken.taken(told for report in passed for told in report.user_properties)
    if found:
        terminalreporter.section("paths taken")
    for line in paths_taken.lines(found):
        terminalreporter.write_line(line)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return TogetherScheduling(config, log)


class TogetherScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no type information
    """Tests of a stack share a process, and all others those of a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((stack for stack in STACKS if file.startswith(stack)), file)


@pytest.fixture(scope="session")
def make_bundle() -> MakeBundle:
    """``make_bundle(folder, offset=0, name="bike-demand", interval=True)`` writes a bundle with a real booster.

    Two bundles of other offsets give clearly other predictions for the same row.
    """
    return _write_bundle


@pytest.fixture(scope="session")
def tlc_folder() -> Path:
    """Real monthly files, which are no part of the repository."""
    folder = os.environ.get("ROUNDHOUSE_TLC_DATA")
    if not folder:
        pytest.skip("ROUNDHOUSE_TLC_DATA names no folder with monthly files of the TLC")
    return Path(folder).resolve()


def _write_bundle(folder: Path, offset: float = 0, name: str = "bike-demand", *, interval: bool = True) -> Contract:
    contract = _contract(name, interval=interval)
    rows = [_row(position) for position in range(40)]
    parsed = Rows(contract).parse_batch(to_json({"rows": rows}))
    features = contract.compiled.rows(parsed)
    outcome = np.array([position % 9 + offset for position in range(40)], dtype=np.float32)
    booster = xgboost.train(
        {"max_depth": 3, "nthread": 1, "base_score": offset}, xgboost.DMatrix(features, outcome), num_boost_round=8
    )
    predictions = [float(value) for value in booster.inplace_predict(features)]
    folder.mkdir(parents=True, exist_ok=True)
    return bundle.write(folder, contract, bytes(booster.save_raw("ubj")), Golden(rows=rows, predictions=predictions))


def _row(position: int) -> dict[str, object]:
    return {
        "at": datetime(2024, 5, 1 + position % 28, position % 24, 30).isoformat(),
        "station": 5 + position % 7,
        "temperature": position / 3 - 2,
        "docks": None if position % 5 == 0 else position,
    }


def _contract(name: str, *, interval: bool) -> Contract:
    return Contract(
        name=name,
        description="Hourly demand of rental bikes",
        fields=[
            Timestamp(name="at", description="Hour", example="2024-05-01T08:00:00"),
            Category(name="station", description="Station", example=7, values=list(range(5, 12))),
            Number(name="temperature", description="Air", unit="°C", example=18.5, minimum=-40, maximum=50),
            Integer(name="docks", description="Docks", example=20, required=False, minimum=0, maximum=99),
        ],
        features=[
            Hour(name="hour", field="at"),
            Weekday(name="weekday", field="at"),
            CategoryCode(name="station", field="station"),
            Identity(name="temperature", field="temperature"),
            Identity(name="docks", field="docks"),
        ],
        output=Output(
            name="rentals",
            unit="bike",
            minimum=0,
            interval=Interval(coverage=0.9, lower=-4, upper=6) if interval else None,
        ),
    )
