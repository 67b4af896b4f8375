"""Retrainings whose training can't say how it ended, in a real PostgreSQL."""

from contextlib import nullcontext
from datetime import timedelta

import pytest
from memory_prefect import MemoryPrefect, ago
from prefect.client.schemas.objects import State
from prefect.states import AwaitingRetry, Cancelled, Completed, Crashed, Failed, Pending, Running
from trainer.data.warehouse import Connection
from trainer.flows import reconcile as module
from trainer.flows.reconcile import _settle_retraining
from trainer.retraining.decision import Retraining
from trainer.retraining.history import PostgresRetrainings

pytestmark = pytest.mark.thorough


@pytest.fixture
def retrainings(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> PostgresRetrainings:
    monkeypatch.setattr(module, "connected_warehouse", lambda: nullcontext(connection))
    return PostgresRetrainings(connection, "trip-duration")


@pytest.fixture
def prefect() -> MemoryPrefect:
    return MemoryPrefect("train/trip-duration")


def begun(retrainings: PostgresRetrainings, minutes_ago: float) -> int:
    """A retraining that is under way; its number."""
    begun = retrainings.decide("roundhouse.model.drifted", {}, {}, "a test", timedelta(0), 9)
    assert begun.outcome == "under way"
    with retrainings.connection as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE retrainings SET decided_at = %s WHERE id = %s", (ago(minutes_ago / 60), begun.id))
    return begun.id


def settled(retrainings: PostgresRetrainings, prefect: MemoryPrefect) -> Retraining:
    _settle_retraining("trip-duration", prefect.client)
    (found,) = retrainings.history()
    return found


@pytest.mark.parametrize(
    "state",
    [
        Crashed(message="no heartbeats"),
        Failed(message="out of memory"),
        Cancelled(message="by a person"),
        Completed(message="it couldn't say so itself"),
    ],
    ids=lambda state: state.name,
)
def test_a_retraining_whose_training_is_over_has_failed_and_says_how(
    retrainings: PostgresRetrainings, prefect: MemoryPrefect, state: State
) -> None:
    number = begun(retrainings, minutes_ago=5)
    prefect.move(prefect.begin({"retraining": number}, created=ago(0.05)), state)
    found = settled(retrainings, prefect)

    assert (found.outcome, found.reason) == ("failed", f"its training ended as {state.name}: {state.message}")
    assert retrainings.under_way() is None


@pytest.mark.parametrize("state", [Pending(), Running(), AwaitingRetry()], ids=lambda state: state.name)
def test_a_retraining_whose_training_goes_on_is_under_way(
    retrainings: PostgresRetrainings, prefect: MemoryPrefect, state: State
) -> None:
    number = begun(retrainings, minutes_ago=300)
    prefect.crash(prefect.begin({"retraining": number}, created=ago(4)), ago(3))
    prefect.move(prefect.begin({"retraining": number}, created=ago(2)), state)

    assert settled(retrainings, prefect).outcome == "under way"


@pytest.mark.parametrize(("minutes_ago", "outcome"), [(9, "under way"), (11, "failed")])
def test_a_retraining_whose_training_never_began_has_failed_after_ten_minutes(
    retrainings: PostgresRetrainings, prefect: MemoryPrefect, minutes_ago: float, outcome: str
) -> None:
    number = begun(retrainings, minutes_ago)
    # of another retraining, and of none
    prefect.begin({"retraining": number + 1}, created=ago(0.1))
    prefect.begin({"months": "2021-01"}, created=ago(0.1))
    found = settled(retrainings, prefect)

    assert found.outcome == outcome
    if outcome == "failed":
        assert found.reason == "no training began: is the automation paused?"


def test_where_no_retraining_is_under_way_nothing_is_settled(
    retrainings: PostgresRetrainings, prefect: MemoryPrefect
) -> None:
    number = begun(retrainings, minutes_ago=300)
    retrainings.end(number, "refused", "version 4: not better")
    found = settled(retrainings, prefect)

    assert (found.outcome, found.reason) == ("refused", "version 4: not better")
