"""Prefect's own server as the stack runs it: whose process is dead, and what is kept for how long."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg2
import pytest
from embedded.processes import spawn
from embedded.readiness import answers
from embedded.root import ROOT
from embedded.stack import Stack
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from trainer.flows.forgetting import forget_workers
from trainer.flows.missed import MISSED, skip_missed
from trainer.flows.silence import DIED, HEARTBEAT, end_silent

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

PATIENCE_SECONDS = 90
SILENCE = timedelta(minutes=1)
BEHIND = timedelta(hours=1)
IN_SECONDS = {"PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "1"}
"""What has been kept for long enough goes within an hour."""
ORPHANS_IN_SECONDS = {"PREFECT_SERVER_SERVICES_DB_VACUUM_ORPHAN_CLEANUP_LOOP_SECONDS": "1"}

Json = dict[str, Any]


class Server:
    """The stack's Prefect, and the database that it keeps all in."""

    def __init__(self, stack: Stack, http: httpx.Client) -> None:
        self._stack = stack
        self._http = http
        self.flow = self.create("flows", name="train")["id"]

    def create(self, what: str, **fields: object) -> Json:
        found: Json = self._post(f"{what}/", fields)
        return found

    def _post(self, path: str, body: object) -> Any:
        answer = self._http.post(path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def run(self, state: str, begun: timedelta = timedelta(minutes=5), **fields: object) -> UUID:
        """A run that has been in a state for so long."""
        found = self.create("flow_runs", flow_id=self.flow, state={"type": state}, **fields)
        change = "UPDATE flow_run_state SET timestamp = timestamp - %s WHERE flow_run_id = %s"
        self.sql(change, begun, found["id"])
        return UUID(found["id"])

    def beat(self, *runs: UUID, ago: timedelta = timedelta(0)) -> None:
        occurred = (datetime.now(UTC) - ago).isoformat()
        events = [
            {
                "id": str(uuid4()),
                "occurred": occurred,
                "event": HEARTBEAT,
                "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
            }
            for run in runs
        ]
        self._post("events", events)

    @contextmanager
    def beating(self, *runs: UUID, behind: UUID) -> Iterator[None]:
        """These live, and one more on a machine whose clock is behind."""
        over = Event()

        def live() -> None:
            while not over.wait(0.3):
                self.beat(*runs)
                self.beat(behind, ago=BEHIND)

        thread = Thread(target=live)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def state(self, run: UUID) -> Json:
        found: Json = self._http.get(f"flow_runs/{run}").json()["state"]
        return found

    def log(self, run: UUID, message: str) -> None:
        timestamp = datetime.now(UTC).isoformat()
        entry = {"name": "x", "level": 20, "message": message, "timestamp": timestamp, "flow_run_id": str(run)}
        self._post("logs/", [entry])

    def heard(self, *runs: UUID) -> bool:
        """Whether a heartbeat of each is kept."""
        return all(self.count("events WHERE resource_id = %s", f"prefect.flow-run.{run}") for run in runs)

    def sql(self, statement: str, *values: object) -> list[Any]:
        with closing(psycopg2.connect(self._stack.postgres.url("prefect"))) as connection, connection:
            cursor = connection.cursor()
            cursor.execute(statement, [str(value) if isinstance(value, UUID) else value for value in values])
            return cursor.fetchall() if cursor.description else []

    def count(self, of: str, *values: object) -> int:
        return int(self.sql(f"SELECT count(*) FROM {of}", *values)[0][0])  # noqa: S608  (the tests' own words)


def wait(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("prefect")
    stack = Stack(folder / "stack", any_ports=True)
    stack.start(["postgres"])
    environment = {**stack.environment("prefect-server"), **IN_SECONDS, **ORPHANS_IN_SECONDS}
    command = stack._program("prefect-server").command
    process = spawn(command, env=environment, log=folder / "prefect.log", cwd=ROOT)
    try:
        wait(lambda: answers(f"{stack.url('prefect-server')}/api/ready"), (folder / "prefect.log").read_text())
        with (
            temporary_settings({PREFECT_API_URL: f"{stack.url('prefect-server')}/api"}),
            httpx.Client(base_url=f"{stack.url('prefect-server')}/api/", timeout=30) as http,
        ):
            yield Server(stack, http)
    finally:
        process.stop(grace=15)
        stack.remove()


@pytest.fixture
def prefect(server: Server) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def test_only_a_run_that_is_under_way_by_its_state_is_taken_for_dead(
    server: Server, prefect: SyncPrefectClient
) -> None:
    own = server.run("RUNNING", begun=timedelta(0))
    done, dead, alive, behind, begun, apart = (
        server.run("COMPLETED"),
        server.run("RUNNING"),
        server.run("RUNNING"),
        server.run("RUNNING"),
        server.run("RUNNING", begun=timedelta(0)),
        server.run("RUNNING"),  # by hand, from a machine whose runs send no heartbeats
    )
    cancelling = server.run("CANCELLING")
    # a worker took both; one of them began to prepare them a while ago, and has died since
    orphan, taken = server.run("PENDING", begun=4 * SILENCE), server.run("PENDING", begun=2 * SILENCE)
    # that of the run that is done comes after its end, as of one that lasts a second
    server.beat(done, dead, alive, cancelling, ago=2 * SILENCE)
    server.beat(behind, ago=BEHIND + 2 * SILENCE)
    wait(lambda: server.heard(done, dead, alive, cancelling, behind), "the heartbeats of before")

    # the server was away: those that live are heard again only now
    with server.beating(own, alive, behind=behind):
        ended = end_silent(prefect, SILENCE, own, timedelta(seconds=15))

    assert {run.id for run in ended} == {dead, cancelling, orphan}
    looked_at = (done, dead, alive, behind, begun, apart, cancelling, orphan, taken, own)
    assert {run: server.state(run)["type"] for run in looked_at} == {
        done: "COMPLETED",
        dead: "CRASHED",
        alive: "RUNNING",
        behind: "RUNNING",
        begun: "RUNNING",
        apart: "RUNNING",
        cancelling: "CANCELLED",
        orphan: "CRASHED",
        taken: "PENDING",
        own: "RUNNING",
    }
    assert server.state(dead)["message"] == DIED


def test_while_no_heartbeats_arrive_nobody_is_taken_for_dead(server: Server, prefect: SyncPrefectClient) -> None:
    own, quiet = server.run("RUNNING", begun=timedelta(0)), server.run("RUNNING")
    server.beat(quiet, ago=2 * SILENCE)
    wait(lambda: server.heard(quiet), "the heartbeat of before")

    assert end_silent(prefect, SILENCE, own, timedelta(seconds=1)) == []
    assert server.state(quiet)["type"] == "RUNNING"


def test_of_what_a_schedule_planned_for_a_pause_the_newest_is_run(server: Server, prefect: SyncPrefectClient) -> None:
    daily, hourly = (server.create("deployments", flow_id=server.flow, name=name)["id"] for name in ("daily", "hourly"))
    ago = {days: datetime.now(UTC) - timedelta(days=days) for days in (3, 2, 1)}

    def planned(deployment: str, at: datetime, by_schedule: bool = True) -> UUID:
        due = {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}}
        found = server.create("flow_runs", flow_id=server.flow, deployment_id=deployment, state=due)
        server.sql("UPDATE flow_run SET auto_scheduled = %s WHERE id = %s", by_schedule, found["id"])
        return UUID(found["id"])

    of_daily = {days: planned(daily, at) for days, at in ago.items()}
    of_hourly = {days: planned(hourly, at) for days, at in ago.items() if days > 1}
    asked = planned(daily, ago[3], by_schedule=False)
    ahead = planned(daily, datetime.now(UTC) + timedelta(days=1))

    assert {run.id for run in skip_missed(prefect)} == {of_daily[3], of_daily[2], of_hourly[3]}
    states = {run: server.state(run)["type"] for run in (*of_daily.values(), *of_hourly.values(), asked, ahead)}
    assert {run for run, state in states.items() if state == "SCHEDULED"} == {of_daily[1], of_hourly[2], asked, ahead}
    assert server.state(of_daily[3])["message"] == MISSED
    assert skip_missed(prefect) == []


def aged(server: Server, run: UUID, days: float) -> None:
    server.sql("UPDATE flow_run SET end_time = end_time - %s WHERE id = %s", timedelta(days=days), run)


def test_what_ended_long_ago_goes_with_its_tasks_logs_and_artifacts_and_what_is_young_stays(server: Server) -> None:
    old, young = server.run("COMPLETED"), server.run("FAILED")
    unended = server.run("RUNNING", begun=timedelta(days=200))
    for run in (old, young, unended):
        server.create("task_runs", flow_run_id=str(run), task_key="t", dynamic_key="0", state={"type": "COMPLETED"})
        server.log(run, "said")
        server.create("artifacts", key="report", type="markdown", data=str(run), flow_run_id=str(run))
    server.create("artifacts", key="gone", type="markdown", data="x", flow_run_id=str(old))
    (task,) = server.sql("SELECT id FROM task_run WHERE flow_run_id = %s", old)[0]
    subflow = server.run("COMPLETED", parent_task_run_id=str(task))
    server.log(subflow, "said below")
    aged(server, young, 89)
    aged(server, subflow, 91)
    aged(server, old, 91)

    wait(lambda: server.count("flow_run WHERE id IN (%s, %s)", old, subflow) == 0, "old runs go")
    wait(lambda: server.count("artifact_collection WHERE key = 'gone'") == 0, "what names an old artifact goes")
    for table in ("task_run", "log", "artifact", "flow_run_state"):
        gone = server.count(f"{table} WHERE flow_run_id IN (%s, %s)", old, subflow)
        kept = [server.count(f"{table} WHERE flow_run_id = %s", run) for run in (young, unended)]
        assert (table, gone, kept) == (table, 0, [1, 1])
    assert server.count("artifact_collection WHERE key = 'report'") == 1


def test_old_events_go(server: Server) -> None:
    server.beat(uuid4(), ago=timedelta(days=6))
    wait(lambda: server.count("events WHERE occurred < now() - interval '5 days'") == 1, "an event of last week")
    server.sql("UPDATE events SET occurred = occurred - interval '2 days' WHERE occurred < now() - interval '5 days'")
    server.sql(
        "UPDATE event_resources SET occurred = occurred - interval '2 days' WHERE occurred < now() - interval '5 days'"
    )
    wait(lambda: server.count("events WHERE occurred < now() - interval '5 days'") == 0, "it goes")
    assert server.count("event_resources WHERE occurred < now() - interval '5 days'") == 0


def test_workers_that_are_gone_are_forgotten(server: Server) -> None:
    server.create("work_pools", name="pool", type="process")
    for name in ("ProcessWorker 1", "ProcessWorker 2"):
        server._post("work_pools/pool/workers/heartbeat", {"name": name, "heartbeat_interval_seconds": 30})
    server.sql("UPDATE worker SET last_heartbeat_time = now() - interval '2 days' WHERE name = 'ProcessWorker 1'")

    assert forget_workers(timedelta(days=1)) == 1
    assert server.sql("SELECT name FROM worker") == [("ProcessWorker 2",)]
