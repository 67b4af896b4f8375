"""Past events played against a real service, whose log shows what arrived."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import psycopg2
import pytest
from embedded import postgres
from trainer.replay.player import Event, Player, PlayFailed

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(200)]

MODEL = "replay-demand"
START = datetime(2021, 2, 1, 8)


def event(minute: int, lasts: int = 10, station: int = 7) -> Event:
    asked_at = START + timedelta(minutes=minute)
    row = {"at": asked_at.isoformat(), "station": station, "temperature": 18.5, "docks": 20}
    return Event(asked_at, json.dumps(row).encode(), asked_at + timedelta(minutes=lasts), float(minute))


def ask(url: str, query: str) -> list[Any]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_events_are_asked_for_in_order_and_their_outcomes_told_once_they_are_known(
    server: postgres.Server, url: str, start_serving: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    warehouse = server.url("serving", url.rpartition("/")[2])
    replica = start_serving(MODEL, SERVING_WAREHOUSE_URL=warehouse)
    player = Player(replica.url, speed=60_000)
    player.play([event(minute) for minute in range(300)])
    assert (player.played.predictions, player.played.outcomes) == (300, 290)
    player.play([event(300)])
    assert (player.played.predictions, player.played.outcomes) == (301, 291)
    player.tell_rest()
    assert player.played.outcomes == 301
    wait_until(lambda: len(ask(url, "SELECT 1 FROM judged")) == 301, 60, "all arrive")
    order = [minute for (minute,) in ask(url, "SELECT actual FROM judged ORDER BY at")]
    # several connections ask at once, and one may be held up
    assert all(abs(place - minute) < 60 for place, minute in enumerate(order))
    assert ask(url, "SELECT min(fields->>'at') FROM predictions") == [(START.isoformat(),)]


def test_time_runs_as_fast_as_it_is_told(start_serving: Callable[..., Any], server: postgres.Server, url: str) -> None:
    replica = start_serving(MODEL, SERVING_WAREHOUSE_URL=server.url("serving", url.rpartition("/")[2]))
    begun = time.monotonic()
    Player(replica.url, speed=60 * 60).play([event(0), event(60)])
    assert time.monotonic() - begun >= 1


def test_a_service_that_refuses_or_is_away_is_said_so(
    start_serving: Callable[..., Any], server: postgres.Server, url: str
) -> None:
    replica = start_serving(MODEL, SERVING_WAREHOUSE_URL=server.url("serving", url.rpartition("/")[2]))
    broken = Event(START, b'{"at": 7}', START, 1.0)
    with pytest.raises(PlayFailed, match=r"/predict: status 422: .*invalid-input"):
        Player(replica.url, speed=1e9).play([broken])
    replica.stop()
    with pytest.raises(PlayFailed, match=r"/predict: .*refused"):
        Player(replica.url, speed=1e9).play([event(0)])
