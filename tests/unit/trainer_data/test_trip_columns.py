"""Files of all generations come out with the same columns."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trainer.data.errors import EmptyMonth, MissingColumn, TruncatedFile, UnreadableColumn
from trainer.data.months import Month
from trainer.data.source import MonthFile
from trainer.usecases.trips import columns
from trainer.usecases.trips.columns import TRIPS, normalise
from trainer.usecases.trips.rejection import sift

BEGIN, END = datetime(2021, 1, 1, 0, 15, 56), datetime(2021, 1, 1, 0, 19, 52)


def green(**changes: pa.Array | None) -> pa.Table:
    """One trip as files of 2021 have it, with columns replaced or, if None, left out."""
    row: dict[str, pa.Array | None] = {
        "VendorID": pa.array([2]),
        "lpep_pickup_datetime": pa.array([BEGIN], pa.timestamp("us")),
        "lpep_dropoff_datetime": pa.array([END], pa.timestamp("us")),
        "store_and_fwd_flag": pa.array(["N"]),
        "RatecodeID": pa.array([1.0]),
        "PULocationID": pa.array([43]),
        "DOLocationID": pa.array([151]),
        "passenger_count": pa.array([1.0]),
        "trip_distance": pa.array([1.01]),
        "ehail_fee": pa.array([None], pa.null()),
    }
    present = {name: column for name, column in (row | changes).items() if column is not None}
    return pa.table(present)


def one(table: pa.Table) -> dict[str, Any]:
    row: dict[str, Any] = normalise(table, "test.parquet").to_pylist()[0]
    return row


def test_a_green_file_of_2021_has_doubles_where_numbers_are_whole_and_a_column_without_type() -> None:
    table = normalise(green(), "test.parquet")

    assert table.schema == TRIPS
    row = table.to_pylist()[0]
    assert (row["pickup_at"], row["dropoff_at"]) == (BEGIN, END)
    assert (row["pu_location_id"], row["do_location_id"], row["passenger_count"]) == (43, 151, 1)
    assert (row["vendor_id"], row["ratecode_id"], row["store_and_fwd_flag"]) == (2, 1, "N")
    assert row["ehail_fee"] is None
    assert row["cbd_congestion_fee"] is None


def test_a_green_file_of_2025_has_narrow_integers_large_strings_and_a_new_fee() -> None:
    newer = green(
        VendorID=pa.array([2], pa.int32()),
        PULocationID=pa.array([43], pa.int32()),
        passenger_count=pa.array([None], pa.int64()),
        store_and_fwd_flag=pa.array(["N"], pa.large_string()),
        ehail_fee=pa.array([None], pa.float64()),
        cbd_congestion_fee=pa.array([0.75]),
    )

    assert normalise(newer, "test.parquet").schema == TRIPS
    assert one(newer)["cbd_congestion_fee"] == 0.75
    assert one(newer)["passenger_count"] is None


@pytest.mark.parametrize("fee", ["airport_fee", "Airport_fee"])
def test_a_yellow_file_has_other_names_for_the_times_and_a_fee_in_two_spellings(fee: str) -> None:
    yellow = green().rename_columns([name.replace("lpep", "tpep") for name in green().column_names])

    row = one(yellow.append_column(fee, pa.array([1.25])))

    assert (row["pickup_at"], row["airport_fee"]) == (BEGIN, 1.25)


def test_case_and_stray_spaces_of_a_name_don_t_matter() -> None:
    older = green(
        lpep_dropoff_datetime=None,
        **{"Lpep_dropoff_datetime": pa.array([END], pa.timestamp("us")), "Trip_type ": pa.array([2])},
    )

    row = one(older)

    assert (row["dropoff_at"], row["trip_type"]) == (END, 2)


def test_two_spellings_in_one_file_complete_each_other() -> None:
    merged = green(airport_fee=pa.array([None], pa.null()), Airport_fee=pa.array([1.75]))

    assert one(merged)["airport_fee"] == 1.75


@pytest.mark.parametrize(
    "text",
    [
        "2021-01-01 00:15:56",
        "2021-01-01T00:15:56",
        "2021-01-01 00:15:56.000000",
        "01/01/2021 12:15:56 AM",
        " 2021-01-01 00:15:56 ",
    ],
)
def test_a_time_that_was_saved_as_text_is_read(text: str) -> None:
    assert one(green(lpep_pickup_datetime=pa.array([text])))["pickup_at"] == BEGIN


def test_a_text_that_is_no_time_or_number_is_a_missing_value() -> None:
    row = one(green(lpep_pickup_datetime=pa.array(["yesterday"]), trip_distance=pa.array(["far"])))

    assert (row["pickup_at"], row["trip_distance"]) == (None, None)


def test_a_time_with_a_zone_is_that_zone_s_wall_clock() -> None:
    local = pa.array([BEGIN], pa.timestamp("ns", "UTC")).cast(pa.timestamp("ns", "America/New_York"))

    row = one(green(lpep_pickup_datetime=local, lpep_dropoff_datetime=pa.array([END], pa.timestamp("us", "UTC"))))

    assert row["pickup_at"] == datetime(2020, 12, 31, 19, 15, 56)
    assert row["dropoff_at"] == END


def test_numbers_saved_as_text_or_categories_are_read() -> None:
    row = one(
        green(
            trip_distance=pa.array([" 1.50 "]),
            PULocationID=pa.array(["74"]),
            store_and_fwd_flag=pa.array(["Y"]).dictionary_encode(),
        )
    )

    assert (row["trip_distance"], row["pu_location_id"], row["store_and_fwd_flag"]) == (1.5, 74, "Y")


def test_a_text_loses_the_one_character_that_the_warehouse_can_t_hold() -> None:
    assert one(green(store_and_fwd_flag=pa.array(["N\0"])))["store_and_fwd_flag"] == "N"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.5, 1e15])
def test_a_number_that_can_t_be_a_whole_one_is_a_missing_value(value: float) -> None:
    assert one(green(passenger_count=pa.array([value])))["passenger_count"] is None


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_number_that_isn_t_finite_is_a_missing_value(value: float) -> None:
    assert one(green(trip_distance=pa.array([value])))["trip_distance"] is None


@pytest.mark.parametrize(
    ("absent", "ours"),
    [("lpep_pickup_datetime", "pickup_at"), ("DOLocationID", "do_location_id"), ("trip_distance", "trip_distance")],
)
def test_a_column_that_trips_need_is_named_when_it_is_missing(absent: str, ours: str) -> None:
    with pytest.raises(MissingColumn, match=rf"test.parquet: no column for {ours};.*VendorID"):
        normalise(green(**{absent: None}), "test.parquet")


def test_a_column_of_a_type_that_makes_no_sense_is_named() -> None:
    with pytest.raises(UnreadableColumn, match="'PULocationID': bool is no type of numbers"):
        normalise(green(PULocationID=pa.array([True])), "test.parquet")
    with pytest.raises(UnreadableColumn, match="'lpep_pickup_datetime': int64 is no type of times"):
        normalise(green(lpep_pickup_datetime=pa.array([5])), "test.parquet")


def test_a_column_that_no_trip_needs_is_left_empty_if_it_can_t_be_read(caplog: pytest.LogCaptureFixture) -> None:
    odd = green(passenger_count=pa.array([True]), ehail_fee=pa.array([[1.0]]), surprise=pa.array([{"a": 1}]))

    row = one(odd)

    assert (row["passenger_count"], row["ehail_fee"]) == (None, None)
    assert row["trip_distance"] == 1.01
    assert "column 'passenger_count': bool is no type of numbers; it is left empty" in caplog.text


@pytest.mark.parametrize("text", ["2021-01-01T00:15:56Z", "2021-01-01 00:15:56 UTC", "2021-01-01T00:15:56.000-05:00"])
def test_a_text_time_with_an_offset_is_a_row_rejected_for_that(text: str, tmp_path: Path) -> None:
    texts = green(lpep_pickup_datetime=pa.array([text, "2021-01-01 00:15:56", None]), **three_times())
    (trips,) = columns.read(saved(texts, tmp_path))

    found = sift(trips, Month(2021, 1))

    assert found.reasons == {"time_with_offset": 1, "pickup_missing": 1}
    assert found.accepted.num_rows == 1
    assert columns.OFFSET not in found.accepted.column_names


def three_times() -> dict[str, pa.Array]:
    """The columns but for the time of the pick-up, of three trips."""
    return {name: pa.concat_arrays([green()[name].combine_chunks()] * 3) for name in green().column_names[2:]} | {
        "VendorID": pa.array([2, 2, 2])
    }


def test_a_damaged_part_of_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "month.parquet"
    pq.write_table(green(), path, compression="gzip", use_dictionary=False)
    with pq.ParquetFile(path) as parquet:
        names = parquet.schema_arrow.names
        place = parquet.metadata.row_group(0).column(names.index("trip_distance")).data_page_offset
    content = bytearray(path.read_bytes())
    content[place + 30 : place + 40] = b"\xff" * 10
    path.write_bytes(content)

    with pytest.raises(TruncatedFile, match=r"somewhere/month\.parquet: truncated or damaged Parquet file"):
        list(columns.read(MonthFile(path, "somewhere/month.parquet", "", path.stat().st_size)))


def saved(table: pa.Table, folder: Path) -> MonthFile:
    path = folder / "month.parquet"
    pq.write_table(table, path, row_group_size=2)
    return MonthFile(path, "somewhere/month.parquet", "", path.stat().st_size)


def test_a_file_is_read_in_its_order_across_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "ROWS_AT_A_TIME", 3)
    several = pa.concat_tables([green(trip_distance=pa.array([float(n)])) for n in range(10)])

    parts = list(columns.read(saved(several, tmp_path)))

    assert max(part.num_rows for part in parts) <= 3
    assert pa.concat_tables(parts)["trip_distance"].to_pylist() == [float(n) for n in range(10)]


def test_a_file_without_rows_is_an_empty_month(tmp_path: Path) -> None:
    with pytest.raises(EmptyMonth, match=r"somewhere/month.parquet: no rows"):
        next(columns.read(saved(green().slice(0, 0), tmp_path)))
    with pytest.raises(EmptyMonth):
        columns.check_file(saved(green().slice(0, 0), tmp_path))


def test_a_file_s_columns_can_be_checked_without_reading_it(tmp_path: Path) -> None:
    columns.check_file(saved(green(), tmp_path))
    with pytest.raises(MissingColumn, match="pu_location_id"):
        columns.check_file(saved(green(PULocationID=None), tmp_path))
