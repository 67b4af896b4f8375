"""The ledger and its lock, in a real Postgres."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from rollout_parties import World
from trainer.data.locking import KEY
from trainer.data.warehouse import Connection, connect
from trainer.rollout.change import Change, Kind
from trainer.rollout.errors import ChampionChanged, RolloutInProgress
from trainer.rollout.ledger import PostgresLedger
from trainer.rollout.lock import lock_of
from trainer.rollout.reconciliation import BY_HAND, DIED, DIED_AFTER, reconcile

MODEL = "trip-duration"


@pytest.fixture
def ledger(connection: Connection) -> PostgresLedger:
    return PostgresLedger(connection, MODEL)


def change(to: str, before: str | None = None, kind: Kind = "train") -> Change:
    return Change(kind, before, to, "flow run train/otter", "better", {"rmse": 5.1, "explained": None})


def served(ledger: PostgresLedger, *changes: Change) -> None:
    for made in changes:
        ledger.finish(ledger.begin(made), "done", None, {"swap": 0.5})


def end_backend(url: str, of: PostgresLedger) -> None:
    """The end of a driver, as Postgres sees it."""
    with connect(url) as other, other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", (of.connection.info.backend_pid,))


def test_a_rollout_is_told_from_its_begin_to_its_end(ledger: PostgresLedger) -> None:
    rollout = ledger.begin(change("2", "1"))
    ledger.note(rollout, {"stage": 1.25})
    (under_way,) = ledger.under_way()
    assert (under_way.id, under_way.outcome, under_way.steps, under_way.ended_at) == (
        rollout,
        "under way",
        {"stage": 1.25},
        None,
    )
    ledger.finish(rollout, "done", None, {"stage": 1.25, "swap": 0.5})

    (told,) = ledger.history()
    assert told.change == change("2", "1")
    assert (told.outcome, told.failure, told.steps) == ("done", None, {"stage": 1.25, "swap": 0.5})
    assert told.ended_at is not None
    assert told.ended_at >= told.begun_at
    assert ledger.under_way() == []
    assert ledger.latest_served() == "2"


def test_a_failure_keeps_its_reason_and_the_steps_that_were_done(ledger: PostgresLedger) -> None:
    rollout = ledger.begin(change("2", "1"))
    ledger.note(rollout, {"stage": 1.25})
    ledger.finish(rollout, "failed", "swap: replica 10.0.0.2: the lease isn't there")

    (told,) = ledger.history()
    assert (told.outcome, told.failure) == ("failed", "swap: replica 10.0.0.2: the lease isn't there")
    assert told.steps == {"stage": 1.25}
    assert ledger.latest_served() is None


def test_models_have_ledgers_of_their_own(ledger: PostgresLedger) -> None:
    served(ledger, change("1"))
    other = PostgresLedger(ledger.connection, "tip")
    served(other, change("9"))

    assert ledger.latest_served() == "1"
    assert [row.change.to_version for row in other.history()] == ["9"]


@pytest.mark.parametrize(
    ("history", "previous"),
    [
        ([], None),
        ([change("1")], None),
        ([change("1"), change("2", "1"), change("3", "2")], "2"),
        # who rolls back twice means the version before the one before
        ([change("1"), change("2", "1"), change("3", "2"), change("2", "3", "rollback")], "1"),
        # a version is good again once it was promoted again
        ([change("1"), change("2", "1"), change("1", "2", "rollback"), change("2", "1", "promote")], "1"),
        ([change("1"), change("2", "1"), change("1", "2", "rollback"), change("2", "1"), change("3", "2")], "2"),
    ],
)
def test_the_previous_good_version_is_the_last_that_was_not_rolled_back_from(
    ledger: PostgresLedger, history: list[Change], previous: str | None
) -> None:
    served(ledger, *history)
    ledger.finish(ledger.begin(change("8", ledger.latest_served())), "failed", "stage: damaged")

    found = ledger.good_before(ledger.latest_served())
    assert (found[0].change.to_version if found else None) == previous


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO rollouts (model, kind, to_version, actor, reason) VALUES ('m', 'whim', '1', 'a', 'r')",
        "INSERT INTO rollouts (model, kind, from_version, to_version, actor, reason)"
        " VALUES ('m', 'train', '1', '1', 'a', 'r')",
        "INSERT INTO rollouts (model, kind, to_version, actor, reason, outcome)"
        " VALUES ('m', 'train', '1', 'a', 'r', 'done')",
        "INSERT INTO rollouts (model, kind, to_version, actor, reason, outcome, ended_at)"
        " VALUES ('m', 'train', '1', 'a', 'r', 'failed', now() + interval '1 s')",
        "INSERT INTO rollouts (model, kind, to_version, actor, reason)"
        " VALUES ('m', 'train', '1', 'a', 'r'), ('m', 'train', '2', 'a', 'r')",
    ],
)
def test_a_row_that_makes_no_sense_is_refused_by_the_table(connection: Connection, statement: str) -> None:
    with connection.cursor() as cursor, pytest.raises(psycopg2.IntegrityError):
        cursor.execute(statement)
    connection.rollback()


def test_a_second_rollout_is_refused_at_once_or_after_the_time_that_it_would_wait(
    ledger: PostgresLedger, url: str
) -> None:
    with connect(url) as connection, ledger.locked(0):
        second = PostgresLedger(connection, MODEL)
        for seconds in (0, 0.2):
            with pytest.raises(RolloutInProgress, match="another rollout of trip-duration is under way"):
                second.locked(seconds).__enter__()
        with PostgresLedger(connection, "tip").locked(0):
            pass
    with connect(url) as connection, PostgresLedger(connection, MODEL).locked(0):
        pass


def test_who_waits_gets_the_lock_when_the_first_is_through(ledger: PostgresLedger, url: str) -> None:
    order: list[str] = []

    def second() -> None:
        with connect(url) as connection, PostgresLedger(connection, MODEL).locked(60):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with ledger.locked(0):
            waiting = pool.submit(second)
            until_waiting(url)
            order.append("first")
        waiting.result(timeout=60)
    assert order == ["first", "second"]


def until_waiting(url: str) -> None:
    """Until some backend waits for an advisory lock."""
    paused = threading.Event()
    with connect(url) as connection:
        connection.autocommit = True
        for _ in range(600):
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                if cursor.fetchone() != (0,):
                    return
            paused.wait(0.05)
    pytest.fail("nobody waits for the lock")


def test_the_lock_dies_with_its_connection_and_its_driver_hears_of_it(ledger: PostgresLedger, url: str) -> None:
    with ledger.locked(0):
        rollout = ledger.begin(change("2", "1"))
        end_backend(url, ledger)
        with connect(url) as connection, PostgresLedger(connection, MODEL).locked(0):
            pass
        with pytest.raises(psycopg2.OperationalError):
            ledger.note(rollout, {})


def test_any_program_names_the_same_lock(ledger: PostgresLedger, url: str) -> None:
    with ledger.locked(0), connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_lock({KEY})", (lock_of(MODEL),))
        assert cursor.fetchone() == (False,)


@pytest.mark.parametrize(
    ("champion", "outcome", "failure"), [("8", "done", DIED_AFTER), ("7", "failed", DIED), (None, "failed", DIED)]
)
def test_reconciliation_ends_what_a_dead_driver_left_by_what_the_alias_says(
    ledger: PostgresLedger, champion: str | None, outcome: str, failure: str
) -> None:
    served(ledger, change("7"))
    ledger.begin(change("8", "7", "promote"))
    world = World(champion)
    assert reconcile(world.aliases, ledger, lambda: world.replicas)

    assert (ledger.history()[0].outcome, ledger.history()[0].failure) == (outcome, failure)
    assert len(ledger.history()) == 2


def test_reconciliation_leaves_a_rollout_that_is_under_way(ledger: PostgresLedger, url: str) -> None:
    with connect(url) as connection, ledger.locked(0):
        ledger.begin(change("8", "7"))
        assert not reconcile(World("8").aliases, PostgresLedger(connection, MODEL), list)

        assert [row.outcome for row in ledger.history()] == ["under way"]


def test_an_alias_moved_by_hand_is_told_of_once(ledger: PostgresLedger) -> None:
    served(ledger, change("7"))
    world = World("5")
    for _ in range(2):
        assert reconcile(world.aliases, ledger, lambda: world.replicas)

    told = ledger.history()
    assert [(row.change.kind, row.change.from_version, row.change.to_version) for row in told] == [
        ("by hand", "7", "5"),
        ("train", None, "7"),
    ]
    assert (told[0].change.actor, told[0].outcome) == (BY_HAND, "done")


def test_two_rollouts_at_once_do_not_interleave(url: str) -> None:
    """Each alone: the second finds the first's row ended, and is told that the champion has changed."""
    world = World()

    def one(version: str) -> str:
        with connect(url) as connection:
            try:
                world.roll_out(version, ledger=PostgresLedger(connection, MODEL), wait=60)
            except ChampionChanged:
                return "refused"
            return "done"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(one, ["6", "8"]))
    with connect(url) as connection:
        told = PostgresLedger(connection, MODEL).history()
    assert sorted(outcomes) == ["done", "refused"]
    # the first row is of the champion that stood before there was a ledger
    assert [(row.change.kind, row.outcome) for row in told] == [("promote", "done"), ("by hand", "done")]
    assert world.served == [told[0].change.to_version] * 2
