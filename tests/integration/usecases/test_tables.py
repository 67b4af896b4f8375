"""Tables that nobody has prepared anything for, from their CSVs to a retraining, on the whole stack.

One story: each test goes on where the one before ended.
"""

import random
import shutil
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import requests
from trainer.retraining.history import PostgresRetrainings
from usecase_stack import Tables

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(900)]

NAME = "unit price (€)"


def month(number: int, rows: int = 400, seed: int = 1) -> str:
    """Rentals of a month of 2024; how many bikes depends on the weather and the station."""
    chosen = random.Random(seed * 100 + number)  # noqa: S311
    lines = [f"id,at,station,temperature,{NAME},bikes"]
    for row in range(rows):
        station, warm = chosen.choice(["north", "south", "east"]), chosen.uniform(0, 30)
        bikes = round(5 + warm + {"north": 0, "south": 9, "east": 4}[station] + chosen.gauss(0, 1))
        at = f"2024-{number:02}-{1 + row % 28:02} {row % 24:02}:00"
        lines.append(f"{number * 1000 + row},{at},{station},{warm:.2f},{chosen.uniform(1, 3):.2f},{bikes}")
    return "\n".join(lines) + "\n"


def completed(tables: Tables, deployment: str, parameters: dict[str, object]) -> str:
    run = tables.pipeline.run(deployment, parameters)
    assert run["state"]["type"] == "COMPLETED", tables.pipeline.runs.log(run["id"])
    return str(run["state"]["message"])


def asked(warm: float, station: str = "north") -> dict[str, object]:
    return {"at": "2024-04-03T08:00:00", "station": station, "temperature": warm, NAME: 2.0}


def test_a_folder_that_is_added_is_deployed_trained_and_served(tables: Tables) -> None:
    for number in (1, 2, 3):
        tables.write(f"rentals/2024-{number:02}.csv", month(number))
    tables.new("rentals", "data/rentals", "bikes")
    assert completed(tables, "deploy/use-cases", {}) == "use cases: rentals"

    said = completed(tables, "train/rentals", {})
    assert "rentals version 1 is champion and served: first model" in said
    assert tables.pipeline.served() == "1"
    warmer, colder = (tables.pipeline.post("/predict", asked(warm))["prediction"] for warm in (25.0, 5.0))
    assert 16 < warmer - colder < 24
    refused = requests.post(
        tables.pipeline.stack.url("serving") + "/predict", json={**asked(5), NAME: "cheap"}, timeout=30
    )
    assert refused.status_code == 422
    assert NAME in refused.text


def test_its_form_offers_what_can_be_chosen(tables: Tables) -> None:
    api = tables.pipeline.stack.url("prefect-server") + "/api"
    found = requests.get(f"{api}/deployments/name/train/rentals", timeout=60).json()
    assert found["parameters"] == {"usecase": "rentals"}
    properties = found["parameter_openapi_schema"]["properties"]
    assert properties["source"]["enum"] == ["files"]
    wrong = {"parameters": {"source": "elsewhere"}}
    answer = requests.post(f"{api}/deployments/{found['id']}/create_flow_run", json=wrong, timeout=60)
    assert answer.status_code == 409


def test_only_a_new_period_is_loaded(tables: Tables) -> None:
    tables.write("rentals/2024-04.csv", month(4))
    assert completed(tables, "ingest/rentals", {}) == "400 rows loaded in 1 periods; 3 unchanged"
    assert completed(tables, "ingest/rentals", {}) == "0 rows loaded in 0 periods; 4 unchanged"


def test_a_second_use_case_trains_and_touches_nothing_of_the_first(tables: Tables) -> None:
    tables.write("goods.csv", "size,price\n" + "".join(f"{n % 97},{3 * (n % 97) + n * 37 % 90}\n" for n in range(150)))
    tables.new("goods", "data/goods.csv", "price")
    completed(tables, "deploy/use-cases", {})
    before = history(tables, "rentals")
    said = completed(tables, "train/goods", {})
    assert "goods version 1 is champion; the service serves rentals: first model" in said
    assert "the holdout of" in said
    assert "says little" in said
    assert (tables.pipeline.served(), history(tables, "rentals")) == ("1", before)
    assert len(history(tables, "goods")) == 1


