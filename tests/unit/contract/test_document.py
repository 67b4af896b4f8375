"""Contracts that can't be read: what is wrong, and where."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from contract import FORMAT_VERSION, Contract, Golden
from contract.errors import MalformedContract, MalformedGolden, NewerFormat

Document = dict[str, Any]


def changed(contract: Contract, change: Callable[[Document], object]) -> bytes:
    document = json.loads(contract.to_json())
    change(document)
    return json.dumps(document).encode()


def test_a_contract_survives_being_written_and_read(bikes: Contract) -> None:
    assert Contract.from_json(bikes.to_json()) == bikes


def test_the_digest_changes_with_any_word_of_the_contract(bikes: Contract) -> None:
    assert bikes.digest != bikes.model_copy(update={"description": "other"}).digest


def test_a_newer_format_says_which_is_read_here(bikes: Contract) -> None:
    text = changed(bikes, lambda document: document.update(format_version=FORMAT_VERSION + 1, invented="later"))
    with pytest.raises(NewerFormat, match=f"{FORMAT_VERSION + 1} is newer than {FORMAT_VERSION}"):
        Contract.from_json(text)


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        (lambda d: d.pop("format_version"), "format_version", "None"),
        (lambda d: d.update(fields=d["fields"] * 10_000), "fields", "at most 2000 items"),
        (lambda d: d.update(features=d["features"] * 10_000), "features", "at most 10000 items"),
        (lambda d: d.update(files={str(n): "" for n in range(17)}), "files", "at most 16 items"),
        (lambda d: d.update(format_version="1"), "format_version", "'1'"),
        (lambda d: d["fields"][2].pop("values"), "fields.2.category.values", "required"),
        (lambda d: d["fields"][2].update(values=[1, 1]), "fields.2.category", "repeat"),
        (lambda d: d["fields"][0].update(type="colour"), "fields.0", "colour"),
        (lambda d: d["fields"][0].update(default="2020-01-01"), "fields.0.timestamp", "no default"),
        (lambda d: d["features"][0].update(op="exec"), "features.0", "exec"),
        (lambda d: d["features"][0].update(field="nowhere"), "document", "reads 'nowhere', which is no field"),
        (lambda d: d["features"][3].update(field="sky"), "document", "hour doesn't work on the category 'sky'"),
        (lambda d: d["features"][-1]["table"].pop(), "document", "1 entries for 2 values"),
        (lambda d: d["features"].append(d["features"][0]), "document", "feature 'temperature' is defined twice"),
        (lambda d: d["fields"].append(d["fields"][0]), "document", "field 'at' is defined twice"),
        (lambda d: d.update(surprise=1), "surprise", "not permitted"),
    ],
)
def test_a_malformed_contract_says_what_and_where(
    bikes: Contract, change: Callable[[Document], object], where: str, problem: str
) -> None:
    with pytest.raises(MalformedContract) as caught:
        Contract.from_json(changed(bikes, change))

    assert caught.value.where == where
    assert problem in caught.value.problem


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\x80\x04pickle"])
def test_what_is_no_json_object_is_no_contract(text: bytes) -> None:
    with pytest.raises(MalformedContract, match="document"):
        Contract.from_json(text)


def test_the_interval_lies_around_the_prediction_and_not_below_the_minimum(bikes: Contract) -> None:
    assert bikes.output.around(10) == (6, 16)
    assert bikes.output.around(2) == (0, 8)
    assert bikes.output.around(-1) == (-1, 5)


@pytest.mark.parametrize("default", [[], {}, "", "1", True, 10**400, float("inf"), float("nan"), [1] * 10])
def test_a_default_is_a_value_of_the_field(bikes: Contract, default: object) -> None:
    def change(document: Document) -> None:
        for field in document["fields"]:
            if field["type"] in ("number", "integer"):
                field.update(required=False, default=default)

    with pytest.raises(MalformedContract, match=r"fields\."):
        Contract.from_json(changed(bikes, change))


def test_nesting_that_no_contract_has_is_malformed() -> None:
    with pytest.raises(MalformedContract, match="isn't JSON"):
        Contract.from_json(b"[" * 200_000)


@pytest.mark.parametrize(
    ("rows", "predictions", "problem"),
    [
        (300_000, 300_000, "rows: .*at most 10000 items"),
        (1, 300_000, "predictions: .*at most 10000 items"),
        (0, 0, "rows: "),
        (2, 1, "2 rows but 1 predictions"),
    ],
)
def test_golden_rows_are_few(rows: int, predictions: int, problem: str) -> None:
    text = json.dumps({"rows": [{}] * rows, "predictions": [0.0] * predictions})
    with pytest.raises(MalformedGolden, match=problem):
        Golden.from_json(text.encode())


def test_a_golden_prediction_is_finite() -> None:
    with pytest.raises(MalformedGolden, match=r"predictions\.0"):
        Golden.from_json(b'{"rows": [{}], "predictions": [1e999]}')
