"""Months as parameters, ranges and bounds."""

from datetime import date, datetime

import pytest
from pydantic import TypeAdapter, ValidationError
from trainer.data.errors import NotAMonth
from trainer.data.months import Month, MonthsText, MonthText, as_ranges, last_months, parse_months


@pytest.mark.parametrize(
    "text", ["2021-13", "2021-00", "2021-1", "21-01", "2021/01", "2021-01-01", "", " 2021-01", "2021-01\n"]
)
def test_what_is_no_month_is_refused_by_parser_and_parameter_alike(text: str) -> None:
    with pytest.raises(NotAMonth, match="not a month"):
        Month.parse(text)
    with pytest.raises(ValidationError):
        TypeAdapter(MonthText).validate_python(text)


def test_a_month_is_written_as_it_is_parsed() -> None:
    assert str(Month.parse("2021-02")) == "2021-02"
    assert TypeAdapter(MonthText).validate_python("2021-02") == "2021-02"


def test_years_end_between_december_and_january() -> None:
    assert Month(2020, 12).next() == Month(2021, 1)
    assert Month(2021, 1).previous() == Month(2020, 12)
    assert Month(2021, 3).plus(-15) == Month(2019, 12)
    assert Month(2020, 12).end == Month(2021, 1).start == datetime(2021, 1, 1)


def test_bounds_hold_the_leap_day() -> None:
    assert (Month(2024, 2).end - Month(2024, 2).start).days == 29
    assert Month.of(date(2024, 2, 29)).first_day == date(2024, 2, 1)


def test_a_range_has_both_its_ends() -> None:
    assert parse_months("2020-11..2021-02") == [Month(2020, 11), Month(2020, 12), Month(2021, 1), Month(2021, 2)]
    assert parse_months("2020-11..2020-11") == [Month(2020, 11)]


def test_several_texts_give_each_month_once_and_in_order() -> None:
    assert parse_months(["2021-03", "2021-01..2021-02", "2021-02"]) == [Month(2021, n) for n in (1, 2, 3)]


@pytest.mark.parametrize("text", ["2021-02..2021-01", "2021-01..", "..2021-01", "2021-01...2021-02"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(NotAMonth):
        parse_months(text)


def test_a_range_may_be_a_parameter() -> None:
    assert TypeAdapter(MonthsText).validate_python("2021-01..2021-03")
    with pytest.raises(ValidationError):
        TypeAdapter(MonthsText).validate_python("2021-01..2021-3")


def test_months_are_written_as_ranges_with_their_gaps() -> None:
    months = [Month(2020, 12), Month(2021, 1), Month(2021, 3), Month(2023, 1), Month(2023, 2)]
    assert as_ranges(months) == "2020-12..2021-01, 2021-03, 2023-01..2023-02"


def test_the_last_months_end_with_the_newest() -> None:
    assert last_months(Month(2021, 1), 3) == [Month(2020, 11), Month(2020, 12), Month(2021, 1)]