def history(tables: Tables, model: str) -> list[Any]:
    with tables.pipeline.warehouse() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT kind, to_version, outcome FROM rollouts WHERE model = %s ORDER BY id", (model,))
        return cursor.fetchall()


def test_a_gate_that_has_a_champion_stays_strict(tables: Tables) -> None:
    said = completed(tables, "train/goods", {})
    assert "goods version 2 was not promoted: undecidable: the holdout has" in said


def test_predictions_that_are_like_the_training_raise_no_alarm(tables: Tables) -> None:
    chosen = random.Random(5)  # noqa: S311
    rows = [asked(chosen.uniform(0, 30), chosen.choice(["north", "south", "east"])) for _ in range(300)]
    for number, row in enumerate(rows):
        row["at"] = f"2024-04-{1 + number % 28:02}T{number % 24:02}:00:00"
        row[NAME] = round(chosen.uniform(1, 3), 2)
    tables.pipeline.post("/predict/batch", {"rows": rows})
    tables.pipeline.wait(lambda: tables.pipeline.count("predictions") >= 300, 60, "predictions are recorded")
    assert "drift" not in completed(tables, "monitor/rentals", {"announces": False}).replace("no drift", "")


def test_predictions_that_are_not_start_a_retraining_that_is_judged(tables: Tables) -> None:
    hot = [{**asked(29.5, "east"), "at": f"2024-04-{1 + number % 28:02}T08:00:00"} for number in range(1_500)]
    tables.pipeline.post("/predict/batch", {"rows": hot})
    tables.pipeline.wait(lambda: tables.pipeline.count("predictions") >= 1_800, 60, "predictions are recorded")
    assert "temperature" in completed(tables, "monitor/rentals", {})

    def ended() -> object:
        with tables.pipeline.warehouse() as connection:
            found = PostgresRetrainings(connection, "rentals").history()
        return found and found[0].outcome in ("promoted", "refused") and found[0]

    retraining = tables.pipeline.wait(ended, 400, "the retraining has ended")
    assert "version 2" in retraining.reason
    experiment = tables.pipeline.mlflow.get_experiment_by_name("rentals")
    (newest, *_) = tables.pipeline.mlflow.search_runs([experiment.experiment_id])
    assert (newest.data.tags["months"], newest.data.tags["holdout"]) == ("2024-01,2024-02,2024-03", "2024-04")


def test_a_version_is_promoted_by_hand_and_rolled_back(tables: Tables) -> None:
    served = tables.pipeline.served()
    other = "2" if served == "1" else "1"
    said = completed(tables, "promote/rentals", {"version": other, "dry_run": True})
    assert f"Dry run: rentals version {other}" in said
    completed(tables, "promote/rentals", {"version": other, "force": True})
    assert tables.pipeline.served() == other
    assert f"rentals version {served} is champion" in completed(tables, "rollback/rentals", {})
    assert tables.pipeline.served() == served


def test_what_came_true_is_found_among_later_rows(tables: Tables) -> None:
    file = tables.usecases / "rentals" / "usecase.yaml"
    file.write_text(file.read_text() + "outcomes: {match_on: [at, station, temperature]}\n")
    completed(tables, "deploy/use-cases", {})
    later = month(5)
    _, at, station, warm, price, bikes = later.splitlines()[1].split(",")
    row = {"at": at.replace(" ", "T") + ":00", "station": station, "temperature": float(warm), NAME: float(price)}
    asked_for = tables.pipeline.post("/predict", row)["prediction_id"]
    tables.write("rentals/2024-05.csv", later)
    tables.pipeline.wait(lambda: outcome(tables, asked_for, "predictions", "id"), 60, "the prediction is recorded")
    assert completed(tables, "outcomes/rentals", {}) == "1 outcomes written, 0 ambiguous"
    assert outcome(tables, asked_for, "outcomes", "prediction_id", "actual") == float(bikes)


