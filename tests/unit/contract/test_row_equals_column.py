"""One implementation for one request and for a training set: the same bits."""

import json
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from contract import Contract, Output, Rows
from contract.fields import Category
from contract.operations import CategoryCode, Lookup
from hypothesis import given, settings
from hypothesis import strategies as st

times = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 30))
numbers = st.floats(-1e37, 1e37, allow_nan=False)
rows = st.fixed_dictionaries(
    {
        "at": times,
        "station": st.integers(5, 11),
        "sky": st.sampled_from(["clear", "rain", "hail", ""]),
        "season": st.sampled_from(["spring", "summer"]),
        "temperature": st.floats(-40, 50) | st.integers(-40, 50).map(float),
    },
    optional={
        "announced_at": st.none() | times,
        "felt": st.none() | numbers | st.just(0.0),
        "docks": st.none() | st.integers(0, 99),
    },
)
SCHEMA = pa.schema(
    {
        "at": pa.timestamp("us"),
        "announced_at": pa.timestamp("us"),
        "station": pa.int64(),
        "sky": pa.string(),
        "season": pa.string(),
        "temperature": pa.float64(),
        "felt": pa.float64(),
        "docks": pa.int64(),
    }
)


def as_json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, default=datetime.isoformat).encode()


@settings(max_examples=300, deadline=None)
@given(many=st.lists(rows, min_size=1, max_size=9))
def test_a_request_gives_the_same_bits_as_its_row_in_a_column_batch(
    bikes: Contract, many: list[dict[str, Any]]
) -> None:
    validators = Rows(bikes)
    batch = bikes.matrix(pa.Table.from_pylist(many, SCHEMA))
    parsed = [validators.parse(as_json(row)) for row in many]
    single = np.concatenate([bikes.row(row) for row in parsed])

    assert batch.dtype == np.float32
    assert single.tobytes() == batch.tobytes()
    assert bikes.compiled.rows(parsed).tobytes() == batch.tobytes()
    assert np.array([bikes.compiled.values(row) for row in parsed], np.float32).tobytes() == batch.tobytes()
    assert all(type(value) is float for row in parsed for value in bikes.compiled.values(row))


@given(many=st.lists(st.sampled_from([-1.0, -0.0, 0.0, 1.0]), min_size=1))
def test_a_negative_zero_is_the_category_zero(many: list[float]) -> None:
    contract = Contract(
        name="signs",
        fields=[Category(name="sign", description="Sign", example=0, values=[-1, 0, 1])],
        features=[CategoryCode(name="code", field="sign"), Lookup(name="mean", field="sign", table=[1.0, None, 2.0])],
        output=Output(name="x", unit="y"),
    )
    rows = [{"sign": value} for value in many]
    batch = contract.matrix(pa.table({"sign": many}))

    assert contract.compiled.rows(rows).tobytes() == batch.tobytes()
    assert np.concatenate([contract.row(row) for row in rows]).tobytes() == batch.tobytes()


@given(moment=times)
def test_calendar_features_are_those_of_the_calendar(bikes: Contract, moment: datetime) -> None:
    row = {"at": moment, "station": 5.0, "sky": "rain", "season": "spring", "temperature": 1.0}
    values = dict(zip(bikes.compiled.names, bikes.row(row)[0], strict=True))

    assert values["hour"] == moment.hour
    assert values["minute"] == moment.hour * 60 + moment.minute
    assert values["weekday"] == moment.weekday()
    assert values["month"] == moment.month


def test_operations_give_what_their_names_say(bikes: Contract) -> None:
    row = {
        "at": datetime(2024, 5, 1, 8),
        "announced_at": datetime(2024, 4, 30, 20),
        "station": 7.0,
        "sky": "hail",
        "season": "summer",
        "temperature": 20.0,
        "felt": 15.0,
    }
    values = dict(zip(bikes.compiled.names, bikes.row(row)[0], strict=True))

    assert values["chill"] == 5
    assert values["ahead"] == 12 * 3600
    assert values["felt_ratio"] == 0.75
    assert values["per_dock"] == 2  # the default of 10 docks
    assert values["station_season"] == 2 * 2 + 1
    assert values["station_mean"] == 2.25
    assert np.isnan(values["sky"])  # an unknown category counts as missing where the field says so
    assert np.isnan(values["sky_mean"])


def test_what_is_divided_by_zero_is_missing(bikes: Contract) -> None:
    row = {
        "at": datetime(2024, 5, 1),
        "station": 5.0,
        "sky": "rain",
        "season": "spring",
        "temperature": 0.0,
        "felt": 3.0,
    }
    values = dict(zip(bikes.compiled.names, bikes.row(row)[0], strict=True))

    assert np.isnan(values["felt_ratio"])
