"""The whole loop, once: months become a model that is served, recorded, watched, and taken back."""

import json
from typing import Any

from contract import Contract
from contract.golden import requests_of
from pipelines import MODEL, Pipeline, held_out

ROWS = 400


def test_months_become_a_model_that_is_served_recorded_watched_and_taken_back(
    pipeline: Pipeline, first_training: Any
) -> None:
    # ingest, train, gate, roll out
    assert first_training.ready_before == 503
    assert "is champion and served: first model" in first_training.run["state"]["message"]
    first = pipeline.served()
    assert pipeline.alias("champion") == first

    # predict, log, feed back
    contract = Contract.from_json(json.dumps(pipeline.get("/model")["contract"]).encode())
    trips = held_out(pipeline, "2021-02", "synthetic").slice(0, ROWS)
    before = pipeline.count("predictions"), pipeline.count("outcomes")
    answers = [pipeline.post("/predict", row) for row in requests_of(contract, trips)]
    told = [
        {"prediction_id": answer["prediction_id"], "actual": actual}
        for answer, actual in zip(answers, trips[contract.output.name].to_pylist(), strict=True)
    ]
    assert {answer["model"]["version"] for answer in answers} == {first}
    assert pipeline.post("/feedback", {"outcomes": told}) == {"accepted": ROWS}
    pipeline.wait(
        lambda: (pipeline.count("predictions"), pipeline.count("outcomes")) >= (before[0] + ROWS, before[1] + ROWS),
        30,
        "predictions and outcomes are in the warehouse",
    )

    # monitor
    run = pipeline.run(f"monitor/{MODEL}", {})
    assert run["state"]["type"] == "COMPLETED", pipeline.runs.log(run["id"])
    assert f"{MODEL} version {first}: " in pipeline.artifact("monitoring")

    # a model that is no better is refused; it is promoted all the same, and taken back
    trained = pipeline.mlflow.get_model_version(MODEL, first)
    source = str(trained.source)
    model = source.removeprefix("models:/")
    again = str(pipeline.mlflow.create_model_version(MODEL, source, trained.run_id, model_id=model).version)
    refused = pipeline.run(f"promote/{MODEL}", {"version": again})
    assert refused["state"]["type"] == "FAILED"
    assert f"version {again} is refused" in refused["state"]["message"]
    forced = pipeline.run(f"promote/{MODEL}", {"version": again, "force": True, "reason": "a drill"})
    assert forced["state"]["type"] == "COMPLETED", pipeline.runs.log(forced["id"])
    assert pipeline.served() == pipeline.alias("champion") == again
    back = pipeline.run(f"rollback/{MODEL}", {"reason": "it is over"})
    assert back["state"]["message"] == f"{MODEL} version {first} is champion and served: it is over"
    assert pipeline.served() == pipeline.alias("champion") == first
    kinds = [row["kind"] for row in pipeline.get("/model/history")["rollouts"]]
    assert kinds[:2] == ["rollback", "promote"]
