"""A declaration out of tables as people have them."""

import gzip
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from trainer.usecase.check import check
from trainer.usecase.declaration import Declaration, Files
from trainer.usecase.new.command import Choices, New, create
from trainer.usecase.new.decision import BadChoice
from trainer.usecase.reading import read
from trainer.usecase.rendering import of_check, of_new
from trainer.usecase.rows import opened_rows

START = datetime(2024, 1, 1)


def cells(rows: int = 400) -> list[dict[str, Any]]:
    chosen = random.Random(7)  # noqa: S311  (rows that are the same each time)
    return [
        {
            "when": START + timedelta(hours=5 * number),
            "size": round(chosen.uniform(1, 9), 2),
            "colour": chosen.choice(["red", "green", "blue"]),
            "price": chosen.randrange(100, 900),
        }
        for number in range(rows)
    ]


def text(rows: Sequence[dict[str, Any]], delimiter: str = ",") -> str:
    lines: list[Sequence[Any]] = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(delimiter.join(map(_cell, line)) + "\n" for line in lines)


def _cell(value: Any) -> str:
    written = value.strftime("%Y-%m-%d %H:%M") if isinstance(value, datetime) else str(value)
    return f'"{written.replace(chr(34), chr(34) * 2)}"' if any(mark in written for mark in ',;"\n') else written


Make = Callable[..., tuple[New, Declaration]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(
        content: str | bytes, target: str = "price", name: str = "goods.csv", **more: Any
    ) -> tuple[New, Declaration]:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        new = create(Choices("goods", str(tmp_path / name), target, **more), tmp_path / "usecases", tmp_path)
        return new, read(new.file.parent)

    return made


def rows_of(declaration: Declaration, root: Path) -> list[dict[str, Any]]:
    with opened_rows(declaration, next(iter(declaration.sources.values())), root) as rows:
        assert {reason for counted in rows.counts().values() for reason in counted.rejected} == set()
        found: list[dict[str, Any]] = rows.table().to_pylist()
        return found


def uses(new: New) -> dict[str, str]:
    return {column.profile.name: column.use for column in new.decision.columns}


def test_what_is_written_reads_the_table_back(make: Make, tmp_path: Path) -> None:
    given = cells()
    new, declaration = make(text(given))
    assert rows_of(declaration, tmp_path) == given
    assert (declaration.table.time, declaration.table.period) == ("when", "month")
    assert list(declaration.fields) == ["when", "size", "colour"]
    said = of_new(new, new.file.parents[2])
    assert "400 rows, 4 columns" in said
    assert "Rows are split by month, in the order of when." in said
    checked = of_check(declaration, check(declaration, tmp_path))
    assert "400 rows read" in checked
    assert "0 rejected" in checked
    assert "Judged on 2024-03" in checked


def test_nothing_is_overwritten(make: Make, tmp_path: Path) -> None:
    new, _ = make(text(cells()))
    new.file.write_text("mine")
    with pytest.raises(BadChoice, match="is there already"):
        make(text(cells()))
    assert new.file.read_text() == "mine"


@pytest.mark.parametrize("marker", ["NA", "?", "-", "", "NULL", "n/a", "NaN"])
def test_texts_that_stand_for_no_value(make: Make, tmp_path: Path, marker: str) -> None:
    given = cells()
    for number in range(0, 400, 10):
        given[number] |= {"size": marker, "colour": marker}
    _, declaration = make(text(given))
    assert [row["size"] for row in rows_of(declaration, tmp_path)].count(None) == 40
    assert not declaration.fields["size"].required
    assert marker not in getattr(declaration.fields["colour"], "values", [])


def test_numbers_with_a_few_words_among_them(make: Make, tmp_path: Path) -> None:
    given = cells()
    given[3]["size"] = "unknown"
    new, declaration = make(text(given))
    assert declaration.table.columns["size"].missing == ["unknown"]
    assert rows_of(declaration, tmp_path)[3]["size"] is None
    assert any("'unknown', taken for missing" in warning for warning in new.decision.warnings)


@pytest.mark.parametrize("value", [-999, 99999])
def test_a_number_that_may_stand_for_no_value_is_asked_about_and_kept(make: Make, tmp_path: Path, value: int) -> None:
    given = cells()
    given[3]["size"] = value
    new, declaration = make(text(given))
    assert rows_of(declaration, tmp_path)[3]["size"] == value
    assert any(f"size has {value}, which may stand for no value" in warning for warning in new.decision.warnings)


@pytest.mark.parametrize("name", ["", "rownames", "Unnamed: 0", "id"])
def test_a_column_that_numbers_the_rows_is_the_key(make: Make, tmp_path: Path, name: str) -> None:
    _, declaration = make(text([{name: number, **row} for number, row in enumerate(cells())]))
    key = name or "column 1"
    assert declaration.table.key == [key]
    assert key not in declaration.fields
    assert [row[key] for row in rows_of(declaration, tmp_path)] == list(range(400))


def test_semicolons_decimal_commas_and_latin_1(make: Make, tmp_path: Path) -> None:
    given = [
        {**row, "size": f"{row['size']:.2f}".replace(".", ","), "farbe": "grün"[: number % 3 + 2]}
        for number, row in enumerate(cells())
    ]
    _, declaration = make(text(given, ";").encode("latin-1"))
    source = declaration.sources["files"]
    assert isinstance(source, Files)
    assert (source.delimiter, source.decimal, source.encoding) == (";", ",", "latin-1")
    assert [row["size"] for row in rows_of(declaration, tmp_path)] == [row["size"] for row in cells()]
    assert "grün" in declaration.fields["farbe"].values  # type: ignore[union-attr]


def test_a_byte_order_mark_tabs_gzip_quotes_and_line_breaks(make: Make, tmp_path: Path) -> None:
    given = [{**row, "note": f'say "{number % 5}",\nplease'} for number, row in enumerate(cells())]
    packed = gzip.compress(b"\xef\xbb\xbf" + text(given).encode())
    _, declaration = make(packed, name="goods.csv.gz")
    assert [row["note"] for row in rows_of(declaration, tmp_path)] == [row["note"] for row in given]
    assert next(iter(declaration.table.columns)) == "when"
    (tmp_path / "usecases" / "goods" / "usecase.yaml").unlink()
    (tmp_path / "usecases" / "goods").rmdir()
    _, declaration = make(text(cells(), "\t"), name="goods.tsv")
    assert 'delimiter: "\\t"' in (tmp_path / "usecases" / "goods" / "usecase.yaml").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "unit price",
        "Größe.cm",
        "SELECT",
        "order",
        'a"b',
        "it's",
        "{x}",
        "- y",
        "no",
        "#1",
        "x: y",
        "naïve,é",
        "%",
        "1st",
    ],
)
def test_names_stay_the_names_of_the_requests_fields(make: Make, tmp_path: Path, name: str) -> None:
    given = [{name if key == "size" else key: value for key, value in row.items()} for row in cells()]
    _, declaration = make(text(given))
    assert name in declaration.fields
    assert [row[name] for row in rows_of(declaration, tmp_path)] == [row["size"] for row in cells()]


