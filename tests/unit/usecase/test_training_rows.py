"""Rows that a model learns from, and what its features learn."""

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from contract.operations import Lookup
from trainer.usecase.cleaning import clean
from trainer.usecase.contracts import fit_contract
from trainer.usecase.declaration import Declaration
from trainer.usecase.judging import holdout_of

Change = Callable[..., Declaration]


def table(**columns: object) -> pa.Table:
    given = {
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "at": pa.array([datetime(2024, 5, day, 8) for day in (1, 2, 3, 4)], pa.timestamp("us")),
        "station": pa.array(["north", "south", "west", None]),
        "temperature": pa.array([18.5, None, 7.0, 9.0]),
        "bikes": pa.array([3, 5, 7, 9], pa.int64()),
        "per_bike": pa.array([1.0, None, 1.0, 1.0]),
    }
    return pa.table({**given, **columns})


def kept(declaration: Declaration, rows: pa.Table) -> tuple[list[int], dict[str, int]]:
    found, left_out = clean(declaration, rows)
    return found["id"].to_pylist(), left_out


def test_an_unknown_category_counts_as_missing_and_a_missing_one_is_left_out_where_it_is_required(
    declare: Change,
) -> None:
    assert kept(declare(), table()) == ([1, 2, 3], {"station_not_allowed": 1})
    optional = declare("values: [north, south, no]", "required: false, values: [north, south, no]")
    assert kept(optional, table()) == ([1, 2, 3, 4], {})
    strict = declare("values: [north, south, no]", "required: false, unknown: reject, values: [north, south, no]")
    assert kept(strict, table()) == ([1, 2, 4], {"station_not_allowed": 1})


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"temperature": pa.array([18.5, None, 7.0, -41.0])}, "temperature_not_allowed"),
        ({"bikes": pa.array([3, 5, 7, None], pa.int64())}, "target_missing"),
        ({"bikes": pa.array([3, 5, 7, -1], pa.int64())}, "target_below_minimum"),
        ({"bikes": pa.array([3, 5, 7, 0], pa.int64())}, "closed"),
    ],
)
def test_a_row_is_left_out_for_the_first_reason(declare: Change, columns: dict[str, pa.Array], reason: str) -> None:
    rows = table(station=pa.array(["north", "south", "west", "no"]), **columns)
    assert kept(declare(), rows) == ([1, 2, 3], {reason: 1})


def test_booleans_are_numbers_or_texts_as_their_fields_are(declare: Change) -> None:
    text = declare("station: {type: text}", "station: {type: boolean}", "[north, south, no]", '["true", "false"]')
    number = declare(
        "station: {type: text}",
        "station: {type: boolean}",
        "{type: category, values: [north, south, no]}",
        "{type: integer}",
    )
    rows = table(station=pa.array([True, False, True, None]))
    assert clean(text, rows)[0]["station"].to_pylist() == ["true", "false", "true"]
    assert clean(number, rows)[0]["station"].to_pylist() == [1, 0, 1]


def test_features_are_made_of_every_field_and_learn_from_the_given_rows_alone(declare: Change) -> None:
    declaration = declare("values: [north, south, no]", "values: [north, south, no, west]")
    rows, _ = clean(declaration, table())
    contract = fit_contract(declaration, rows)
    assert [feature.name for feature in contract.features] == [
        "at_month",
        "at_weekday",
        "at_minute",
        "station",
        "station_mean",
        "temperature",
    ]
    (learnt,) = [feature for feature in contract.features if isinstance(feature, Lookup)]
    # five rows' weight of the median of all, 5
    assert learnt.table == [round((3 + 25) / 6, 6), 5.0, 5.0, round((7 + 25) / 6, 6)]
    less = fit_contract(declaration, rows.slice(0, 1))
    assert less.features != contract.features
    assert contract.matrix(rows).shape == (3, 6)


def test_dates_without_hours_give_no_minute(declare: Change) -> None:
    rows = table(at=pa.array([datetime(2024, 5, day) for day in (1, 2, 3, 4)], pa.timestamp("us")))
    names = [feature.name for feature in fit_contract(declare(), clean(declare(), rows)[0]).features]
    assert "at_minute" not in names
    assert "at_weekday" in names


def test_names_of_features_are_plain_and_distinct_whatever_the_columns_are_called(declare: Change) -> None:
    declaration = declare(
        "temperature / bikes", "bikes * 2", "temperature > 60", "bikes > 60", "temperature", "T °C", "station", "t.c[1]"
    )
    rows = table().rename_columns({"temperature": "T °C", "station": "t.c[1]"})
    contract = fit_contract(declaration, clean(declaration, rows)[0])
    assert [feature.name for feature in contract.features] == ["at_month", "at_weekday", "at_minute", "t_c_1", "t_c"]
    row = {"at": datetime(2024, 5, 1, 8), "t.c[1]": "north", "T °C": 18.5}
    assert contract.row(row).tolist() == [[5.0, 2.0, 480.0, 0.0, 18.5]]


def test_listed_features_are_those(declare: Change) -> None:
    declaration = declare(
        "fields:",
        "features: [{op: hour, name: h, field: at}, {op: target_mean, name: m, field: station, prior: 0}]\nfields:",
    )
    contract = fit_contract(declaration, clean(declaration, table())[0])
    assert [feature.op for feature in contract.features] == ["hour", "lookup"]
    assert contract.features[1].table == [3.0, 5.0, None]  # type: ignore[union-attr]


def test_the_holdout_is_cut_by_the_declared_slices_and_has_the_mean_beside_it(declare: Change) -> None:
    declaration = declare("fields:", "judge: {slices: [station]}\nfields:")
    rows, _ = clean(declaration, table())
    found = holdout_of(declaration, rows.slice(0, 2), rows)
    assert found.slices == {"station": ["north", "south", "west"]}
    assert found.baselines["the mean"].tolist() == [4.0, 4.0, 4.0]
    assert found.inputs["temperature"][0] == 18.5
    assert np.isnan(found.inputs["temperature"][1])
