"""Predictions and outcomes reach a real warehouse, each once, whatever dies on the way."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import requests
from contract import Contract, booster
from embedded import postgres
from programs import TOKEN
from serving.recorder import lines
from serving.recorder.lines import BATCH, ONE
from serving.recorder.shipper import REFUSED, Shipper
from serving.recorder.spool import OUTCOMES, PREDICTIONS, SegmentWriter, Spool
from serving.recorder.warehouse import Away, Warehouse

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(400)]

MODEL = "log-demand"
ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}
AWAY_SECONDS = 60
CLIENTS = 3


def as_serving(server: postgres.Server, url: str) -> str:
    """The same database with the rights that the model service has."""
    return server.url("serving", url.rpartition("/")[2])


def ask(url: str, query: str) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


@contextmanager
def asking(replica: Any, clients: int = CLIENTS) -> Iterator[Counter[str]]:
    """Predictions without a pause; what is yielded counts their ids, and answers that were none."""
    stop, seen = threading.Event(), Counter[str]()

    def client() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                try:
                    answer = session.post(f"{replica.url}/predict", json=ROW, timeout=10)
                    seen[answer.json()["prediction_id"] if answer.ok else f"status {answer.status_code}"] += 1
                except requests.RequestException as error:
                    seen[f"no answer: {type(error).__name__}"] += 1

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def recorded(url: str) -> Counter[str]:
    """How often each prediction's id is there."""
    return Counter(name.replace("-", "") for (name,) in ask(url, "SELECT id::text FROM predictions"))


def test_every_answer_arrives_with_all_that_was_said(
    server: postgres.Server, url: str, start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, workers=2, SERVING_WAREHOUSE_URL=as_serving(server, url))
    one = replica.post(
        "/predict", '{\n\t"at": "2024-05-01T08:00:00", "station": 7,\r\n"temperature": 18.5, "docks": 20}'
    )
    explained = replica.post("/predict?explain=true", json.dumps(ROW))
    batch = replica.post("/predict/batch", json.dumps({"rows": [ROW, {**ROW, "station": 9}]}))
    ids = [one.json()["prediction_id"], explained.json()["prediction_id"]]
    ids += [f"{batch.json()['batch_id'][:24]}{number:08x}" for number in range(2)]

    wait_until(lambda: len(recorded(url)) == 4, 30, "all four are there")
    assert recorded(url) == Counter(ids)
    found = ask(
        url,
        "SELECT id::text, role, model, version, fields, prediction, low, high, seconds > 0, now() - at < '1 minute' "
        "FROM predictions",
    )
    by_id = {name.replace("-", ""): tuple(row) for name, *row in found}
    answers = [one.json(), explained.json()]
    said = [(answer["prediction"], *(answer["interval"] or (None, None))) for answer in answers]
    intervals = batch.json()["intervals"] or [(None, None)] * 2
    said += [(value, *bounds) for value, bounds in zip(batch.json()["predictions"], intervals, strict=True)]
    fields = [ROW, ROW, ROW, {**ROW, "station": 9}]
    assert [by_id[name] for name in ids] == [
        ("champion", MODEL, "1", sent, *told, True, True) for sent, told in zip(fields, said, strict=True)
    ]
    assert replica.get("/health/ready").json()["recording"] == "well"
    # an operator's check is no traffic, whoever else sends a token is
    checked = {"Authorization": f"Bearer {TOKEN}"}
    assert replica.post("/predict/batch", json.dumps({"rows": [ROW]}), **checked).ok
    other = replica.post("/predict/batch", json.dumps({"rows": [ROW]}), Authorization="Bearer another").json()
    wait_until(lambda: len(recorded(url)) == 5, 30, "the other's arrives")
    assert recorded(url) == Counter([*ids, f"{other['batch_id'][:24]}{0:08x}"])
    wait_until(lambda: replica.metric("serving_recorded_total") == 4, 10, "answers are counted")
    wait_until(lambda: replica.metric("serving_recorder_rows_total") == 5, 10, "rows are counted")