@pytest.mark.parametrize("pair", [("yes", "no"), ("TRUE", "FALSE"), ("0", "1"), ("Y", "N")])
def test_yes_and_no_in_each_spelling(make: Make, tmp_path: Path, pair: tuple[str, str]) -> None:
    given = [{**row, "new": pair[number % 2]} for number, row in enumerate(cells())]
    _, declaration = make(text(given))
    field = declaration.fields["new"]
    assert field.type == ("integer" if pair[0] == "0" else "category")
    assert {str(row["new"]) for row in rows_of(declaration, tmp_path)} == set(pair)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("when", "%d.%m.%Y %H:%M"),
        ("when", "%d/%m/%Y %H:%M"),
        ("when", "%Y-%m-%dT%H:%M:%SZ"),
        ("created_at", "epoch seconds"),
        ("created_at", "epoch milliseconds"),
    ],
)
def test_times_in_each_spelling(make: Make, tmp_path: Path, name: str, form: str) -> None:
    def spelt(moment: datetime) -> str:
        if form.startswith("epoch"):
            return str(int(moment.replace(tzinfo=UTC).timestamp()) * (1_000 if form.endswith("milliseconds") else 1))
        return moment.strftime(form)

    given = [{name: spelt(row["when"]), **{key: row[key] for key in ("size", "colour", "price")}} for row in cells()]
    _, declaration = make(text(given))
    assert declaration.table.time == name
    assert [row[name] for row in rows_of(declaration, tmp_path)] == [row["when"] for row in cells()]


