"""Two years in minutes: a model's months are replayed on the whole stack, until it has drifted and is replaced."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from console.runs import REPLAY
from pipelines import MODEL, Pipeline, running

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(1200)]

SHARE = 0.15
"""Of the trips, which leaves some two thousand a week."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A stack of its own, on which no alarm has begun anything yet."""
    with running(tmp_path_factory.mktemp("replay")) as pipeline:
        yield pipeline


@pytest.mark.skipif("ROUNDHOUSE_TLC_DATA" not in os.environ, reason="needs the city's real files")
def test_drift_is_noticed_retrained_gated_promoted_and_served(pipeline: Pipeline) -> None:
    folder = Path(os.environ["ROUNDHOUSE_TLC_DATA"]).resolve()
    wanted = {
        "months": "2021-01..2023-01",
        "source": "tlc",
        "tlc_location": str(folder),
        "speed": 1e8,
        "share": SHARE,
    }
    run = pipeline.run(REPLAY, wanted, seconds=1000)
    assert run["state"]["type"] == "COMPLETED", "\n".join(pipeline.runs.log(run["id"]))
    story = dict(line.split(": ", 1) for line in run["state"]["message"].splitlines() if ": " in line)

    assert "first model" in story["end of 2021-01"]
    weeks = {when: what for when, what in story.items() if " to " in when}
    assert len(weeks) == 8
    assert story["end of 2021-02"] == "quiet", story
    told = story["end of 2023-01"]
    assert told.startswith("drift: "), story
    named = [part.rsplit(" ", 1)[0] for part in told.removeprefix("drift: ").split(", ")]
    assert set(named[:2]) == {"trip_distance", "pu_location_id"}
    assert story["after 2023-01"].startswith("retraining promoted: version 2: holdout RMSE 4.")

    # version 1 is the replay's first, version 2 what the alarm led to
    served = pipeline.served()
    assert served == "2"
    tags = pipeline.mlflow.get_model_version(MODEL, served).tags
    assert tags["decision"] == "promoted"
    trained = pipeline.mlflow.get_run(pipeline.mlflow.get_model_version(MODEL, served).run_id).data.tags
    assert (trained["months"], trained["holdout"]) == ("2023-01", "2023-01-25..2023-01-31")
    with pipeline.warehouse() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT outcome FROM retrainings")
        assert cursor.fetchall().count(("promoted",)) == 1
        cursor.execute(
            "SELECT count(*), count(DISTINCT prediction_id), count(actual) FROM predictions"
            " LEFT JOIN outcomes ON prediction_id = id WHERE role = 'champion'"
        )
        (rows, ids, told) = cursor.fetchone() or (0, 0, 0)
        assert rows == ids == told
        assert rows > 15_000
        cursor.execute("SELECT verdict, count(*) FROM monitorings GROUP BY verdict")
        assert sum(count for _, count in cursor.fetchall()) == 10
