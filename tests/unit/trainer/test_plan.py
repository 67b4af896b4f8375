"""Which months train and which one judges."""

import pytest
from trainer.data.errors import NotAMonth
from trainer.flows.plan import NoPlan, plan_months


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