def test_outcomes_are_kept_and_the_newest_counts(
    server: postgres.Server, url: str, start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, SERVING_WAREHOUSE_URL=as_serving(server, url))
    ids = [replica.predict().json()["prediction_id"] for _ in range(3)]
    assert replica.post("/feedback", json.dumps({"prediction_id": ids[0], "actual": 1})).status_code == 202
    told = replica.post("/feedback", json.dumps({"outcomes": [{"prediction_id": n, "actual": 7.5} for n in ids]}))
    assert (told.status_code, told.json()) == (202, {"accepted": 3})
    wait_until(lambda: len(ask(url, "SELECT 1 FROM outcomes")) == 3, 30, "the outcomes are there")
    wait_until(lambda: len(recorded(url)) == 3, 30, "the predictions are there")
    assert ask(url, "SELECT actual, outcome_source, count(*) FROM judged GROUP BY 1, 2") == [(7.5, "feedback", 3)]
    ((model, version, rows, rmse, mae),) = ask(url, "SELECT model, version, rows, rmse, mae FROM live_quality")
    error = abs(7.5 - replica.predict().json()["prediction"])
    assert (model, version, rows) == (MODEL, "1", 3)
    assert (rmse, mae) == pytest.approx((error, error))


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({"prediction_id": "7", "actual": 1}, "prediction_id", "is '7'"),
        ({"actual": 1}, "prediction_id", "is missing"),
        ({"prediction_id": "0" * 32, "actual": "long"}, "actual", "is 'long'"),
        ({"prediction_id": "0" * 32, "actual": True}, "actual", "is True"),
        ({"prediction_id": "0" * 32, "actual": 1, "who": 1}, "who", "is not a field of this call"),
        ({"outcomes": []}, "outcomes", "has 0 entries"),
        ({"outcomes": [{"prediction_id": "0" * 32}]}, "actual", "is missing"),
        ({"outcomes": [7]}, "outcomes", "is 7"),
    ],
)
def test_feedback_that_is_none_is_refused_by_name(
    server: postgres.Server, url: str, start_serving: Callable[..., Any], body: Any, field: str, problem: str
) -> None:
    replica = _running(start_serving, as_serving(server, url))
    refused = replica.post("/feedback", json.dumps(body))
    assert refused.status_code == 422
    assert [(error["field"], error["problem"]) for error in refused.json()["errors"]] == [(field, problem)]


_refusing: list[Any] = []


def _running(start_serving: Callable[..., Any], url: str) -> Any:
    """One service for all that it refuses."""
    if not _refusing:
        _refusing.append(start_serving(MODEL, SERVING_WAREHOUSE_URL=url))
    return _refusing[0]


