"""Which months train and which one judges."""

from datetime import datetime

import pytest
from trainer.data.errors import NotAMonth
from trainer.data.months import Month
from trainer.flows.plan import Holdout, Judging, NoPlan, plan_judging, plan_months


@pytest.mark.parametrize(
    ("months", "holdout", "expected"),
    [
        ("2021-01", None, "2021-01 → 2021-02"),
        ("2021-11..2021-12", None, "2021-11..2021-12 → 2022-01"),
        ("2021-01", "2023-01", "2021-01 → 2023-01"),
        (None, "2021-03", "2021-01..2021-02 → 2021-03"),
    ],
)
def test_what_is_not_named_is_what_one_expects(months: str | None, holdout: str | None, expected: str) -> None:
    assert str(plan_months(months, holdout, last=2)) == expected


@pytest.mark.parametrize(
    ("months", "holdout", "expected"),
    [
        ("2023-01", None, "2023-01 → 2023-01-25..2023-01-31"),
        ("2022-11..2023-01", "2023-01", "2022-11..2023-01 → 2023-01-25..2023-01-31"),
        (None, "2021-03", "2021-02..2021-03 → 2021-03-25..2021-03-31"),
    ],
)
def test_the_last_days_of_the_newest_training_month_may_judge(
    months: str | None, holdout: str | None, expected: str
) -> None:
    plan = plan_months(months, holdout, last=2, holdout_days=7)

    assert str(plan) == expected
    assert plan.months == list(plan.training)


def test_days_that_judge_begin_at_midnight() -> None:
    assert Holdout(Month(2024, 2), 10).start == datetime(2024, 2, 20)
    assert Holdout(Month(2024, 2)).start == datetime(2024, 2, 1)


def test_days_and_another_month_can_t_both_judge() -> None:
    with pytest.raises(NoPlan, match="the last 7 days of 2023-01 are the holdout: 2023-02"):
        plan_months("2023-01", "2023-02", last=2, holdout_days=7)


@pytest.mark.parametrize(("months", "holdout"), [("2021-02", "2021-02"), ("2021-01..2021-03", "2021-02")])
def test_a_holdout_that_training_has_seen_is_refused(months: str, holdout: str) -> None:
    with pytest.raises(NoPlan, match=f"the holdout {holdout} must come after"):
        plan_months(months, holdout, last=2)


def test_a_plan_of_nothing_is_refused() -> None:
    with pytest.raises(NoPlan):
        plan_months(None, None, last=2)


def test_a_month_that_is_none_is_named() -> None:
    with pytest.raises(NotAMonth, match="2021-13"):
        plan_months("2021-13", None, last=2)


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