def outcome(tables: Tables, identity: str, table: str, key: str, wanted: str = "1") -> Any:
    with tables.pipeline.warehouse() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {wanted} FROM {table} WHERE {key} = %s", (identity,))  # noqa: S608
        found = cursor.fetchone()
        return found and found[0]


def test_the_schedules_of_both_fire_and_each_trains_its_own(tables: Tables) -> None:
    files = {name: tables.usecases / name / "usecase.yaml" for name in ("rentals", "goods")}
    before = {name: file.read_text() for name, file in files.items()}
    known = {name: versions(tables, name) for name in files}
    for name, file in files.items():
        file.write_text(before[name].replace("train: {", 'train: {schedule: "* * * * *", '))
    completed(tables, "deploy/use-cases", {})
    try:
        for name in files:
            tables.pipeline.wait(partial(scheduled, tables, name), 240, f"a scheduled training of {name}")
    finally:
        for name, file in files.items():
            file.write_text(before[name])
        completed(tables, "deploy/use-cases", {})
    tables.pipeline.wait(lambda: not any(scheduled(tables, name, UNDER_WAY) for name in files), 240, "all have ended")
    for name in files:
        said = scheduled(tables, name)[0]["state"]["message"]
        (newest, *_) = tables.pipeline.mlflow.search_model_versions(f"name = '{name}'")
        assert int(newest.version) > known[name]
        assert f"{name} version " in said
        experiment = tables.pipeline.mlflow.get_experiment_by_name(name)
        assert tables.pipeline.mlflow.get_run(newest.run_id).info.experiment_id == experiment.experiment_id
        assert {row[1] for row in history(tables, name)} <= {
            str(1 + number) for number in range(versions(tables, name))
        }


UNDER_WAY = ["PENDING", "RUNNING"]


def versions(tables: Tables, model: str) -> int:
    return len(tables.pipeline.mlflow.search_model_versions(f"name = '{model}'"))


def scheduled(tables: Tables, name: str, states: Sequence[str] = ("COMPLETED",)) -> list[Any]:
    """The training runs that the schedule made, of the states."""
    api = tables.pipeline.stack.url("prefect-server") + "/api"
    deployment = requests.get(f"{api}/deployments/name/train/{name}", timeout=60).json()["id"]
    wanted = {"state": {"type": {"any_": list(states)}}}
    body = {"deployments": {"id": {"any_": [deployment]}}, "flow_runs": wanted, "sort": "START_TIME_DESC"}
    found = requests.post(f"{api}/flow_runs/filter", json=body, timeout=60).json()
    return [run for run in found if run["auto_scheduled"]]


def test_a_broken_folder_is_named_and_one_that_is_gone_leaves_nothing(tables: Tables) -> None:
    file = tables.usecases / "rentals" / "usecase.yaml"
    sound = file.read_text()
    file.write_text("".join(line for line in sound.splitlines(keepends=True) if not line.startswith("outcomes:")))
    completed(tables, "deploy/use-cases", {})
    assert tables.pipeline.runs.knows("train/rentals")
    assert not tables.pipeline.runs.knows("outcomes/rentals")
    file.write_text(sound.replace("target:", "tarket:"))
    shutil.rmtree(tables.usecases / "goods")
    said = completed(tables, "deploy/use-cases", {})
    assert "can't be deployed" in said
    assert "rentals/usecase.yaml" in said
    assert tables.pipeline.runs.knows("train/rentals")
    assert not tables.pipeline.runs.knows("train/goods")
    run = tables.pipeline.run("train/rentals", {})
    assert run["state"]["type"] == "FAILED"
    assert "did you mean 'target'" in run["state"]["message"]
    settled = completed(tables, "reconcile/trip-duration", {})
    assert settled == "the ledger agrees with the registry"
    file.write_text(sound)
    assert completed(tables, "deploy/use-cases", {}) == "use cases: rentals"
