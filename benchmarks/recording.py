"""What the prediction log costs one-row requests: none, the log, and a challenger that is asked too, in turn."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import requests
from embedded import postgres
from embedded.root import ROOT
from prometheus_client.parser import text_string_to_metric_families
from trainer.deployment.migrations import migrate
from trainer.registry.runs import client
from trainer.usecases.trips.fields import MODEL_NAME

from benchmarks import load
from benchmarks.exchange import body_file, wait_for_first_answer
from benchmarks.load import Failed, Load
from benchmarks.machine import Cores
from benchmarks.model import Subject
from benchmarks.processes import free_port, running
from benchmarks.registry import following, registry
from benchmarks.servers import Server, ours

MIGRATIONS = ROOT / "infra" / "postgres" / "warehouse" / "alembic.ini"
SHADOW_SHARE = "0.1"
WARM_UP_SECONDS = 1
CHALLENGER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Recording:
    """Medians of the rounds, in requests a second, and of all rounds together, in rows."""

    off_rate: float
    on_rate: float
    shadow_rate: float
    on_p99_ms: float
    off_p99_ms: float
    shadow_p99_ms: float
    not_recorded: int
    scored: int
    shed: int


@dataclass
class _Turns:
    """Of one way to run the service."""

    environment: dict[str, str]
    loads: list[Load]


def measure(subject: Subject, folder: Path, cores: Cores, rounds: int, seconds: float) -> Recording:
    """Raises Ended, Failed."""
    with registry(subject, folder, cores) as address, _warehouse() as url:
        client(address).set_registered_model_alias(MODEL_NAME, "challenger", "2")
        on = {"SERVING_WAREHOUSE_URL": url}
        turns = {
            "off": _Turns({"SERVING_WAREHOUSE_URL": ""}, []),
            "on": _Turns({**on, "SERVING_SHADOW_SHARE": "0"}, []),
            "shadow": _Turns({**on, "SERVING_SHADOW_SHARE": SHADOW_SHARE}, []),
        }
        counted = dict.fromkeys(("not_recorded", "scored", "shed"), 0.0)
        for number in range(rounds):
            for name, turn in turns.items():
                store = folder / f"{name}-{number}"
                store.mkdir()
                server = following(ours(subject, store), address, store)
                turn.loads.append(_loaded(server, turn.environment, store, cores, seconds, counted))
    figures: dict[str, Any] = {name: int(value) for name, value in counted.items()}
    for name, turn in turns.items():
        figures[f"{name}_rate"] = median(run.rate for run in turn.loads)
        figures[f"{name}_p99_ms"] = median(run.p99_ms for run in turn.loads)
    return Recording(**figures)


def _loaded(
    server: Server, given: dict[str, str], folder: Path, cores: Cores, seconds: float, counted: dict[str, float]
) -> Load:
    port, begin = free_port(), time.perf_counter()
    environment = {**server.environment(port), **given}
    with running(server.command(port), environment, {cores.server}, folder / "recording.log") as program:
        wait_for_first_answer(program, port, server.ones[0], begin)
        url, bodies = f"http://127.0.0.1:{port}{server.ones[0].path}", body_file(folder, server.ones)
        load.run(url, bodies, WARM_UP_SECONDS, {cores.load})
        if given.get("SERVING_SHADOW_SHARE", "0") != "0":
            _wait_for_challenger(port, url, bodies, cores)
        before = _counts(port)
        found = load.run(url, bodies, seconds, {cores.load})
        after = _counts(port)
    for name in counted:
        counted[name] += after[name] - before[name]
    return found


def _wait_for_challenger(port: int, url: str, bodies: Path, cores: Cores) -> None:
    deadline = time.perf_counter() + CHALLENGER_SECONDS
    while not _counts(port)["scored"]:
        if time.perf_counter() > deadline:
            raise Failed(f"the challenger wasn't asked within {CHALLENGER_SECONDS} s")
        load.run(url, bodies, 0.2, {cores.load})


def _counts(port: int) -> dict[str, float]:
    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    shadow = {s.labels["outcome"]: s.value for s in samples if s.name == "serving_shadow_total"}
    lost = sum(s.value for s in samples if s.name == "serving_not_recorded_total")
    return {"not_recorded": lost, "scored": shadow.get("scored", 0), "shed": shadow.get("shed", 0)}


@contextlib.contextmanager
def _warehouse() -> Iterator[str]:
    """A Postgres that gives way to the load generator; yields the model service's URL of the warehouse."""
    with postgres.temporary() as server:
        os.sched_setscheduler(server.process.pid, os.SCHED_IDLE, os.sched_param(0))  # for the sessions that it starts
        os.environ["TRAINER_WAREHOUSE_URL"] = server.url("warehouse")
        migrate(MIGRATIONS)
        yield server.url("serving", "warehouse")