def test_columns_that_are_no_fields_are_left_out_with_the_reason(make: Make) -> None:
    given = [
        {
            **row,
            "uuid": f"{number:032x}",
            "same": 7,
            "empty": "",
            "story": "It was a dark and stormy night when the goods came in " + "x" * (number % 9),
            "cents": row["price"] * 100 + 3,
            "receipt": 70_000 + 3 * number,
            "grams": number * 7_919_117 % 100_003_993,
        }
        for number, row in enumerate(cells())
    ]
    new, declaration = make(text(given))
    why = {column.profile.name: column.why for column in new.decision.columns if column.use == "left out"}
    assert set(why) == {"uuid", "same", "empty", "story", "cents", "receipt"}
    assert why["receipt"] == "numbers the rows"
    assert why["story"] == "free text"
    assert "a leak?" in why["cents"]
    assert set(declaration.fields) == {"when", "size", "colour", "grams"}
    assert set(why) <= set(declaration.table.columns)


def test_what_a_person_should_look_at_is_said(make: Make) -> None:
    noise = random.Random(3)  # noqa: S311
    given = [
        {
            **row,
            "price_net": noise.random(),
            "delivered": row["when"] + timedelta(days=3),
            "rare": row["size"] if number % 3 == 0 else "",
            "estimate": row["price"] + noise.randrange(250),
            "class": row["price"] // 300,
        }
        for number, row in enumerate(cells())
    ]
    new, _ = make(text(given), time="when")
    said = "\n".join(new.decision.warnings)
    assert "price_net is called nearly as the target" in said
    assert "delivered lies after the event in 100% of the rows" in said
    assert "rare is missing in 66% of the rows" in said
    assert "estimate tells much of the target" in said


def test_a_target_that_looks_like_a_class(make: Make) -> None:
    given = [{**row, "grade": row["price"] // 300} for row in cells()]
    new, _ = make(text(given), target="grade")
    assert "is it a class rather than a number?" in new.decision.warnings[0]


@pytest.mark.parametrize(
    ("target", "more", "said"),
    [
        ("prize", {}, "did you mean 'price'"),
        ("colour", {}, "'red'"),
        ("when", {}, "its values are times"),
        ("price", {"time": "size"}, "its values are no times"),
        ("price", {"key": ["ID"]}, "KEY=ID: there is no such column"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused_and_nothing_written(
    make: Make, tmp_path: Path, target: str, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadChoice, match=said):
        make(text(cells()), target, **more)
    assert not (tmp_path / "usecases").exists()


def test_300_columns(make: Make, tmp_path: Path) -> None:
    wide = [
        {**row, **{f"c{column}": (number * column) % 17 for column in range(300)}}
        for number, row in enumerate(cells(200))
    ]
    new, declaration = make(text(wide))
    assert len(declaration.fields) > 280
    assert len(of_new(new, new.file.parents[2]).splitlines()) < 80


def test_parquet_with_the_types_that_people_have(make: Make, tmp_path: Path) -> None:
    given = cells()
    table = pa.table(
        {
            "when": pa.array([row["when"] for row in given], pa.timestamp("ns")),
            "size": pa.array([Decimal(str(row["size"])) for row in given], pa.decimal128(9, 2)),
            "colour": pa.array([row["colour"] for row in given]).dictionary_encode(),
            "seen": pa.array([row["colour"] for row in given], pa.string_view()),
            "count": pa.array([row["price"] for row in given], pa.uint32()),
            "sold": pa.array([number % 2 == 0 for number in range(400)]),
            "tags": pa.array([["a"]] * 400),
            "price": pa.array([row["price"] for row in given], pa.int16()),
        }
    )
    pq.write_table(table, tmp_path / "made.parquet")
    new, declaration = make((tmp_path / "made.parquet").read_bytes(), name="goods.parquet")
    assert new.left_out == ["tags"]
    assert "left out: tags" in of_new(new, new.file.parents[2])
    assert {name: column.type for name, column in declaration.table.columns.items()} == {
        "when": "timestamp",
        "size": "number",
        "colour": "text",
        "seen": "text",
        "count": "integer",
        "sold": "boolean",
        "price": "integer",
    }
    assert [row["size"] for row in rows_of(declaration, tmp_path)] == [row["size"] for row in given]