def test_the_service_may_write_its_log_and_read_nothing_else(server: postgres.Server, url: str) -> None:
    own = as_serving(server, url)
    for query in ("SELECT 1 FROM trips", "DELETE FROM predictions", "SELECT 1 FROM predictions", "DROP TABLE outcomes"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(own, query)
    assert ask(own, "SELECT id FROM rollouts") == []


def test_a_line_that_postgres_never_takes_holds_no_other_up(server: postgres.Server, url: str, tmp_path: Path) -> None:
    spool = Spool(tmp_path, "run")
    answer = {"prediction_id": "0" * 32, "prediction": 4.5, "interval": None, "model": {"name": MODEL, "version": "1"}}
    good = [(ONE, json.dumps({**answer, "prediction_id": f"{number:032x}"}).encode()) for number in (1, 2)]
    bad = [
        (ONE, b"{"),
        (ONE, json.dumps({**answer, "prediction_id": "seven"}).encode()),
        (ONE, json.dumps({**answer, "model": {"name": MODEL}}).encode()),
        (ONE, json.dumps({**answer, "prediction": "long"}).encode()),
        (BATCH, json.dumps({"batch_id": "0" * 32, "predictions": 7}).encode()),
        (ONE, json.dumps(answer).replace("log", "\\u0000").encode()),
    ]
    now = time.time_ns()
    said = [lines.answers(kind, [(now, 0.1, b"{}", text)]) for kind, text in (good[0], *bad, good[1])]
    SegmentWriter(spool, PREDICTIONS).write(b"".join(said))
    told = [lines.outcomes(now, [(name, 4.5)]) for name in ("seven", f"{1:032x}")]
    SegmentWriter(spool, OUTCOMES).write(b"".join(told))

    shipper = Shipper(spool, Warehouse(as_serving(server, url)))
    while shipper.ship():
        pass
    assert recorded(url) == Counter([f"{number:032x}" for number in (1, 2)])
    assert ask(url, "SELECT actual FROM outcomes") == [(4.5,)]
    assert (tmp_path / REFUSED).read_bytes() == b"".join([*said[1:-1], told[0]])
    assert (shipper.counts.rows, shipper.counts.refused) == (3, len(bad) + 1)


def test_every_number_that_is_answered_is_recorded_as_the_model_saw_it(
    server: postgres.Server, url: str, start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, SERVING_WAREHOUSE_URL=as_serving(server, url))
    row = '{"at": "2024-05-01T08:00:00", "station": 7, "temperature": %s, "docks": 20}'
    numbers = ["1e-20000", "-1e-400", "1." + "0" * 17_000, "0.000000000001e12", "5e-324", "18.5"]
    answers = [replica.post("/predict", row % number) for number in numbers]
    rows = ",".join(row % number for number in numbers)
    answers.append(replica.post("/predict/batch", f'{{"rows": [{rows}]}}'))
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    wait_until(lambda: len(recorded(url)) == 2 * len(numbers), 30, "all are there")
    found = ask(url, "SELECT (fields->>'temperature')::float8 FROM predictions")
    assert sorted(value for (value,) in found) == sorted(2 * [float(number) for number in numbers])
    assert replica.metric("serving_recorder_refused_total") == 0


@pytest.mark.parametrize("database", ["nowhere", "postgres"])
def test_a_warehouse_that_is_not_there_or_not_ready_is_away(server: postgres.Server, database: str) -> None:
    warehouse = Warehouse(server.url("serving", database))
    for _ in range(2):
        with pytest.raises(Away):
            warehouse.take(PREDICTIONS, lines.answers(ONE, [(0, 0.1, b"{}", b"{}")]))


def test_a_warehouse_that_is_away_fails_no_prediction_and_loses_none(
    own_warehouse: "OwnWarehouse",
    start_serving: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    url = own_warehouse.url
    replica = start_serving(MODEL, workers=2, SERVING_WAREHOUSE_URL=own_warehouse.as_serving)
    with asking(replica) as seen:
        wait_until(lambda: len(recorded(url)) > 100, 60, "predictions arrive")
        own_warehouse.kill()
        over = time.monotonic() + AWAY_SECONDS
        wait_until(lambda: "the warehouse" in _recording(replica), 60, "it is told that the warehouse is away")
        told = replica.post("/feedback", json.dumps({"prediction_id": "0" * 32, "actual": 1}))
        assert told.status_code == 202
        while_away = len(seen)
        wait_until(lambda: time.monotonic() > over, AWAY_SECONDS + 1, "a minute is over")
        assert len(seen) > while_away + 5 * AWAY_SECONDS
        own_warehouse.start()
        wait_until(lambda: _recording(replica) == "well", 60, "it goes on")
    assert set(seen.values()) == {1}
    assert all(len(name) == 32 for name in seen), "an answer was no prediction"
    wait_until(lambda: len(recorded(url)) == len(seen), 60, "all are there")
    assert recorded(url) == seen
    assert ask(url, "SELECT actual FROM outcomes") == [(1.0,)]


def test_a_killed_worker_or_recorder_loses_nothing(
    server: postgres.Server, url: str, start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, workers=2, SERVING_WAREHOUSE_URL=as_serving(server, url))
    with asking(replica) as seen:
        wait_until(lambda: len(recorded(url)) > 300, 60, "predictions arrive")
        victim = replica.get("/model").json()["workers"][0]["pid"]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: _is_whole_without(replica, victim), 60, "it is replaced")
        (recorder,) = _writers(replica)
        os.kill(recorder, signal.SIGKILL)
        wait_until(lambda: _writers(replica) - {recorder}, 60, "the recorder is replaced")
        after = len(seen)
        wait_until(lambda: len(seen) > after + 300, 60, "predictions go on")
    answered = Counter({name: count for name, count in seen.items() if len(name) == 32})
    wait_until(lambda: not answered - recorded(url), 30, "all arrive")
    assert replica.stop() == 0
    assert len(recorded(url) - answered) <= CLIENTS  # answers cut off by the kill
    assert set(recorded(url).values()) == {1}
    assert not list((replica.store / MODEL / "spool").glob("*.predictions*"))


def test_what_a_killed_service_had_written_is_sent_at_its_next_start(
    own_warehouse: "OwnWarehouse",
    start_serving: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    url = own_warehouse.url
    replica = start_serving(MODEL, SERVING_WAREHOUSE_URL=own_warehouse.as_serving)
    own_warehouse.stop()
    wait_until(lambda: replica.predict().ok and "the warehouse" in _recording(replica), 60, "the warehouse is away")
    with asking(replica) as seen:
        wait_until(lambda: len(seen) > 500, 60, "predictions go on")
    # what the start asked stands there too, so lines can't be counted: what isn't written yet dies with the service
    wait_until(lambda: all(name in _spooled(replica) for name in seen), 60, "all are written")
    replica.kill()
    own_warehouse.start()
    replica.start()
    wait_until(lambda: not seen - recorded(url), 60, "all are there")
    assert set(recorded(url).values()) == {1}


def test_what_is_said_after_the_supervisor_was_killed_arrives(
    server: postgres.Server, url: str, start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, workers=2, SERVING_WAREHOUSE_URL=as_serving(server, url))
    with asking(replica) as seen:
        wait_until(lambda: len(seen) > 100, 60, "predictions are made")
        processes = replica.processes()
        os.kill(replica.pid, signal.SIGKILL)
        wait_until(lambda: any(len(name) != 32 for name in seen), 60, "the workers have ended")
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive
    answered = {name for name in seen if len(name) == 32}
    assert answered - set(recorded(url)) == set()


def test_a_full_spool_drops_nothing_silently(start_serving: Callable[..., Any], wait_until: Callable[..., Any]) -> None:
    nobody = "postgresql://serving:x@127.0.0.1:9/warehouse"
    replica = start_serving(MODEL, SERVING_WAREHOUSE_URL=nobody, SERVING_SPOOL_BYTES=str(1024**2))
    with asking(replica) as seen:
        wait_until(lambda: "the spool is full" in _recording(replica), 120, "the spool is full")
        before = len(seen)
        wait_until(lambda: len(seen) > before + 200, 60, "predictions go on")
    assert all(len(name) == 32 for name in seen), "an answer was no prediction"
    refused = replica.post("/feedback", json.dumps({"prediction_id": "0" * 32, "actual": 1}))
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:roundhouse:problem:not-recorded")
    counted = ("serving_recorded_total", "serving_not_recorded_total")
    wait_until(lambda: sum(map(replica.metric, counted)) == len(seen), 10, "each is counted as the one or the other")
    assert replica.metric("serving_not_recorded_total") >= 200


def test_a_share_of_the_answers_can_be_recorded(
    server: postgres.Server, url: str, start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    replica = start_serving(MODEL, SERVING_WAREHOUSE_URL=as_serving(server, url), SERVING_RECORD_SHARE="0.5")
    with asking(replica) as seen:
        wait_until(lambda: len(seen) > 400, 60, "predictions are made")
    wait_until(lambda: len(recorded(url)) > 0.4 * len(seen), 30, "the recorded ones arrive")
    assert replica.stop() == 0
    assert len(recorded(url)) < 0.6 * len(seen)


def test_without_a_warehouse_nothing_is_recorded_and_feedback_says_so(start_serving: Callable[..., Any]) -> None:
    replica = start_serving(MODEL)
    assert replica.predict().ok
    assert _recording(replica) == "off"
    refused = replica.post("/feedback", json.dumps({"prediction_id": "0" * 32, "actual": 1}))
    assert refused.status_code == 503
    assert "SERVING_WAREHOUSE_URL" in refused.json()["detail"]


def test_the_challenger_is_asked_afterwards(
    tracking: Any,
    make_bundle: Callable[..., Contract],
    tmp_path: Path,
    server: postgres.Server,
    url: str,
    start_serving: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    settings = {"SERVING_WAREHOUSE_URL": as_serving(server, url), "SERVING_SHADOW_SHARE": "1"}
    replica = start_serving("shadow-demand", **settings)
    make_bundle(tmp_path / "second", offset=100, name="shadow-demand")
    second = tracking.publish("shadow-demand", tmp_path / "second")
    tracking.client.set_registered_model_alias("shadow-demand", "challenger", second)
    wait_until(lambda: replica.predict().ok and _roles(url)["challenger"], 60, "the challenger is asked")
    loaded = booster.load(tmp_path / "second")
    expected = loaded.predict_row(loaded.rows.parse(json.dumps(ROW).encode()))
    assert ask(url, "SELECT DISTINCT version, prediction FROM predictions WHERE role = 'challenger'") == [
        (second, expected)
    ]
    assert ask(url, "SELECT DISTINCT version FROM predictions WHERE role = 'champion'") == [("1",)]
    unpaired = (
        "SELECT id FROM predictions WHERE role = 'challenger' EXCEPT SELECT id FROM predictions WHERE role = 'champion'"
    )
    assert ask(url, unpaired) == []

    # what serves has no challenger to itself
    tracking.crown("shadow-demand", second)
    wait_until(lambda: replica.holds(second), 30, "the challenger is champion")
    answered = [_recorded_prediction(replica, url, wait_until) for _ in range(2)]
    # a challenger is asked before the recorder takes more lines: of the first, all is recorded that ever will be
    assert recorded(url)[answered[0]] == 1


def _recorded_prediction(replica: Any, url: str, wait_until: Callable[..., Any]) -> str:
    prediction: str = replica.predict().json()["prediction_id"]
    wait_until(lambda: recorded(url)[prediction], 30, "the prediction is recorded")
    return prediction


def _roles(url: str) -> Counter[str]:
    return Counter(role for (role,) in ask(url, "SELECT role FROM predictions"))


def _recording(replica: Any) -> str:
    return str(replica.get("/health/ready").json()["recording"])


def _writers(replica: Any) -> set[int]:
    """Process ids of those that have a segment open."""
    open_segments = (replica.store / MODEL / "spool").glob("*.open")
    return {int(path.name.split(".")[0].rpartition("-")[2]) for path in open_segments}


def _spooled(replica: Any) -> str:
    """The lines of predictions that are in the spool's files."""
    return "".join(path.read_text() for path in (replica.store / MODEL / "spool").glob("*.predictions*"))


def _is_whole_without(replica: Any, victim: int) -> bool:
    workers = replica.get("/model").json()["workers"]
    return len(workers) == 2 and victim not in {worker["pid"] for worker in workers}


class OwnWarehouse:
    """A Postgres that a test may kill."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = postgres.start(folder)

    @property
    def url(self) -> str:
        return self._server.url("warehouse")

    @property
    def as_serving(self) -> str:
        return self._server.url("serving", "warehouse")

    def kill(self) -> None:
        """Nobody says goodbye."""
        os.kill(self._server.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.stop()
        self._server = postgres.start(self._folder, port=self._server.port)

    def remove(self) -> None:
        self._server.stop()
        postgres.remove(self._folder)


@pytest.fixture
def own_warehouse(tmp_path_factory: pytest.TempPathFactory, migrate: Callable[..., None]) -> Iterator[OwnWarehouse]:
    warehouse = OwnWarehouse(tmp_path_factory.mktemp("postgres"))
    migrate(warehouse.url, "upgrade", "head")
    yield warehouse
    warehouse.remove()
