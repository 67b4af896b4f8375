"""Which rows judge, and what the others are learnt from."""

import random
from collections.abc import Callable, Sequence
from datetime import date, datetime

import pyarrow as pa
import pytest
from trainer.usecase.declaration import Declaration
from trainer.usecase.periods import NotAPeriod, Period, select
from trainer.usecase.planning import NoPlan, plan
from trainer.usecase.splitting import ordered, split_by_key

Change = Callable[..., Declaration]


def table(ids: Sequence[int]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "at": [datetime(2024, 5, 1 + number % 28) for number in ids],
            "station": [f"s{number % 50}" for number in ids],
            "temperature": [None if number % 7 == 0 else number / 3 for number in ids],
            "bikes": pa.array(ids, pa.int64()),
            "per_bike": [0.1] * len(ids),
        }
    )


@pytest.fixture
def whole(declare: Change) -> Declaration:
    return declare("period: month", "period: all")


def judges(declaration: Declaration, ids: Sequence[int]) -> set[int]:
    return set(split_by_key(declaration, table(ids))[1]["id"].to_pylist())


def test_a_row_stays_on_its_side_whatever_rows_come(whole: Declaration) -> None:
    before = judges(whole, range(2_000))
    assert 0.17 < len(before) / 2_000 < 0.23
    shuffled = random.Random(1).sample(range(5_000), 5_000)  # noqa: S311  (the same each time)
    assert {number for number in judges(whole, shuffled) if number < 2_000} == before


def test_sides_are_these_for_ever(whole: Declaration) -> None:
    # a model that was trained by an older release must not be judged on what it has learnt from
    assert sorted(judges(whole, range(20))) == [2, 6, 17, 18]


def test_without_a_key_the_content_decides(declare: Change) -> None:
    declaration = declare("period: month", "period: all", "  key: [id]\n", "")
    assert 150 < len(judges(declaration, range(1_000))) < 250


def test_rows_of_a_group_stay_together(declare: Change) -> None:
    declaration = declare("period: month", "period: all", "  key: [id]\n", "  key: [id]\n  group: [station]\n")
    training, holdout = split_by_key(declaration, table(range(1_000)))
    assert not set(training["station"].to_pylist()) & set(holdout["station"].to_pylist())


def test_rows_are_in_the_order_of_time_or_in_one_that_says_nothing(declare: Change, whole: Declaration) -> None:
    rows = table(range(500))
    by_time = ordered(declare(), rows)["at"].to_pylist()
    assert by_time == sorted(by_time)
    by_key = ordered(whole, rows)["id"].to_pylist()
    assert sorted(by_key) == list(range(500))
    assert by_key != list(range(500))


def months(**rows: int) -> dict[Period, int]:
    return {Period.parse(name.replace("_", "-")[1:], "month"): count for name, count in rows.items()}


def test_the_newest_period_judges_and_those_before_train() -> None:
    found = plan(months(m2024_01=900, m2024_02=900, m2024_04=900, m2024_05=900), last=2, holdout=1)
    assert str(found) == "2024-02..2024-04 → 2024-05"
    assert found.left_out == []


def test_a_period_that_has_only_begun_neither_trains_nor_judges() -> None:
    found = plan(months(m2024_03=900, m2024_04=900, m2024_05=100), last=12, holdout=1)
    assert (str(found), [*map(str, found.left_out)]) == ("2024-03 → 2024-04", ["2024-05"])
    # where there are no others, it must do
    assert str(plan(months(m2024_04=900, m2024_05=100), last=12, holdout=1)) == "2024-04 → 2024-05"


def test_periods_that_wrong_clocks_make_neither_train_nor_judge() -> None:
    found = plan(months(m2024_03=900, m2024_04=900, m2024_05=800, m2031_01=2, m2098_12=1), last=12, holdout=1)
    assert (str(found), [*map(str, found.left_out)]) == ("2024-03..2024-04 → 2024-05", ["2031-01", "2098-12"])
    begun = plan(months(m2024_03=900, m2024_04=900, m2024_05=9, m2098_12=1), last=12, holdout=1)
    assert (str(begun), [*map(str, begun.left_out)]) == ("2024-03 → 2024-04", ["2024-05", "2098-12"])


@pytest.mark.parametrize("rows", [{}, {"m2024_01": 900}, {"m2024_01": 900, "m2024_02": 0}])
def test_one_period_is_too_few(rows: dict[str, int]) -> None:
    with pytest.raises(NoPlan, match="2 periods with rows are needed"):
        plan(months(**rows), last=2, holdout=1)


def test_periods_are_written_and_read() -> None:
    for text, kind, first in (
        ("2024-02-29", "day", date(2024, 2, 29)),
        ("2024-W01", "week", date(2024, 1, 1)),
        ("2020-W53", "week", date(2020, 12, 28)),
        ("2024-12", "month", date(2024, 12, 1)),
    ):
        period = Period.parse(text, kind)  # type: ignore[arg-type]
        assert (period.first_day, str(period)) == (first, text)
        assert Period.of(first, kind) == period  # type: ignore[arg-type]
    for text, kind in (
        ("2023-02-29", "day"),
        ("2023-W53", "week"),
        ("2024-13", "month"),
        ("2024-1", "month"),
        ("٢٠٢٤-01", "month"),
    ):
        with pytest.raises(NotAPeriod, match=kind):
            Period.parse(text, kind)  # type: ignore[arg-type]


def test_a_range_names_the_periods_that_are_there() -> None:
    there = sorted(months(m2024_01=1, m2024_02=1, m2024_05=1))
    assert [str(period) for period in select(there, ["2024-02..2024-06", "2023-01"], "month")] == [
        "2023-01",
        "2024-02",
        "2024-05",
    ]
    with pytest.raises(NotAPeriod):
        select(there, ["2024-06..2024-02"], "month")
