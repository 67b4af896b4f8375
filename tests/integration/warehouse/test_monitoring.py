"""From recorded predictions to a monitoring's rows, in a real Postgres."""

import json
import socket
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import numpy as np
import psycopg2
import pyarrow as pa
import pytest
from contract import Contract, Golden, Interval, bundle
from contract.golden import requests_of
from prefect.logging import disable_run_logger
from prometheus_client import CollectorRegistry, Counter, generate_latest
from psycopg2.extras import execute_values
from trainer.data.months import Month
from trainer.data.warehouse import Connection
from trainer.flows.steps import monitoring as steps
from trainer.monitoring import recorded
from trainer.monitoring.assess import Assessment, Seen, assess
from trainer.monitoring.journal import Journal
from trainer.monitoring.monitoring import Monitoring, Window
from trainer.monitoring.reference import Promise, Reference, with_predictions
from trainer.monitoring.rendering import markdown
from trainer.monitoring.terms import Terms
from trainer.monitoring.traffic import Series
from trainer.rollout.replica import HttpReplica
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.columns import normalise
from trainer.usecases.trips.features import fit_contract
from trainer.usecases.trips.fields import OUTPUT
from trainer.usecases.trips.rejection import sift
from trainer.usecases.trips.slices import slices
from trainer.usecases.trips.synthetic import generate

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
WINDOW = Window(since=BEGIN, until=BEGIN + timedelta(days=7))
ROWS = 2_000
"""That a test asks for."""
WIDTH = 16.0
"""Minutes around a prediction that hold nine in ten outcomes."""


@pytest.fixture(scope="module")
def trips() -> pa.Table:
    month = Month(2021, 1)
    return clean(sift(normalise(generate(1, "green", month, 12_000), "generated"), month).accepted)[0]


@pytest.fixture(scope="module")
def contract(trips: pa.Table) -> Contract:
    return fit_contract(trips).promising(Interval(coverage=0.9, lower=-WIDTH, upper=WIDTH))


