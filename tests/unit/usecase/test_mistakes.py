"""A declaration with a mistake: one message that names file, line, key and what is allowed."""

import re
from pathlib import Path

import pytest
from trainer.usecase.problems import BadDeclaration, NoSuchUseCase
from trainer.usecase.reading import parse, read

GOLDEN = Path(__file__).parent / "golden" / "mistakes.txt"

MISTAKES = {
    "an unknown key": ("name: rentals", "name: rentals\ntaks: regression"),
    "an unknown key within": ("minimum: -40", "minimm: -40"),
    "an unknown key of a source": ("files: rentals.csv", "file: rentals.csv"),
    "a key that is missing": ("target: {column: bikes, unit: bike, minimum: 0}\n", ""),
    "a key that is there twice": ("  station: {type: category", "  at: {type: timestamp}\n  station: {type: category"),
    "no YAML": ("[id]", "[id"),
    "an alias": ("key: [id]", "key: &k [id]\n  group: *k"),
    "a wrong type": ("minimum: -40", "minimum: cold"),
    "a type that there isn't": ("temperature: {type: number}", "temperature: {type: float}"),
    "a kind of field that there isn't": (
        "at: {type: timestamp}\n  station: {type: category",
        "at: {type: time}\n  station: {type: category",
    ),
    "a task that can't be": ("name: rentals", "name: rentals\ntask: clustering"),
    "a name that is no label": ("name: rentals", "name: Bike Rentals"),
    "a name of the stack's own": ("name: rentals", "name: trip-duration"),
    "a field without a column": ("  temperature: {type: number, required", "  temprature: {type: number, required"),
    "a field of another type than its column": (
        "station: {type: category, values: [north, south, no]}",
        "station: {type: number}",
    ),
    "a category without values": ("[north, south, no]", "[]"),
    "values that are there twice": ("[north, south, no]", "[north, south, north]"),
    "values of another type": ("[north, south, no]", "[1, 2]"),
    "a range that is empty": ("maximum: 60", "maximum: -60"),
    "an example outside of the range": ("maximum: 60", "maximum: 60, example: 99"),
    "the target as a field": (
        "  temperature: {type: number, required",
        "  bikes: {type: integer}\n  temperature: {type: number, required",
    ),
    "a target without a column": ("column: bikes", "column: bike"),
    "a target that is a text": ("column: bikes", "column: station"),
    "a time that is no time": ("  time: at", "  time: station"),
    "a time zone that there isn't": ("Europe/Vienna", "Europe/Wien"),
    "periods without a time": ("  time: at\n", ""),
    "a key that is no column": ("key: [id]", "key: [idd]"),
    "an expression that doesn't parse": ("temperature > 60", "temperature >"),
    "an expression of an unknown column": ("temperature > 60", "temperatur > 60"),
    "an expression of another type": ("temperature > 60", "temperature + 60"),
    "an aggregate": ("temperature > 60", "max(temperature) > 60"),
    "a query within": ("temperature > 60", "temperature > (SELECT 60)"),
    "a window": ("temperature > 60", "row_number() OVER () > 60"),
    "a second expression": ("temperature > 60", '"temperature > 60), (true"'),
    "a file in an expression": ("temperature / bikes", "(SELECT 1 FROM read_text('/etc/passwd'))"),
    "sql that another sql is of": (
        "bikes: {type: integer}",
        "bikes: {type: integer}\n    twice: {type: number, sql: per_bike * 2}",
    ),
    "sql and from": ("sql: temperature / bikes", "sql: temperature / bikes, from: [x]"),
    "a format of no time": ("temperature: {type: number}", "temperature: {type: number, format: '%d'}"),
    "a column that capitals tell apart": ("    bikes:", "    Bikes: {type: integer}\n    bikes:"),
    "a column of the warehouse's own": ("    bikes:", "    _row: {type: integer}\n    bikes:"),
    "a feature of no field": ("fields:", "features: [{op: identity, name: a, field: humidity}]\nfields:"),
    "a feature of the wrong kind": ("fields:", "features: [{op: hour, name: a, field: station}]\nfields:"),
    "a mean of no category": ("fields:", "features: [{op: target_mean, name: a, field: temperature}]\nfields:"),
    "an operation that there isn't": ("fields:", "features: [{op: log, name: a, field: temperature}]\nfields:"),
    "a slice that is no field": ("fields:", "judge: {slices: [region]}\nfields:"),
    "a slice that is no category": ("fields:", "judge: {slices: [temperature]}\nfields:"),
    "a cut that is two": ("fields:", "judge: {slices: [{hour: at, month: at}]}\nfields:"),
    "a cut that there isn't": ("fields:", "judge: {slices: [{hours: at}]}\nfields:"),
    "an hour of no time": ("fields:", "judge: {slices: [{hour: station}]}\nfields:"),
    "bands of no number": ("fields:", "judge: {slices: [{bands: station, at: [1]}]}\nfields:"),
    "bands without their ends": ("fields:", "judge: {slices: [{bands: temperature}]}\nfields:"),
    "bands out of order": ("fields:", "judge: {slices: [{bands: temperature, at: [2, 1]}]}\nfields:"),
    "a bar of what isn't measured": ("fields:", "judge: {at_least: {roc_auc: 0.6}}\nfields:"),
    "a function without hooks.py": ("fields:", "judge: {baselines: [the_median]}\nfields:"),
    "a URL in the file": (
        "files: rentals.csv\n    missing: [\"\", NA]",
        "url: postgresql://me:secret@db/rentals\n    query: SELECT 1",
    ),
    "a query without a URL": ("files: rentals.csv\n    missing: [\"\", NA]", "query: SELECT 1"),
    "an outcome by what is no field": ("fields:", "outcomes: {match_on: [at, stations]}\nfields:"),
    "a schedule that is none": ("fields:", "train: {schedule: daily}\nfields:"),
    "parameters that can't be": ("fields:", "train: {boosting: {max_depth: 99}}\nfields:"),
    "periods in a file's name without periods": ("files: rentals.csv", "files: 'rentals-{period}.csv'"),
}  # fmt: skip


