"""Rows out of files as people have them."""

import gzip
import json
import os
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from trainer.data.errors import DataError
from trainer.usecase.declaration import Declaration, Files
from trainer.usecase.files import NoFiles, UnreadableFile, fingerprint
from trainer.usecase.rows import MissingColumn, Rows, opened_rows

Change = Callable[..., Declaration]
Write = Callable[..., Path]

HEAD = "id,at,station,temperature,bikes\n"
GOOD = HEAD + "1,2024-05-01 08:00,north,18.5,3\n2,2024-05-02 09:00:30,south,NA,4\n3,2024-06-01,no,,5\n"


def read(declaration: Declaration, root: Path, **options: Any) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The accepted rows, and how many are rejected for which reason."""
    with opened_rows(declaration, declaration.sources["files"], root, **options) as rows:
        return rows.table().to_pylist(), reasons(rows)


def reasons(rows: Rows) -> dict[str, int]:
    found: dict[str, int] = {}
    for counted in rows.counts().values():
        for reason, count in counted.rejected.items():
            found[reason] = found.get(reason, 0) + count
    return found


def test_rows_are_typed_computed_and_in_their_order(declare: Change, csv: Write) -> None:
    rows, rejected = read(declare(), csv(GOOD))
    assert rejected == {}
    assert rows[0] == {
        "id": 1,
        "at": datetime(2024, 5, 1, 8),
        "station": "north",
        "temperature": 18.5,
        "bikes": 3,
        "per_bike": 18.5 / 3,
    }
    assert [row["temperature"] for row in rows] == [18.5, None, None]


def test_rows_are_numbered_whatever_their_columns_are_called(declare: Change, csv: Write) -> None:
    declaration = declare("    id: {type: integer}\n", "    id: {type: integer}\n    RowId: {type: integer}\n")
    lines = "".join(f"{number},2024-05-01,north,1,1,{99 - number}\n" for number in range(5))
    root = csv("id,at,station,temperature,bikes,RowId\n" + lines)
    with opened_rows(declaration, declaration.sources["files"], root) as rows:
        found = pa.Table.from_batches(rows.accepted())
    assert found["_row"].to_pylist() == found["id"].to_pylist() == [0, 1, 2, 3, 4]
    assert found["RowId"].to_pylist() == [99, 98, 97, 96, 95]


def test_periods_are_counted_and_told_apart_by_content(declare: Change, csv: Write) -> None:
    declaration = declare()
    source = declaration.sources["files"]
    with opened_rows(declaration, source, csv(GOOD)) as rows:
        counts, before = rows.counts(), rows.digests()
    assert {day: counted.read for day, counted in counts.items()} == {date(2024, 5, 1): 2, date(2024, 6, 1): 1}
    shuffled = "".join([HEAD, *reversed(GOOD.removeprefix(HEAD).splitlines(keepends=True))])
    with opened_rows(declaration, source, csv(shuffled)) as rows:
        assert rows.digests() == before
    with opened_rows(declaration, source, csv(GOOD.replace("18.5", "18.6"))) as rows:
        after = rows.digests()
    assert after[date(2024, 6, 1)] == before[date(2024, 6, 1)]
    assert after[date(2024, 5, 1)] != before[date(2024, 5, 1)]
    with opened_rows(declaration, source, csv(GOOD + "9,2024-06-01,no,,5\n")) as rows:
        assert rows.digests()[date(2024, 6, 1)] != before[date(2024, 6, 1)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("9,2024-05-01 08:00,north,warm,3", "unreadable_temperature"),
        ("9,2024-05-01 08:00,north,nan,3", "unreadable_temperature"),
        ("9,2024-05-01 08:00,north,1e999,3", "unreadable_temperature"),
        ("9,2024-05-01 08:00,north,1_000,3", "unreadable_temperature"),
        ("9,2024-05-01 08:00,north,18,3.5", "unreadable_bikes"),
        ("9,2024-05-01 08:00,north,18,99999999999999999999", "unreadable_bikes"),
        ("9,yesterday,north,18,3", "unreadable_at"),
        ("9,2024-13-01,north,18,3", "unreadable_at"),
        ("9,20090-05-01 08:00,north,18,3", "unreadable_at"),
        ("9,,north,18,3", "time_missing"),
        (",2024-05-01 08:00,north,18,3", "id_missing"),
        ("1,2024-05-03 08:00,north,18,3", "duplicate_key"),
        ("9,2024-05-01 08:00,north,61,3", "too_hot"),
    ],
)
def test_a_row_that_cannot_be_is_rejected_alone_and_for_one_reason(
    declare: Change, csv: Write, line: str, reason: str
) -> None:
    declaration = declare()
    with opened_rows(declaration, declaration.sources["files"], csv(f"{GOOD}{line}\n")) as rows:
        assert rows.table().num_rows == 3
        assert reasons(rows) == {reason: 1}
        (rejected,) = [row for batch in rows.rejected() for row in batch.to_pylist()]
    assert (rejected["_reason"], rejected["_row"]) == (reason, 3)
    assert set(json.loads(rejected["row"])) == {"id", "at", "station", "temperature", "bikes", "per_bike"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2024-05-01 08:00", datetime(2024, 5, 1, 8)),
        ("2024-05-01T08:00:00", datetime(2024, 5, 1, 8)),
        ("2024-05-01T06:00:00Z", datetime(2024, 5, 1, 8)),
        ("2024-05-01T10:00:00+04:00", datetime(2024, 5, 1, 8)),
        ("2024-01-01T07:00:00+00:00", datetime(2024, 1, 1, 8)),
        # the hour that the end of summer time repeats: without an offset it is what the clock showed
        ("2024-10-27 02:30", datetime(2024, 10, 27, 2, 30)),
        ("2024-10-27T00:30:00Z", datetime(2024, 10, 27, 2, 30)),
        ("2024-10-27T01:30:00Z", datetime(2024, 10, 27, 2, 30)),
        ("2024-05-01", datetime(2024, 5, 1)),
    ],
)
def test_a_time_is_what_the_tables_clock_shows(declare: Change, csv: Write, given: str, meant: datetime) -> None:
    rows, rejected = read(declare(), csv(f"{HEAD}1,{given},north,18,3\n"))
    assert rejected == {}
    assert rows[0]["at"] == meant


def test_without_a_clock_a_time_with_an_offset_is_not_guessed_at(declare: Change, csv: Write) -> None:
    declaration = declare("  timezone: Europe/Vienna\n", "")
    _, rejected = read(declaration, csv(f"{GOOD}9,2024-05-01T08:00:00Z,north,18,3\n"))
    assert rejected == {"unreadable_at": 1}


@pytest.mark.parametrize(
    ("form", "given"),
    [
        ("'%d.%m.%Y'", "01.05.2024"),
        ("'%d.%m.%Y %H:%M'", "01.05.2024 00:00"),
        ("epoch seconds", "1714514400"),
        ("epoch milliseconds", "1714514400000"),
    ],
)
def test_times_of_other_forms(declare: Change, csv: Write, form: str, given: str) -> None:
    declaration = declare("at: {type: timestamp}\n    station", f"at: {{type: timestamp, format: {form}}}\n    station")
    rows, rejected = read(declaration, csv(f"{HEAD}1,{given},north,18,3\n2,soon,north,18,3\n"))
    assert rejected == {"unreadable_at": 1}
    assert rows[0]["at"] == datetime(2024, 5, 1)


def test_semicolons_decimal_commas_latin_1_quotes_and_line_breaks(declare: Change, csv: Write) -> None:
    declaration = declare(
        "    files: rentals.csv\n",
        '    files: rentals.csv\n    delimiter: ";"\n    decimal: ","\n    encoding: latin-1\n',
        "north, south, no",
        "Süd",
    )
    text = 'id;at;station;temperature;bikes\r\n1;2024-05-01;"Sü""d;\r\nsüd";-1.018,5;3\r\n2;2024-05-01;Süd;7;3\r\n'
    rows, rejected = read(declaration, csv(text, encoding="latin-1"))
    assert rejected == {}
    assert [(row["station"], row["temperature"]) for row in rows] == [('Sü"d;\r\nsüd', -1018.5), ("Süd", 7.0)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_a_name(declare: Change, csv: Write, encoding: str) -> None:
    declaration = declare(
        "    files: rentals.csv\n", f"    files: rentals.csv\n    encoding: {encoding.removesuffix('-sig')}\n"
    )
    rows, _ = read(declaration, csv(GOOD, encoding=encoding))
    assert [row["id"] for row in rows] == [1, 2, 3]


def test_spellings_of_a_column_and_whatever_its_capitals_and_blanks(declare: Change, csv: Write) -> None:
    declaration = declare("temperature: {type: number}", "temperature: {type: number, from: [temp, T °C]}")
    rows, _ = read(declaration, csv(GOOD.replace("temperature", "T °C").replace("station", " Station ")))
    assert (rows[0]["temperature"], rows[0]["station"]) == (18.5, "north")


def test_files_of_a_folder_a_glob_a_list_and_periods(declare: Change, csv: Write, tmp_path: Path) -> None:
    lines = GOOD.removeprefix(HEAD).splitlines(keepends=True)
    (tmp_path / "r").mkdir()
    csv(HEAD + lines[0], "r/2024-05.csv")
    (tmp_path / "r/2024-06.csv.gz").write_bytes(gzip.compress((HEAD + lines[2]).encode()))
    csv("notes", "r/readme.md")
    for files, ids in {
        "r": [1, 3],
        "'r/*.csv'": [1],
        "[r/2024-06.csv.gz, r/2024-05.csv]": [3, 1],
        "'r/{period}.csv'": [1],
        f"{tmp_path}/r/2024-05.csv": [1],
    }.items():
        rows, _ = read(declare("files: rentals.csv", f"files: {files}"), tmp_path)
        assert [row["id"] for row in rows] == ids, files


def test_a_file_that_is_of_a_period_has_no_rows_of_another(declare: Change, csv: Write) -> None:
    root = csv(GOOD, "r-2024-05.csv")
    csv(HEAD + "4,2098-06-01,no,1,5\n5,2024-06-30,no,1,5\n", "r-2024-06.csv")
    declaration = declare("files: rentals.csv", "files: 'r-{period}.csv'")
    with opened_rows(declaration, declaration.sources["files"], root) as rows:
        counts = rows.counts()
        assert [row["id"] for row in rows.table().to_pylist()] == [1, 2, 5]
    assert {str(day): (found.read, found.rejected) for day, found in counts.items()} == {
        "2024-05-01": (3, {"outside_period": 1}),
        "2024-06-01": (2, {"outside_period": 1}),
    }


def test_a_file_that_is_written_or_replaced_or_added_changes_the_fingerprint(
    declare: Change, csv: Write, tmp_path: Path
) -> None:
    source = declare("files: rentals.csv", "files: 'r*.csv'").sources["files"]
    assert isinstance(source, Files)
    csv(GOOD, "r1.csv")
    seen = [fingerprint(source, tmp_path, "month")]
    assert fingerprint(source, tmp_path, "month") == seen[0]
    times = ((tmp_path / "r1.csv").stat().st_atime_ns, (tmp_path / "r1.csv").stat().st_mtime_ns)
    csv(GOOD.replace("18.5", "18.6"), "r1.csv")
    os.utime(tmp_path / "r1.csv", ns=times)
    seen.append(fingerprint(source, tmp_path, "month"))
    csv(GOOD, "r2.csv")
    seen.append(fingerprint(source, tmp_path, "month"))
    seen.append(fingerprint(source.model_copy(update={"missing": ["x"]}), tmp_path, "month"))
    assert len(set(seen)) == 4


def test_files_may_differ_in_their_columns(declare: Change, csv: Write, tmp_path: Path) -> None:
    csv("bikes,at,id,station\n7,2024-05-01,1,north\n", "a.csv")
    csv(GOOD.replace("1,2024", "4,2024"), "b.csv")
    rows, _ = read(declare("files: rentals.csv", "files: '*.csv'"), tmp_path)
    assert [(row["id"], row["temperature"], row["bikes"]) for row in rows][:2] == [(1, None, 7), (4, 18.5, 3)]


def table(**columns: Any) -> pa.Table:
    given = {
        "id": pa.array([1, 2], pa.uint64()),
        "at": pa.array([datetime(2024, 5, 1, 6), datetime(2024, 5, 2)], pa.timestamp("ns", "UTC")),
        "station": pa.array(["north", "south"]).dictionary_encode(),
        "temperature": pa.array([Decimal("18.50"), None], pa.decimal128(9, 2)),
        "bikes": pa.array([3, 4], pa.int16()),
    }
    return pa.table({**given, **columns})


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_parquet_and_arrow_with_the_types_that_people_have(declare: Change, tmp_path: Path, kind: str) -> None:
    nested = pa.array([{"a": 1}, None])
    given = table(extra=nested, station=pa.array(["north", "south"], pa.string_view()))
    if kind == "parquet":
        pq.write_table(given, tmp_path / "rentals.parquet")
    else:
        feather.write_feather(given, tmp_path / "rentals.arrow", compression="uncompressed")
    rows, rejected = read(declare("rentals.csv", f"rentals.{kind}"), tmp_path)
    assert rejected == {}
    assert rows[0]["at"] == datetime(2024, 5, 1, 8)
    assert [(row["id"], row["station"], row["temperature"]) for row in rows] == [(1, "north", 18.5), (2, "south", None)]


def test_a_column_of_another_type_in_each_file(declare: Change, tmp_path: Path) -> None:
    for number, bikes in enumerate((pa.array([3], pa.int64()), pa.array([4.0]), pa.array([None]), pa.array(["5"]))):
        rows = pa.table({"id": [number], "at": [datetime(2024, 5, 1)], "station": ["no"], "bikes": bikes})
        pq.write_table(rows.append_column("temperature", pa.array([1.5])), tmp_path / f"r{number}.parquet")
    several = declare("files: rentals.csv", "files: [r0.parquet, r1.parquet, r2.parquet]")
    assert [row["bikes"] for row in read(several, tmp_path)[0]] == [3, 4, None]
    with_texts = declare("files: rentals.csv", "files: 'r*.parquet'")
    assert [row["bikes"] for row in read(with_texts, tmp_path)[0]] == [3, 4, None, 5]


def test_numbers_of_a_float_column_that_are_no_whole_ones(declare: Change, tmp_path: Path) -> None:
    pq.write_table(table(bikes=pa.array([3.0, 3.5])), tmp_path / "rentals.parquet")
    rows, rejected = read(declare("rentals.csv", "rentals.parquet"), tmp_path)
    assert (len(rows), rejected) == (1, {"unreadable_bikes": 1})


def test_json_lines(declare: Change, csv: Write) -> None:
    lines = [
        {"id": 1, "at": "2024-05-01T08:00:00", "station": "north", "temperature": 18.5, "bikes": 3, "tags": ["x"]},
        {"id": 2, "at": "2024-05-01T08:00:00", "station": "NA", "bikes": 3},
    ]
    root = csv("\n".join(map(json.dumps, lines)), "rentals.jsonl")
    rows, rejected = read(declare("rentals.csv", "rentals.jsonl"), root)
    assert rejected == {}
    assert [(row["station"], row["temperature"]) for row in rows] == [("north", 18.5), (None, None)]


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (
            HEAD.replace(",bikes", "") + "1,2024-05-01,north,18\n",
            MissingColumn,
            "no column for bikes; there are id, at,",
        ),
        (GOOD + "4,2024-05-01,north,18,3,surplus\n", UnreadableFile, r"rentals.csv: line 5"),
        (GOOD + '4,2024-05-01,"north,18,3\n', UnreadableFile, r"rentals.csv: "),
        ("", UnreadableFile, "is empty"),
        (HEAD.replace("station", "id"), UnreadableFile, "two columns are called 'id'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(
    declare: Change, csv: Write, content: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        read(declare(), csv(content))


def test_an_error_shows_nothing_of_the_files_content(declare: Change, csv: Write) -> None:
    with pytest.raises(UnreadableFile) as error:
        read(declare(), csv(GOOD + "4,2024-05-01,hunter2,18,3,surplus\n"))
    assert "hunter2" not in str(error.value)


def test_a_truncated_file_and_one_that_is_not_there(declare: Change, tmp_path: Path) -> None:
    declaration = declare("rentals.csv", "rentals.parquet")
    with pytest.raises(NoFiles, match=r"there is no .*rentals\.parquet"):
        read(declaration, tmp_path)
    pq.write_table(table(), tmp_path / "rentals.parquet")
    whole = (tmp_path / "rentals.parquet").read_bytes()
    (tmp_path / "rentals.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFile, match=r"rentals\.parquet: is no parquet"):
        read(declaration, tmp_path)
    csv = declare("files: rentals.csv", "files: rentals.csv.gz")
    (tmp_path / "rentals.csv.gz").write_bytes(gzip.compress(GOOD.encode() * 500)[:60])
    with pytest.raises(DataError, match=r"rentals\.csv\.gz"):
        read(csv, tmp_path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ("'*.parquet'", "no file is named"),
        ("nothing", "there is no"),
        ("'x-{period}.csv'", "with a month for {period}"),
    ],
)
def test_files_that_are_not_there(declare: Change, tmp_path: Path, files: str, said: str) -> None:
    with pytest.raises(NoFiles, match=said):
        read(declare("files: rentals.csv", f"files: {files}"), tmp_path)