def predicted(trips: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What a model says that knows the distance alone."""
    return np.asarray(4 + 3.5 * trips["trip_distance"].to_numpy(), dtype=np.float64)


@pytest.fixture(scope="module")
def reference(contract: Contract, trips: pa.Table) -> Reference:
    said = predicted(trips)
    promise = Promise.of(trips[OUTPUT.name].to_numpy(), said, contract.output.interval, slices(trips))
    return Reference(with_predictions(contract, trips, said.astype(np.float32)), promise)


@pytest.fixture(scope="module")
def asked(trips: pa.Table) -> pa.Table:
    return trips.take(np.sort(np.random.default_rng(7).choice(trips.num_rows, ROWS, replace=False)))


def record(
    connection: Connection, contract: Contract, rows: pa.Table, version: str = "3", outcomes: int = ROWS, first: int = 0
) -> None:
    """As the model service does: the raw fields as a client sent them, spread over the window."""
    requests, said, actual = requests_of(contract, rows), predicted(rows), rows[OUTPUT.name].to_pylist()
    moments = [BEGIN + timedelta(days=7) * (position / len(requests)) for position in range(len(requests))]
    ids = [str(UUID(int=first + position + (position * 2_654_435_761 % 2**32 << 96))) for position in range(len(said))]
    with connection, connection.cursor() as cursor:
        for day in range(7):
            cursor.execute("SELECT ensure_prediction_day(%s)", ((BEGIN + timedelta(days=day)).date(),))
        execute_values(
            cursor,
            "INSERT INTO predictions (id, at, role, model, version, fields, prediction, low, high) VALUES %s",
            [
                (one, at, "champion", contract.name, version, json.dumps(row), value, value - WIDTH, value + WIDTH)
                for one, at, row, value in zip(ids, moments, requests, map(float, said), strict=True)
            ],
        )
        execute_values(
            cursor,
            "INSERT INTO outcomes (prediction_id, actual, source, received_at) VALUES %s",
            [(one, true, "trips", at) for one, true, at in zip(ids, actual, moments, strict=True)][:outcomes],
        )


def look(
    connection: Connection, contract: Contract, reference: Reference | None, notes: Sequence[str] = ()
) -> Assessment:
    seen = Seen(
        asked=recorded.predictions(connection, contract, "3", WINDOW),
        judged=recorded.outcomes(connection, contract, "3", WINDOW),
        days=recorded.days(connection, contract.name, WINDOW),
        traffic=None,
        notes=notes,
    )
    return assess(contract, "3", WINDOW, reference, seen, slices, Terms(resamples=300, alpha=0.01), 100, 1)


def test_predictions_like_the_training_rows_are_quiet(
    connection: Connection, contract: Contract, reference: Reference, asked: pa.Table
) -> None:
    record(connection, contract, asked)
    monitoring = look(connection, contract, reference).monitoring

    assert (monitoring.verdict, monitoring.message) == ("quiet", "quiet")
    assert (monitoring.rows, monitoring.outcomes, list(monitoring.notes)) == (ROWS, ROWS, [])
    found = {(m.kind, m.name, m.measure): m for m in monitoring.measurements}
    assert found["error", "all", "rmse"].value == pytest.approx(found["version", "3 as champion", "rmse"].value)
    assert found["field", "passenger_count", "missing"].value == pytest.approx(
        asked["passenger_count"].null_count / ROWS
    )


def test_only_the_version_and_the_window_count(
    connection: Connection, contract: Contract, reference: Reference, asked: pa.Table
) -> None:
    record(connection, contract, asked)
    far = asked.set_column(asked.column_names.index("trip_distance"), "trip_distance", pa.array([60.0] * ROWS))
    record(connection, contract, far, version="4", first=10_000)
    before = Window(since=BEGIN - timedelta(days=7), until=BEGIN)

    assert look(connection, contract, reference).monitoring.verdict == "quiet"
    assert recorded.predictions(connection, contract, "3", before).total == 0
    (four,) = {day.version for day in recorded.days(connection, contract.name, WINDOW)} - {"3"}
    assert four == "4"


def test_longer_trips_are_told_in_the_warehouse(
    connection: Connection, contract: Contract, reference: Reference, asked: pa.Table
) -> None:
    position = asked.column_names.index("trip_distance")
    longer = [min(miles * 2.5, 100.0) for miles in asked["trip_distance"].to_pylist()]
    record(connection, contract, asked.set_column(position, "trip_distance", pa.array(longer)), outcomes=50)
    assessed = look(connection, contract, reference)
    written = Journal(connection, contract.name).write(assessed.monitoring, {}, "run")

    assert written.verdict == "drifted"
    assert written.message.startswith("drift: trip_distance ")
    assert next(iter(written.fields)) == "trip_distance"
    assert any("50 outcomes are known" in note for note in written.notes)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT verdict, alarms, rows, outcomes, run_id FROM monitorings WHERE id = %s", (written.id,))
        assert cursor.fetchone() == ("drifted", len(written.alarms), ROWS, 50, "run")
        cursor.execute("SELECT count(*), count(*) FILTER (WHERE alarm) FROM measurements")
        assert cursor.fetchone() == (len(written.measurements), len(written.alarms))


def test_a_version_without_a_reference_says_so(connection: Connection, contract: Contract, asked: pa.Table) -> None:
    record(connection, contract, asked)
    monitoring = look(connection, contract, None).monitoring

    assert monitoring.verdict == "no reference"
    assert "has no reference" in monitoring.message
    assert {m.kind for m in monitoring.measurements} == {"version"}
    assert Journal(connection, contract.name).write(monitoring, {}, None).id is not None


def test_rows_that_the_contract_refuses_are_left_out_and_counted(
    connection: Connection, contract: Contract, reference: Reference, asked: pa.Table
) -> None:
    record(connection, contract, asked)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE predictions SET fields = '{\"trip_distance\": -1}' WHERE prediction > 30")
        changed = cursor.rowcount
    found = recorded.predictions(connection, contract, "3", WINDOW)

    assert changed > 0
    assert (found.total, found.unreadable, found.fields.num_rows) == (ROWS, changed, ROWS - changed)


def test_of_many_predictions_the_same_part_is_read_each_time(
    connection: Connection, contract: Contract, asked: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(connection, contract, asked)
    monkeypatch.setattr(recorded, "MOST_ROWS", 500)
    first, second = (recorded.predictions(connection, contract, "3", WINDOW) for _ in range(2))

    assert first.total == ROWS
    assert first.fields.num_rows == pytest.approx(500, abs=70)
    assert first.fields.equals(second.fields)


def test_counts_of_each_replica_stay_until_it_is_asked_again(
    connection: Connection, contract: Contract, reference: Reference
) -> None:
    journal, monitoring = Journal(connection, contract.name), look(connection, contract, reference).monitoring
    assert journal.last_counts() is None
    one, two = (Series(replica, "serving_requests", "/predict", "200") for replica in ("10.0.0.1", "10.0.0.2"))
    journal.write(monitoring, {one: 5, two: 7}, None)
    journal.write(monitoring, {one: 9}, None)
    journal.write(monitoring, {}, None)

    told = journal.last_counts()
    assert told is not None
    assert told[1] == {one: 9, two: 7}
    assert Journal(connection, "another").last_counts() is None


@dataclass
class Counting:
    """A replica that has answered so many requests."""

    address: str
    requests: int

    def metrics(self) -> str:
        registry = CollectorRegistry()
        Counter("serving_requests", "", ["route", "status"], registry=registry).labels("/predict", "200").inc(
            self.requests
        )
        return generate_latest(registry).decode()


@dataclass
class Versions:
    """A registry of versions that have nothing but a contract."""

    contract: Contract

    def download(self, version: str, folder: Path) -> Path:
        folder.mkdir()
        bundle.write(folder, self.contract, b"no booster", Golden(rows=[{}], predictions=[0.0]))
        return folder

    def download_of_run(self, version: str, under: str, folder: Path) -> None:
        """It has no reference."""


def test_if_one_replica_can_t_be_asked_that_is_said_and_no_traffic_told_and_the_next_time_all_of_it(
    connection: Connection, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "registry", lambda _: Versions(contract))
    monkeypatch.setattr(steps, "connected_warehouse", lambda: nullcontext(connection))

    def monitored(*replicas: Counting | HttpReplica) -> Monitoring:
        monkeypatch.setattr(steps, "replicas", lambda: replicas)
        with disable_run_logger():
            counted, notes = steps.count.fn()
            found = steps.assess_version.fn(contract.name, "3", WINDOW, counted, notes, Terms(), 100, 1)
            return steps.record.fn(found.monitoring, counted, None)

    def requests(monitoring: Monitoring) -> list[float | None]:
        return [m.value for m in monitoring.measurements if (m.name, m.measure) == ("requests", "count")]

    before = monitored(Counting("10.0.0.1", 50), Counting("10.0.0.2", 70))
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # and doesn't listen
        away = HttpReplica(httpx.URL(f"http://localhost:{reserved.getsockname()[1]}"), "127.0.0.1", "secret")
        without = monitored(Counting("10.0.0.1", 53), away)
    after = monitored(Counting("10.0.0.1", 55), Counting("10.0.0.2", 71))

    assert (requests(before), requests(without), requests(after)) == ([120], [], [6])
    assert not [m for m in without.measurements if m.kind == "traffic"]
    (said,) = without.notes
    assert said.startswith("no traffic is told: replica 127.0.0.1: /metrics: ")
    assert f"- {said}" in markdown(without)
    assert list(before.notes) == list(after.notes) == []


def test_a_monitoring_takes_its_measurements_with_it(
    connection: Connection, contract: Contract, reference: Reference
) -> None:
    written = Journal(connection, contract.name).write(look(connection, contract, reference).monitoring, {}, None)
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM monitorings WHERE id = %s", (written.id,))
        cursor.execute("SELECT count(*) FROM measurements")
        assert cursor.fetchone() == (0,)
    with pytest.raises(psycopg2.errors.CheckViolation), connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO monitorings (model, version, since, until, rows, outcomes, verdict, alarms, message, terms)"
            " VALUES ('m', '1', now(), now(), 0, 0, 'quiet', 0, '', '{}')"
        )
