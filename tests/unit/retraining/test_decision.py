"""When an alarm may begin a training."""

from datetime import UTC, datetime, timedelta

import pytest
from trainer.data.months import Month
from trainer.retraining.alarm import Alarm, as_range, newest_months
from trainer.retraining.decision import Outcome, Retraining, may_retrain

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)
COOL_DOWN = timedelta(hours=6)


def past(hours: float, outcome: Outcome = "promoted", number: int = 1) -> Retraining:
    return Retraining(number, outcome, "whatever", NOW - timedelta(hours=hours))


@pytest.mark.parametrize(
    "history",
    [
        [],
        [past(6)],
        [past(24), past(7)],
        [past(0.1, "held back"), past(1, "held back"), past(2, "held back")],
    ],
)
def test_a_retraining_may_begin(history: list[Retraining]) -> None:
    assert may_retrain(history, NOW, COOL_DOWN, daily_limit=2) is None


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ([past(50, "under way", 7)], "retraining 7 is under way since 2026-03-06 10:00+00:00"),
        ([past(5.9), past(0.5, "held back")], "began at 2026-03-08 06:06+00:00: the cool-down is 6 h"),
        ([past(1, "failed")], "the cool-down is 6 h"),
        ([past(1, "refused")], "the cool-down is 6 h"),
        ([past(7, number=2), past(23.9, number=1)], "2 retrainings began within 24 hours, of at most 2"),
    ],
)
def test_a_retraining_is_held_back_and_says_why(history: list[Retraining], reason: str) -> None:
    for order in (history, history[::-1]):
        refusal = may_retrain(order, NOW, COOL_DOWN, daily_limit=2)
        assert refusal is not None
        assert reason in refusal.reason


def test_without_a_cool_down_only_the_limit_counts() -> None:
    assert may_retrain([past(0)], NOW, timedelta(0), daily_limit=2) is None
    assert may_retrain([], NOW, timedelta(0), daily_limit=0) is not None


@pytest.mark.parametrize(
    ("loaded", "most", "expected"),
    [
        (["2021-01", "2021-02", "2023-01"], 2, "2023-01"),
        (["2022-11", "2022-12", "2023-01"], 2, "2022-12..2023-01"),
        (["2022-12", "2023-01"], 1, "2023-01"),
    ],
)
def test_the_newest_months_are_those_without_a_gap(loaded: list[str], most: int, expected: str) -> None:
    assert as_range(newest_months([Month.parse(month) for month in loaded], most)) == expected


def test_an_empty_warehouse_has_no_newest_months() -> None:
    assert newest_months([], 2) == []


def test_an_alarm_reads_what_the_event_says_and_names_the_worst_field_first() -> None:
    payload = {
        "version": "3",
        "fields": {"trip_distance": 0.31, "pu_location_id": 1.2},
        "since": "2026-03-01T00:00:00Z",
        "until": "2026-03-08T00:00:00Z",
        "monitoring": 12,
        "more": "is let be",
    }

    said = "predictions of 2026-03-01 to 2026-03-08: pu_location_id (PSI 1.20), trip_distance (PSI 0.31)"
    assert str(Alarm.model_validate(payload)) == said
    assert str(Alarm()) == "without particulars"
