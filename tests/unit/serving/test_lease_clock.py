"""A lease, while somebody sets the time."""

import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from serving import state
from serving.state import State, StateFile


@pytest.mark.parametrize("jump", [timedelta(days=100), timedelta(hours=1), -timedelta(hours=1)])
def test_a_clock_that_is_set_ends_no_lease_and_keeps_none(monkeypatch: pytest.MonkeyPatch, jump: timedelta) -> None:
    leased = State(generation=2, entry="2", version="2").leased(State(generation=1, entry="1", version="1"), 60)

    class Set(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + jump

    monkeypatch.setattr(state, "datetime", Set)
    assert leased.lease is not None
    assert 59 < leased.lease.seconds_left <= 60
    passed = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: passed)
    assert leased.lease.ended


def test_the_lease_of_an_older_version_s_file_has_ended_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(
        '{"generation": 7, "entry": "b", "version": "2", "previous": "a", "followed": "b", "lease":'
        ' {"until": "2999-01-01T00:00:00Z", "entry": "a", "version": "1", "followed": "a"}}'
    )
    found = StateFile(path).read()
    assert (found.generation, found.version) == (7, "2")
    assert found.lease is not None
    assert (found.lease.version, found.lease.ended) == ("1", True)
