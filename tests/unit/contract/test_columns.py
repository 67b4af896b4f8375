"""Columns that the contract refuses."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from contract import Contract, InvalidInput


def refused(contract: Contract, table: pa.Table, name: str, column: pa.Array) -> str:
    at = table.column_names.index(name)
    with pytest.raises(InvalidInput) as caught:
        contract.matrix(table.set_column(at, name, column))
    return str(caught.value)


def test_a_required_column_that_is_absent_is_named(bikes: Contract, bike_rows: pa.Table) -> None:
    with pytest.raises(InvalidInput, match="station is missing: no such column"):
        bikes.matrix(bike_rows.drop(["station"]))


def test_a_null_in_a_required_column_is_named_with_its_row(bikes: Contract, bike_rows: pa.Table) -> None:
    values = bike_rows["temperature"].to_pylist()
    values[9] = None
    assert "row 9: temperature is missing" in refused(bikes, bike_rows, "temperature", pa.array(values))


def test_a_value_out_of_range_is_named_with_its_row(bikes: Contract, bike_rows: pa.Table) -> None:
    values = bike_rows["station"].to_pylist()
    values[3] = 40
    assert "row 3: station is 40" in refused(bikes, bike_rows, "station", pa.array(values))


def test_the_row_is_right_after_nulls_in_an_optional_column(bikes: Contract, bike_rows: pa.Table) -> None:
    values = [None] * 20 + [500] + [None] * 7
    assert "row 20: docks is 500" in refused(bikes, bike_rows, "docks", pa.array(values, pa.int64()))


@pytest.mark.parametrize("name", ["temperature", "station", "at"])
def test_a_column_of_another_type_is_refused(bikes: Contract, bike_rows: pa.Table, name: str) -> None:
    column = pa.array([b"\x00"] * bike_rows.num_rows)
    assert f"{name} can't be read from a column of binary" in refused(bikes, bike_rows, name, column)


def test_times_with_a_zone_are_refused(bikes: Contract, bike_rows: pa.Table) -> None:
    column = pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * bike_rows.num_rows)
    assert "times with a zone are not local times" in refused(bikes, bike_rows, "at", column)


def test_dictionary_columns_texts_and_chunks_give_the_same_features(bikes: Contract, bike_rows: pa.Table) -> None:
    texts = pa.array([moment.isoformat() for moment in bike_rows["at"].to_pylist()])
    other = (
        pa.concat_tables([bike_rows.slice(0, 10), bike_rows.slice(10)])
        .set_column(0, "at", texts)
        .set_column(2, "sky", bike_rows["sky"].combine_chunks().dictionary_encode())
    )
    assert bikes.matrix(other).tobytes() == bikes.matrix(bike_rows).tobytes()
