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
        ("sky", "fog\x00", "is 'fog\\x00', with a null character", "a text"),
        ("temperature", 50.5, "is 50.5", "a number from -40 to 50 (°C)"),
        ("temperature", "hot", "is 'hot', a text", "a number from -40 to 50 (°C)"),
        ("temperature", [1], "is a list", "a number from -40 to 50 (°C)"),
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


LONG = " " * 20_000
"""Makes a body a long one."""


@pytest.mark.parametrize("padding", ["", LONG])
def test_of_many_problems_a_hundred_are_told_whatever_the_body_s_length(bikes: Contract, padding: str) -> None:
    rows: list[object] = [GOOD] * 3 + [{**GOOD, "temperature": "hot", "station": 99}, 5] * 200
    with pytest.raises(InvalidInput) as refusal:
        Rows(bikes).parse_batch((json.dumps({"rows": rows}) + padding).encode())
    told = [(found.row, found.field, found.problem) for found in refusal.value.problems]
    assert len(told) == 100
    assert told[:4] == [
        (3, "station", "is 99"),
        (3, "temperature", "is 'hot', a text"),
        (4, "rows", "has an entry that is not an object"),
        (5, "station", "is 99"),
    ]


def test_a_hundred_unknown_fields_of_many_are_told(bikes: Contract) -> None:
    many = {f"field{number}": 1 for number in range(50_000)}
    for body, parse in (({"rows": [many]}, Rows(bikes).parse_batch), (many, Rows(bikes).parse)):
        with pytest.raises(InvalidInput) as refusal:
            parse(json.dumps(body).encode())
        assert [found.field for found in refusal.value.problems] == [f"field{number}" for number in range(100)]


def test_a_long_value_is_refused_without_being_shown(bikes: Contract) -> None:
    row = {**GOOD, "temperature": [1] * 100_000}
    with pytest.raises(InvalidInput) as refusal:
        Rows(bikes).parse(json.dumps(row).encode())
    assert str(refusal.value) == "temperature is a list (allowed: a number from -40 to 50 (°C))"
    with pytest.raises(InvalidInput) as refusal:
        Rows(bikes).parse(json.dumps({**row, "temperature": "x" * 100_000}).encode())
    assert len(str(refusal.value)) < 200


def test_a_batch_of_too_many_rows_is_refused_before_they_are_looked_at(bikes: Contract) -> None:
    with pytest.raises(InvalidInput, match=r"rows has 9000 rows \(allowed: a list of 1 to 8999 row objects\)"):
        Rows(bikes).parse_batch(json.dumps({"rows": [{}] * 9000}).encode(), 8999)


def test_a_long_body_that_is_no_object_is_no_json_of_the_expected_kind(bikes: Contract) -> None:
    for parse in (Rows(bikes).parse, Rows(bikes).parse_batch):
        with pytest.raises(BadJson, match="not a JSON object"):
            parse(b"[" + b"1," * 20_000 + b"1]")
        with pytest.raises(BadJson, match="is not JSON"):
            parse(b"{" + b" " * 20_000)
    with pytest.raises(InvalidInput, match="rows is missing"):
        Rows(bikes).parse_batch(b"{" + b" " * 20_000 + b"}")
