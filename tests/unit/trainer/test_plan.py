"""Which months train and which one judges."""

from datetime import datetime

import pytest
from trainer.data.errors import NotAMonth, NothingPublished
from trainer.data.months import Month
from trainer.flows.plan import Holdout, Judging, NoPlan, plan_judging, plan_named, plan_newest


@pytest.mark.parametrize(
    ("months", "holdout", "expected"),
    [
        ("2021-01", None, "2021-01 → 2021-02"),
        ("2021-11..2021-12", None, "2021-11..2021-12 → 2022-01"),
        ("2021-01", "2023-01", "2021-01 → 2023-01"),
    ],
)
def test_without_a_holdout_the_next_month_judges(months: str, holdout: str | None, expected: str) -> None:
    assert str(plan_named(months, holdout)) == expected


AVAILABLE = [Month(2021, 1), Month(2021, 2), Month(2023, 1), Month(2023, 2), Month(2025, 1)]


def find(count: int, until: Month | None) -> list[Month]:
    """As a source with gaps does."""
    found = [month for month in AVAILABLE if until is None or month <= until]
    if not found:
        raise NothingPublished("here", f"month up to {until}")
    return found[-count:]


@pytest.mark.parametrize(
    ("last", "holdout", "days", "expected"),
    [
        (2, None, None, "2023-01..2023-02 → 2025-01"),
        (3, None, None, "2021-02, 2023-01..2023-02 → 2025-01"),
        (9, None, None, "2021-01..2021-02, 2023-01..2023-02 → 2025-01"),
        (2, "2023-01", None, "2021-01..2021-02 → 2023-01"),
        (1, None, 7, "2025-01 → 2025-01-25..2025-01-31"),
        (2, "2023-02", 7, "2023-01..2023-02 → 2023-02-22..2023-02-28"),
    ],
)
def test_what_isn_t_named_is_the_newest_that_the_source_has(
    last: int, holdout: str | None, days: int | None, expected: str
) -> None:
    plan = plan_newest(find, last, holdout, days)

    assert str(plan) == expected
    assert set(plan.training) <= set(AVAILABLE)


def test_without_a_month_to_train_on_there_is_no_plan() -> None:
    with pytest.raises(NothingPublished, match="month up to 2020-12"):
        plan_newest(find, 2, "2021-01")
    with pytest.raises(NoPlan, match="doesn't have 2021-03, whose last days"):
        plan_newest(find, 2, "2021-03", 7)


@pytest.mark.parametrize(
    ("months", "holdout", "expected"),
    [
        ("2023-01", None, "2023-01 → 2023-01-25..2023-01-31"),
        ("2022-11..2023-01", "2023-01", "2022-11..2023-01 → 2023-01-25..2023-01-31"),
    ],
)
def test_the_last_days_of_the_newest_training_month_may_judge(months: str, holdout: str | None, expected: str) -> None:
    plan = plan_named(months, holdout, holdout_days=7)

    assert str(plan) == expected
    assert plan.months == list(plan.training)


def test_days_that_judge_begin_at_midnight() -> None:
    assert Holdout(Month(2024, 2), 10).start == datetime(2024, 2, 20)
    assert Holdout(Month(2024, 2)).start == datetime(2024, 2, 1)


def test_days_and_another_month_can_t_both_judge() -> None:
    with pytest.raises(NoPlan, match="the last 7 days of 2023-01 are the holdout: 2023-02"):
        plan_named("2023-01", "2023-02", holdout_days=7)


@pytest.mark.parametrize(("months", "holdout"), [("2021-02", "2021-02"), ("2021-01..2021-03", "2021-02")])
def test_a_holdout_that_training_has_seen_is_refused(months: str, holdout: str) -> None:
    with pytest.raises(NoPlan, match=f"the holdout {holdout} must come after"):
        plan_named(months, holdout)


def test_a_month_that_is_none_is_named() -> None:
    with pytest.raises(NotAMonth, match="2021-13"):
        plan_named("2021-13", None)


JANUARY, FEBRUARY, APRIL = Month(2021, 1), Month(2021, 2), Month(2021, 4)


@pytest.mark.parametrize(
    ("loaded", "holdout", "expected"),
    [
        ([JANUARY, FEBRUARY], None, Judging(Holdout(FEBRUARY), JANUARY)),
        ([JANUARY, FEBRUARY, APRIL], None, Judging(Holdout(APRIL), None)),
        ([JANUARY, FEBRUARY, APRIL], "2021-02", Judging(Holdout(FEBRUARY), JANUARY)),
        ([JANUARY], None, Judging(Holdout(JANUARY), None)),
    ],
)
def test_a_registered_version_is_judged_on_the_newest_month_unless_one_is_named(
    loaded: list[Month], holdout: str | None, expected: Judging
) -> None:
    assert plan_judging(loaded, holdout) == expected


def test_a_version_that_held_days_back_is_judged_on_them_alone() -> None:
    days = Holdout(FEBRUARY, 7)

    assert plan_judging([JANUARY, FEBRUARY], None, days) == Judging(days, FEBRUARY)
    assert plan_judging([JANUARY, FEBRUARY, APRIL], None, days) == Judging(Holdout(APRIL), None)


@pytest.mark.parametrize(("loaded", "holdout"), [([], None), ([], "2021-02"), ([JANUARY], "2021-02")])
def test_a_month_that_is_not_loaded_judges_nothing(loaded: list[Month], holdout: str | None) -> None:
    with pytest.raises(NoPlan, match="run the flow ingest"):
        plan_judging(loaded, holdout)
