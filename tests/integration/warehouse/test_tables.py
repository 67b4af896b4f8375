"""A use case's table in the warehouse: as the source has it, or as it was."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from trainer.data.copying import BYTES_AT_A_TIME
from trainer.data.errors import DataError
from trainer.data.transaction import Connection, transaction
from trainer.usecase.declaration import Declaration
from trainer.usecase.periods import Period
from trainer.usecase.reading import parse
from trainer.usecase.rows import opened_rows
from trainer.usecase.warehouse import (
    Loaded,
    NotLoaded,
    TableChanged,
    column_name,
    extract,
    load,
    loads,
    opened_extract,
    unchanged,
)

TABLE = """\
name: rentals
sources: {files: {files: rentals.csv}}
table:
  time: at
  period: month
  key: [id]
  columns:
    id: {type: integer}
    at: {type: timestamp}
    "the station's name": {type: text}
    temperature: {type: number}
    member: {type: boolean}
  reject: {too_hot: temperature > 60}
target: {column: temperature}
fields: {member: {type: integer}}
"""
HEAD = "id,at,the station's name,temperature,member\n"
MAY = '1,2024-05-01 08:00:00.250,"a ""b"",\n\\N",18.123456789012345,yes\n2,2024-05-02,,,no\n'
JUNE = "3,2024-06-01,x,1e-300,NA\n"


@pytest.fixture
def rentals() -> Declaration:
    return parse(TABLE, "usecase.yaml")


Bring = Callable[..., Loaded]


@pytest.fixture
def bring(connection: Connection, tmp_path: Path, rentals: Declaration) -> Bring:
    def brought(
        content: str, declaration: Declaration = rentals, periods: list[str] | None = None, **more: Any
    ) -> Loaded:
        (tmp_path / "rentals.csv").write_text(content)
        with opened_rows(declaration, declaration.sources["files"], tmp_path) as rows:
            return load(connection, declaration, "files", rows, periods, **more)

    return brought


def rows(connection: Connection, declaration: Declaration, *periods: str) -> list[dict[str, Any]]:
    wanted = [Period.parse(period, "month") for period in periods]
    found: list[dict[str, Any]] = (
        extract(connection, declaration, "files", wanted).drop_columns(["_period"]).to_pylist()
    )
    return found


def names(loaded: Loaded) -> list[str]:
    return [str(one.period) for one in loaded.loads]


def test_rows_come_out_as_they_were_read(connection: Connection, rentals: Declaration, bring: Bring) -> None:
    bring(HEAD + MAY + JUNE)
    station = "the station's name"
    assert rows(connection, rentals, "2024-06", "2024-05") == [
        {
            "id": 1,
            "at": datetime(2024, 5, 1, 8, 0, 0, 250_000),
            station: 'a "b",\n\\N',
            "temperature": 18.123456789012345,
            "member": True,
        },
        {"id": 2, "at": datetime(2024, 5, 2), station: None, "temperature": None, "member": False},
        {"id": 3, "at": datetime(2024, 6, 1), station: "x", "temperature": 1e-300, "member": None},
    ]


def test_a_large_table_comes_in_parts_and_no_row_is_broken_by_its_line_breaks(
    connection: Connection, rentals: Declaration, bring: Bring, tmp_path: Path
) -> None:
    lines = "\n".join("x" * length for length in range(5, 30))
    bring(HEAD + "".join(f'{number},2024-05-01,"{lines}",1,no\n' for number in range(40_000)))
    with opened_extract(connection, rentals, "files", [Period.parse("2024-05", "month")], spill=tmp_path) as found:
        parts = list(found.parts)
    assert len(parts) > 1
    assert max(part.nbytes for part in parts) < 2 * BYTES_AT_A_TIME
    assert [number for part in parts for number in part["id"].to_pylist()] == list(range(40_000))
    assert {text for part in parts for text in part["the station's name"].to_pylist()} == {lines}


def test_of_a_large_table_the_same_share_of_each_period_is_drawn_the_same_each_time(
    connection: Connection, rentals: Declaration, bring: Bring
) -> None:
    bring(
        HEAD
        + "".join(f"{number},2024-05-01,,1,no\n" for number in range(6_000))
        + "".join(f"{number},2024-06-01,,1,no\n" for number in range(6_000, 10_000))
    )

    def drawn() -> list[int]:
        wanted = [Period.parse(text, "month") for text in ("2024-05", "2024-06")]
        with opened_extract(connection, rentals, "files", wanted, most_rows=1_000) as found:
            assert found.rows == 10_000
            numbers: list[int] = found.table()["id"].to_pylist()
        return numbers

    once = drawn()
    assert once == drawn() == sorted(once)
    # six and four in ten of about 1,000; each within four standard deviations
    assert 500 < sum(number < 6_000 for number in once) < 700
    assert 320 < sum(number >= 6_000 for number in once) < 480


def test_only_what_is_new_or_has_changed_is_loaded(connection: Connection, rentals: Declaration, bring: Bring) -> None:
    assert names(bring(HEAD + MAY)) == ["2024-05"]
    before = loads(connection, rentals, "files")
    second = bring(HEAD + MAY + JUNE)
    assert (names(second), [str(period) for period in second.unchanged]) == (["2024-06"], ["2024-05"])
    assert loads(connection, rentals, "files")[0] == before[0]
    assert names(bring(HEAD + MAY.replace("18.1", "19.1") + JUNE)) == ["2024-05"]
    assert rows(connection, rentals, "2024-05")[0]["temperature"] == 19.123456789012345
    assert names(bring(HEAD + MAY + JUNE, periods=["2024-06"])) == []
    assert names(bring(HEAD + MAY + JUNE, reload=True)) == ["2024-05", "2024-06"]
    assert len(rows(connection, rentals, "2024-05", "2024-06")) == 3


def test_a_declaration_that_reads_rows_otherwise_loads_them_again(
    connection: Connection, rentals: Declaration, bring: Bring
) -> None:
    bring(HEAD + MAY + JUNE)
    stricter = parse(TABLE.replace("> 60", "> 10"), "usecase.yaml")
    assert names(bring(HEAD + MAY + JUNE, stricter)) == ["2024-05", "2024-06"]
    assert [row["id"] for row in rows(connection, rentals, "2024-05")] == [2]


def test_rejected_rows_are_kept_apart_with_the_reason(connection: Connection, bring: Bring) -> None:
    loaded = bring(HEAD + MAY + "8,2024-05-03,x,61,yes\n9,someday,x,5,yes\n")
    assert [one.counted.rejected for one in loaded.loads] == [{"too_hot": 1}]
    assert loaded.lost == {"unreadable_at": 1}
    with transaction(connection) as cursor:
        cursor.execute("SELECT period::text, row_number, reason, row->>'id' FROM table_rejections ORDER BY row_number")
        assert cursor.fetchall() == [("2024-05-01", 2, "too_hot", "8"), (None, 3, "unreadable_at", "9")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD, "no row"),
        (HEAD + "1,2024-05-01,x,61,yes\n2,,x,5,yes\n", r"every row is rejected \(.*too_hot: 1"),
        (HEAD.replace("temperature", "heat") + MAY, "no column for temperature"),
        (HEAD + MAY + "7,2024-05-05,x,5,yes,surplus\n", "line"),
        (HEAD + MAY + '7,2024-05-05,"x', "rentals.csv"),
    ],
)
def test_a_source_that_cannot_be_used_changes_nothing(
    connection: Connection, rentals: Declaration, bring: Bring, content: str, said: str
) -> None:
    bring(HEAD + MAY)
    before = rows(connection, rentals, "2024-05"), loads(connection, rentals, "files")
    with pytest.raises(DataError, match=said):
        bring(content)
    assert (rows(connection, rentals, "2024-05"), loads(connection, rentals, "files")) == before


def test_a_failure_in_the_middle_leaves_all_periods_as_they_were(
    connection: Connection, rentals: Declaration, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(HEAD + MAY)
    before = rows(connection, rentals, "2024-05")

    def fail(*_: object) -> None:
        raise RuntimeError("the machine stops")

    monkeypatch.setattr("trainer.usecase.warehouse._record", fail)
    with pytest.raises(RuntimeError):
        bring(HEAD + MAY.replace("18.1", "19.1") + JUNE)
    assert rows(connection, rentals, "2024-05") == before
    with pytest.raises(NotLoaded, match="2024-06"):
        rows(connection, rentals, "2024-06")


def test_a_table_gets_columns_that_the_declaration_gets(connection: Connection, bring: Bring) -> None:
    bring(HEAD + MAY)
    wider = parse(TABLE.replace("    member:", "    humidity: {type: number}\n    member:"), "usecase.yaml")
    bring(HEAD.replace("member", "member,humidity") + "3,2024-06-01,x,1,yes,0.5\n", wider)
    found = rows(connection, wider, "2024-05", "2024-06")
    assert [row["humidity"] for row in found] == [None, None, 0.5]


def test_a_column_that_changes_its_type_is_refused_with_what_to_do(
    connection: Connection, rentals: Declaration, bring: Bring
) -> None:
    bring(HEAD + MAY)
    changed = parse(
        TABLE.replace("member: {type: boolean}", "member: {type: text}").replace(
            "{member: {type: integer}}", "{id: {type: integer}}"
        ),
        "usecase.yaml",
    )
    with pytest.raises(TableChanged, match=r"'member' as boolean, the declaration as text: .*drop the table"):
        bring(HEAD + MAY, changed)
    assert len(rows(connection, rentals, "2024-05")) == 2


def test_a_table_without_periods_is_one_whole(connection: Connection, bring: Bring) -> None:
    whole = parse(TABLE.replace("  time: at\n  period: month\n", ""), "usecase.yaml")
    assert names(bring(HEAD + MAY + JUNE, whole)) == ["all"]
    assert extract(connection, whole, "files", [Period.parse("all", "all")]).num_rows == 3
    assert names(bring(HEAD + JUNE, whole)) == ["all"]
    assert extract(connection, whole, "files", [Period.parse("all", "all")]).num_rows == 1


def test_files_are_known_again_only_once_all_their_rows_are_loaded_and_as_the_declaration_has_them(
    connection: Connection, rentals: Declaration, bring: Bring
) -> None:
    assert not unchanged(connection, rentals, "files", "these")
    bring(HEAD + MAY + JUNE, periods=["2024-05"], fingerprint="these")
    assert not unchanged(connection, rentals, "files", "these")
    bring(HEAD + MAY + JUNE, fingerprint="these")
    assert unchanged(connection, rentals, "files", "these")
    assert not unchanged(connection, rentals, "files", "others")
    stricter = parse(TABLE.replace("temperature > 60", "temperature > 10"), "usecase.yaml")
    assert not unchanged(connection, stricter, "files", "these")
    with pytest.raises(DataError):
        bring("id,at\n", fingerprint="broken")
    assert not unchanged(connection, rentals, "files", "broken")


def test_a_table_that_somebody_dropped_is_loaded_again(
    connection: Connection, rentals: Declaration, bring: Bring
) -> None:
    bring(HEAD + MAY + JUNE, fingerprint="these")
    with transaction(connection) as cursor:
        cursor.execute("DROP TABLE usecases.rentals")
    assert not unchanged(connection, rentals, "files", "these")
    assert names(bring(HEAD + MAY + JUNE, fingerprint="these")) == ["2024-05", "2024-06"]
    assert len(rows(connection, rentals, "2024-05", "2024-06")) == 3


def test_two_use_cases_do_not_touch_each_other(connection: Connection, rentals: Declaration, bring: Bring) -> None:
    other = parse(TABLE.replace("name: rentals", "name: rentals-of-cars"), "usecase.yaml")
    bring(HEAD + MAY)
    bring(HEAD + JUNE, other)
    assert [len(loads(connection, each, "files")) for each in (rentals, other)] == [1, 1]
    assert len(rows(connection, rentals, "2024-05")) == 2


def test_names_that_postgresql_would_cut_stay_apart() -> None:
    long = "ä" * 60
    assert column_name("bikes") == "bikes"
    assert len(column_name(f"{long}1").encode()) <= 63
    assert column_name(f"{long}1") != column_name(f"{long}2")