def message(mistake: str, rentals: str) -> str:
    old, new = MISTAKES[mistake]
    assert old in rentals
    text = rentals.replace(old, new, 1)
    if mistake == "periods in a file's name without periods":
        text = text.replace("period: month", "period: all")
    try:
        parse(text, "usecases/rentals/usecase.yaml")
    except BadDeclaration as error:
        return str(error)
    pytest.fail(f"nobody complained of {mistake}")


def test_each_kind_of_mistake_has_its_message_with_the_line(rentals: str) -> None:
    said = "".join(f"## {mistake}\n{message(mistake, rentals)}\n\n" for mistake in MISTAKES)
    assert said == GOLDEN.read_text(), "if the messages are better now: write them into the golden file"


def test_every_message_names_the_file_and_a_line_that_there_is(rentals: str) -> None:
    for mistake in MISTAKES:
        for line in message(mistake, rentals).splitlines():
            found = re.match(r"usecases/rentals/usecase\.yaml, line (\d+): ", line)
            assert found, line
            assert 1 <= int(found[1]) <= len(rentals.splitlines()) + 2


def test_all_problems_are_said_at_once(rentals: str) -> None:
    text = rentals.replace("temperature > 60", "temp > 60").replace("column: bikes", "column: bike")
    with pytest.raises(BadDeclaration) as error:
        parse(text, "usecase.yaml")
    assert [problem.key for problem in error.value.problems] == ["table.reject.too_hot", "target.column"]


def test_a_folder_has_the_name_of_its_use_case(rentals: str, tmp_path: Path) -> None:
    folder = tmp_path / "bikes"
    folder.mkdir()
    (folder / "usecase.yaml").write_text(rentals)
    with pytest.raises(BadDeclaration, match=r"line 1: name: is 'rentals'.*'bikes'"):
        read(folder)
    with pytest.raises(NoSuchUseCase):
        read(tmp_path / "cars")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"null", b"a: b: c", b"x" * 5_000_000, b"? [a]\n: b"])
def test_what_is_no_declaration_at_all_is_said(content: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "rentals"
    folder.mkdir()
    (folder / "usecase.yaml").write_bytes(content)
    with pytest.raises(BadDeclaration, match="line 1"):
        read(folder)
