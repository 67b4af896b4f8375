"""Requests that are wrong: every field that is, and what it takes."""

import json
from typing import Any

import pytest
from contract import Contract, InvalidInput, Rows
from contract.errors import BadJson, FieldProblem

GOOD = {"at": "2024-05-01T08:00:00", "station": 7, "sky": "clear", "season": "spring", "temperature": 18.5}


def problems(contract: Contract, **changes: Any) -> dict[str, FieldProblem]:
    row = {name: value for name, value in {**GOOD, **changes}.items() if value != "ABSENT"}
    with pytest.raises(InvalidInput) as caught:
        Rows(contract).parse(json.dumps(row).encode())
    return {problem.field: problem for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("field", "value", "problem", "allowed"),
    [
        ("station", "ABSENT", "is missing", "a whole number from 5 to 11"),
        ("station", None, "is null", "a whole number from 5 to 11"),
        ("station", 4, "is 4", "a whole number from 5 to 11"),
        ("station", 7.5, "is 7.5", "a whole number from 5 to 11"),
        ("station", True, "is True, a boolean", "a whole number from 5 to 11"),
        ("station", "7", "is '7', a text", "a whole number from 5 to 11"),
        ("season", "autumn", "is 'autumn'", "one of 'spring', 'summer'"),
        ("season", 1, "is 1, a number", "one of 'spring', 'summer'"),
        ("temperature", 50.5, "is 50.5", "a number from -40 to 50 (°C)"),
        ("temperature", "hot", "is 'hot', a text", "a number from -40 to 50 (°C)"),
        ("temperature", [1], "is [1], a list", "a number from -40 to 50 (°C)"),
        ("docks", 1.5, "is 1.5", "a whole number from 0 to 99"),
        ("docks", -1, "is -1", "a whole number from 0 to 99"),
        ("at", 1714550400, "is 1714550400, a number", "an ISO 8601 time"),
        ("at", "noon", "is 'noon', not a time", "an ISO 8601 time"),
        ("at", "2024-05-01T08:00:00Z", "is '2024-05-01T08:00:00Z', with an offset", "local time without offset"),
        ("at", "1800-01-01T00:00:00", "is '1800-01-01T00:00:00'", "from 1900-01-01T00:00:00"),
    ],
)
def test_a_wrong_value_is_refused_by_name_with_what_the_field_takes(
    bikes: Contract, field: str, value: Any, problem: str, allowed: str
) -> None:
    found = problems(bikes, **{field: value})

    assert list(found) == [field]
    assert found[field].problem == problem
    assert allowed in found[field].allowed


def test_all_wrong_fields_are_named_at_once(bikes: Contract) -> None:
    assert set(problems(bikes, station=99, temperature="ABSENT", season=3)) == {"station", "temperature", "season"}


def test_a_misspelt_field_is_refused_with_the_name_that_was_meant(bikes: Contract) -> None:
    assert problems(bikes, temprature=3)["temprature"].problem == (
        "is not a field of this model; did you mean 'temperature'?"
    )


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_what_is_not_a_finite_number_is_refused(bikes: Contract, literal: bytes) -> None:
    body = json.dumps(GOOD).encode().replace(b"18.5", literal)
    with pytest.raises(InvalidInput, match=r"temperature is .*not a finite number"):
        Rows(bikes).parse(body)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"null", b'"text"', b"\xff\xfe", b'{"at": "\xc3"}'])
def test_a_body_that_is_no_json_object_is_refused(bikes: Contract, body: bytes) -> None:
    with pytest.raises(BadJson):
        Rows(bikes).parse(body)


def test_optional_fields_may_be_absent_or_null(bikes: Contract) -> None:
    assert Rows(bikes).parse(json.dumps({**GOOD, "docks": None, "felt": None}).encode())["docks"] is None


def test_a_whole_number_may_be_written_with_a_decimal_point(bikes: Contract) -> None:
    assert Rows(bikes).parse(json.dumps({**GOOD, "docks": 4.0}).encode())["docks"] == 4


def test_a_batch_names_the_row(bikes: Contract) -> None:
    body = json.dumps({"rows": [GOOD, {**GOOD, "station": 1}]}).encode()
    with pytest.raises(InvalidInput) as caught:
        Rows(bikes).parse_batch(body)

    assert [(problem.row, problem.field) for problem in caught.value.problems] == [(1, "station")]


@pytest.mark.parametrize("body", [b"{}", b'{"rows": []}', b'{"rows": 3}', b'{"rows": [1]}', b'{"rows": [{}], "x": 1}'])
def test_a_batch_without_a_list_of_rows_is_refused(bikes: Contract, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        Rows(bikes).parse_batch(body)


def test_a_batch_with_thousands_of_problems_lists_a_hundred(bikes: Contract) -> None:
    body = json.dumps({"rows": [{**GOOD, "station": 1}] * 5000}).encode()
    with pytest.raises(InvalidInput) as caught:
        Rows(bikes).parse_batch(body)

    assert len(caught.value.problems) == 100
