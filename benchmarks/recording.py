"""What the prediction log costs one-row requests: none, the log, and a challenger that is asked too, in turn.

The three services run side by side, and each is loaded for a second at a time: a machine whose speed changes from one
moment to the next then changes it for all of them. Between the turns, what was said arrives in the warehouse.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
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
from benchmarks.exchange import Client, body_file, wait_for_first_answer
from benchmarks.load import Failed, Load
from benchmarks.machine import Cores
from benchmarks.model import Subject
from benchmarks.processes import Program, free_port, running
from benchmarks.registry import following, registry
from benchmarks.servers import Server, ours

MIGRATIONS = ROOT / "infra" / "postgres" / "warehouse" / "alembic.ini"
SHADOW_SHARE = "0.1"
CONNECTIONS = 64
"""The load generator shares its core with Postgres: with fewer, the service would at times have nothing to do."""
TURN_SECONDS = 1
CHALLENGER_SECONDS = 30
ARRIVAL_SECONDS = 60
POLL_SECONDS = 0.1
FEW = 100


@dataclass(frozen=True, slots=True)
class Recording:
    """Medians of the turns, in requests a second, and of all turns together, in rows."""

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
class _Service:
    """One way to run it, under way."""

    program: Program
    port: int
    server: Server
    bodies: Path
    loads: list[Load] = field(default_factory=list)

    def load(self, cores: Cores) -> Load:
        url = f"http://127.0.0.1:{self.port}{self.server.ones[0].path}"
        return load.run(url, self.bodies, TURN_SECONDS, {cores.load}, CONNECTIONS)

    def counts(self) -> Mapping[str, float]:
        """Of its metrics, those that have no labels, and ``serving_shadow_total`` by outcome."""
        text = requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {sample.labels.get("outcome", sample.name): sample.value for sample in samples}

    def wait(self, until: Callable[[Mapping[str, float]], bool], seconds: float, what: str) -> None:
        """Raises Ended, Failed."""
        deadline = time.perf_counter() + seconds
        while not until(self.counts()):
            self.program.check()
            if time.perf_counter() > deadline:
                raise Failed(f"not within {seconds} s: {what}")
            time.sleep(POLL_SECONDS)


def measure(subject: Subject, folder: Path, cores: Cores, rounds: int, seconds: float) -> Recording:
    """Raises Ended, Failed."""
    with registry(subject, folder, cores) as address, _warehouse() as url, ExitStack() as stack:
        client(address).set_registered_model_alias(MODEL_NAME, "challenger", "2")
        ways = {
            "off": {"SERVING_WAREHOUSE_URL": ""},
            "on": {"SERVING_WAREHOUSE_URL": url, "SERVING_SHADOW_SHARE": "0"},
            "shadow": {"SERVING_WAREHOUSE_URL": url, "SERVING_SHADOW_SHARE": SHADOW_SHARE},
        }
        services: dict[str, _Service] = {}
        for name, environment in ways.items():
            store = folder / name
            store.mkdir()
            server = following(ours(subject, store), address, store)
            services[name] = stack.enter_context(_running(server, environment, store, cores))
            services[name].load(cores)  # to warm up
        _ask_challenger(services["shadow"])
        for _ in range(max(1, round(rounds * seconds / TURN_SECONDS))):
            for service in services.values():
                service.loads.append(service.load(cores))
                _wait_for_arrival(service)
        counts = {name: service.counts() for name, service in services.items()}
    figures: dict[str, Any] = {
        "not_recorded": int(sum(count["serving_not_recorded_total"] for count in counts.values())),
        "scored": int(counts["shadow"]["scored"]),
        "shed": int(counts["shadow"]["shed"]),
    }
    for name, service in services.items():
        figures[f"{name}_rate"] = median(run.rate for run in service.loads)
        figures[f"{name}_p99_ms"] = median(run.p99_ms for run in service.loads)
    return Recording(**figures)


@contextlib.contextmanager
def _running(server: Server, given: Mapping[str, str], folder: Path, cores: Cores) -> Iterator[_Service]:
    port, begin = free_port(), time.perf_counter()
    environment = {**server.environment(port), **given}
    with running(server.command(port), environment, {cores.server}, folder / "recording.log") as program:
        wait_for_first_answer(program, port, server.ones[0], begin)
        yield _Service(program, port, server, body_file(folder, server.ones))


def _ask_challenger(service: _Service) -> None:
    """Until it answers, which under full load it isn't asked to."""
    connection = Client(service.port)

    def answers(counts: Mapping[str, float]) -> bool:
        for one in service.server.ones[:FEW]:
            connection.send(one)
        return counts["scored"] > 0

    service.wait(answers, CHALLENGER_SECONDS, "the challenger is asked")
    connection.close()


def _wait_for_arrival(service: _Service) -> None:
    """Else one's turn would be spent on what another's left behind."""
    answered = sum(run.requests for run in service.loads)

    def arrived(counts: Mapping[str, float]) -> bool:
        lost = counts["serving_not_recorded_total"]
        recorded = counts["serving_recorded_total"]
        return recorded + lost >= answered and counts["serving_recorder_rows_total"] >= recorded

    if "serving_recorder_rows_total" in service.counts():
        service.wait(arrived, ARRIVAL_SECONDS, "all that was said is in the warehouse")


@contextlib.contextmanager
def _warehouse() -> Iterator[str]:
    """A Postgres that gives way to the load generator; yields the model service's URL of the warehouse."""
    with postgres.temporary() as server:
        os.sched_setscheduler(server.process.pid, os.SCHED_IDLE, os.sched_param(0))  # for the sessions that it starts
        os.environ["TRAINER_WAREHOUSE_URL"] = server.url("warehouse")
        migrate(MIGRATIONS)
        yield server.url("serving", "warehouse")
