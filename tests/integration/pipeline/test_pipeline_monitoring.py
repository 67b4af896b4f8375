"""Predictions in the warehouse are held against the training of the version that made them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from contract import Contract
from contract.golden import requests_of
from pipelines import MODEL, Pipeline
from psycopg2.extras import execute_values
from trainer.data import warehouse
from trainer.data.months import Month
from trainer.usecases.trips.clean import clean

pytestmark = pytest.mark.thorough

MONITOR = f"monitor/{MODEL}"
ROWS = 3_000
WEEK = timedelta(days=7)

Row = Mapping[str, Any]


def asked(pipeline: Pipeline, begin: datetime, change: Callable[[Row], Row], error: float = 0.0) -> str:
    """A week of predictions, and what came true: held-out trips, changed; the version that made them.

    Args:
        error: by how many minutes, up and down in turn, outcomes are further from what is predicted.
    """
    with pipeline.warehouse() as connection:
        trips = clean(warehouse.extract(connection, "synthetic", "green", [Month(2021, 2)]))[0]
    trips = trips.take([position * trips.num_rows // ROWS for position in range(ROWS)])
    contract = Contract.from_json(json.dumps(pipeline.get("/model")["contract"]).encode())
    rows = [change(row) for row in requests_of(contract, trips)]
    answer = pipeline.post("/predict/batch", {"rows": rows})
    version = str(answer["model"]["version"])
    predicted, actual = answer["predictions"], trips[contract.output.name].to_pylist()
    moments = [begin + WEEK * (position / ROWS) for position in range(ROWS)]
    ids = [str(uuid4()) for _ in rows]
    predictions = [
        (one, at, "champion", MODEL, version, json.dumps(row), value, *(contract.output.around(value) or ()))
        for one, at, row, value in zip(ids, moments, rows, predicted, strict=True)
    ]
    outcomes = [
        (one, true + (error if position % 2 else -error), "trips", at)
        for position, (one, true, at) in enumerate(zip(ids, actual, moments, strict=True))
    ]
    with pipeline.warehouse() as connection, connection, connection.cursor() as cursor:
        for day in range(8):
            cursor.execute("SELECT ensure_prediction_day(%s)", ((begin + timedelta(days=day)).date(),))
        execute_values(
            cursor,
            "INSERT INTO predictions (id, at, role, model, version, fields, prediction, low, high) VALUES %s",
            predictions,
        )
        execute_values(cursor, "INSERT INTO outcomes (prediction_id, actual, source, received_at) VALUES %s", outcomes)
    return version


def monitor(pipeline: Pipeline, begin: datetime, **parameters: object) -> dict[str, Any]:
    window = {"since": begin.isoformat(), "until": (begin + WEEK).isoformat()}
    run = pipeline.run(MONITOR, {**window, **parameters})
    assert run["state"]["type"] == "COMPLETED", "\n".join(pipeline.runs.log(run["id"]))
    return run


def newest(pipeline: Pipeline) -> dict[str, Any]:
    with pipeline.warehouse() as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(m) FROM monitorings m ORDER BY id DESC LIMIT 1")
        (found,) = cursor.fetchone() or ({},)
        return dict(found)


def measured(pipeline: Pipeline, monitoring: int) -> dict[tuple[str, str, str], tuple[float, bool]]:
    with pipeline.warehouse() as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, name, measure, value, alarm FROM measurements WHERE monitoring_id = %s", (monitoring,)
        )
        return {(kind, name, measure): (value, alarm) for kind, name, measure, value, alarm in cursor}


def events(pipeline: Pipeline, monitoring: int) -> list[dict[str, Any]]:
    """Of the model, told by that monitoring."""
    wanted = {"filter": {"resource": {"id": [f"roundhouse.model.{MODEL}"]}}, "limit": 50}
    answer = requests.post(f"{pipeline.stack.url('prefect-server')}/api/events/filter", json=wanted, timeout=60)
    answer.raise_for_status()
    return [event for event in answer.json()["events"] if event["payload"]["monitoring_id"] == monitoring]


def test_a_training_keeps_its_reference(pipeline: Pipeline, champion: str) -> None:
    run = pipeline.mlflow.get_model_version(MODEL, champion).run_id
    kept = {file.path for file in pipeline.mlflow.list_artifacts(str(run), "monitoring")}

    assert kept == {"monitoring/reference.parquet", "monitoring/promise.json"}


def test_a_week_like_the_training_months_is_quiet_and_leaves_its_numbers(pipeline: Pipeline, champion: str) -> None:
    begin = datetime(2024, 5, 6, tzinfo=UTC)
    version = asked(pipeline, begin, lambda row: row)
    run = monitor(pipeline, begin)

    assert run["state"]["message"] == "quiet"
    found = newest(pipeline)
    assert (found["version"], found["rows"], found["outcomes"]) == (version, ROWS, ROWS)
    assert (found["verdict"], found["alarms"]) == ("quiet", 0)
    values = measured(pipeline, found["id"])
    names = {(kind, name) for kind, name, _ in values}
    assert {("field", "trip_distance"), ("feature", "pickup_minute"), ("prediction", "prediction")} <= names
    assert {("error", "all"), ("slice", "day: weekend"), ("version", f"{version} as champion")} <= names
    assert values["traffic", "requests", "count"][0] > 0
    assert not events(pipeline, found["id"])


def test_the_report_lies_beneath_the_training_run_in_mlflow_and_in_prefect(pipeline: Pipeline, champion: str) -> None:
    begin = datetime(2024, 5, 20, tzinfo=UTC)
    version = asked(pipeline, begin, lambda row: row)
    monitor(pipeline, begin)
    run = pipeline.mlflow.get_run(newest(pipeline)["run_id"])

    assert run.info.status == "FINISHED"
    trained = pipeline.mlflow.get_model_version(MODEL, version).run_id
    assert (run.data.tags["monitoring_of"], run.data.tags["mlflow.parentRunId"]) == (version, trained)
    assert {"field/trip_distance/psi", "error/all/rmse"} <= set(run.data.metrics)
    files = {file.path for file in pipeline.mlflow.list_artifacts(run.info.run_id, "monitoring")}
    assert files == {f"monitoring/{name}" for name in ("report.html", "report.md", "monitoring.json")}
    text = pipeline.artifact("monitoring")
    assert f"{MODEL} version {version}: quiet" in text
    assert run.info.run_id in text


def test_longer_trips_and_larger_errors_raise_alarms_that_are_announced(pipeline: Pipeline, champion: str) -> None:
    begin = datetime(2024, 6, 3, tzinfo=UTC)
    version = asked(pipeline, begin, lambda row: {**row, "trip_distance": min(row["trip_distance"] * 2, 100)}, 30)
    run = monitor(pipeline, begin)

    assert run["state"]["message"].startswith("drift: trip_distance ")
    assert "decay: RMSE " in run["state"]["message"]
    found = newest(pipeline)
    assert found["verdict"] == "drifted and decayed"
    values = measured(pipeline, found["id"])
    psi, alarm = values["field", "trip_distance", "psi"]
    assert alarm
    assert not values["field", "pu_location_id", "psi"][1]
    told = pipeline.wait(
        lambda: len(events(pipeline, found["id"])) == 2 and events(pipeline, found["id"]), 20, "events"
    )
    assert {event["event"] for event in told} == {"roundhouse.model.drifted", "roundhouse.model.decayed"}
    payload = told[0]["payload"]
    assert payload["version"] == version
    assert payload["fields"]["trip_distance"] == pytest.approx(psi, abs=1e-3)
    assert [datetime.fromisoformat(payload[name]) for name in ("since", "until")] == [begin, begin + WEEK]


def test_too_few_predictions_raise_no_alarm(pipeline: Pipeline, champion: str) -> None:
    run = monitor(pipeline, datetime(2023, 5, 1, tzinfo=UTC))

    assert run["state"]["message"] == "too few predictions: 0 of at least 100"
    found = newest(pipeline)
    assert (found["verdict"], found["run_id"]) == ("too few predictions", None)


def test_traffic_is_what_came_since_the_monitoring_before(pipeline: Pipeline, champion: str) -> None:
    monitor(pipeline, datetime(2023, 5, 1, tzinfo=UTC))
    row = pipeline.get("/model")["contract"]["fields"]
    example = {field["name"]: field["example"] for field in row}
    for _ in range(3):
        pipeline.post("/predict", example)
    refused = requests.post(pipeline.stack.url("serving") + "/predict", json={"trip_distance": -1}, timeout=60)
    monitor(pipeline, datetime(2023, 5, 1, tzinfo=UTC))
    values = measured(pipeline, newest(pipeline)["id"])

    assert refused.status_code == 422
    counts = {name: value for (kind, name, measure), (value, _) in values.items() if measure == "count"}
    assert (counts["requests"], counts["refused"], counts["rows"]) == (4, 1, 3)
    assert values["traffic", "refused", "share"][0] == pytest.approx(0.25)


@contextmanager
def replaying(pipeline: Pipeline) -> Iterator[None]:
    """As if a replay ran."""
    api = f"{pipeline.stack.url('prefect-server')}/api"

    def call(path: str, body: object) -> dict[str, Any]:
        answer = requests.post(f"{api}{path}", json=body, timeout=90)
        answer.raise_for_status()
        return dict(answer.json())

    (deployment,) = requests.post(
        f"{api}/deployments/filter", json={"flows": {"name": {"any_": ["replay"]}}}, timeout=90
    ).json()
    run = call(f"/deployments/{deployment['id']}/create_flow_run", {"state": {"type": "RUNNING"}})
    try:
        yield
    finally:
        call(f"/flow_runs/{run['id']}/set_state", {"state": {"type": "COMPLETED"}, "force": True})


def test_the_regular_look_leaves_a_replay_s_traffic_alone(pipeline: Pipeline, champion: str) -> None:
    before = newest(pipeline)
    with replaying(pipeline):
        run = pipeline.run(MONITOR, {})
    assert run["state"]["message"] == "a replay is under way, which monitors what it asks for"
    assert newest(pipeline) == before
    run = pipeline.run(MONITOR, {"announces": False})
    assert "replay" not in run["state"]["message"]
