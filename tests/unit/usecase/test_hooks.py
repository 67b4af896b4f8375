"""Python beside a use case's file: what it may give, and what is said of what it shouldn't."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from contract.operations import Lookup
from trainer.gate.judge import Contestant, judge
from trainer.gate.terms import Terms
from trainer.usecase.cleaning import clean
from trainer.usecase.contracts import fit_contract
from trainer.usecase.cuts import slices
from trainer.usecase.declaration import Declaration
from trainer.usecase.folder import digest_of
from trainer.usecase.hooks import BadHook
from trainer.usecase.judging import holdout_of
from trainer.usecase.periods import EVERYTHING, Asked
from trainer.usecase.problems import BadDeclaration
from trainer.usecase.reading import read
from trainer.usecase.rows import opened_rows

HOOKS = '''\
from datetime import datetime

import numpy as np
import pyarrow as pa


def generated(periods, since, rows):
    """So many rows a month, in parts."""
    for month in range(since.month if since else 1, 4):
        text = f"2024-{month:02}"
        if periods is None or text in periods:
            yield pa.table({
                "id": [month * 100 + number for number in range(rows)],
                "at": [datetime(2024, month, 1 + number % 28, number % 24) for number in range(rows)],
                "station": ["north" if number % 2 else "south" for number in range(rows)],
                "temperature": [float(number) for number in range(rows)],
                "bikes": [10 * month + number % 3 for number in range(rows)],
            })


def most(rows, target, values):
    """The largest target of each value."""
    return [max(rows.filter(pa.compute.equal(rows["station"], value))[target].to_pylist(), default=None)
            for value in values]


def half(rows):
    return ["early" if day.day < 15 else "late" for day in rows["at"].to_pylist()]


def the_median(training, judged):
    return np.full(judged.num_rows, np.median(training["bikes"].to_numpy()))
'''

CHANGES = {
    "sources:\n  files:\n    files: rentals.csv\n": (
        "sources:\n  made: {hook: generated, arguments: {rows: 40}}\n  files:\n    files: rentals.csv\n"
    ),
    "fields:\n": (
        "features: [{op: learnt, name: most, field: station, hook: most}]\n"
        "judge:\n"
        "  slices: [station, {hook: half}, {bands: temperature, at: [10, 20.5]}, {weekday: at}, {hour: at}]\n"
        "  baselines: [the_median]\n"
        "  at_most: {mae: 3}\n"
        "fields:\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rentals"


@pytest.fixture
def bring(folder: Path, rentals: str) -> Callable[..., Declaration]:
    """``bring(old, new)``: the use case, with a text of its ``hooks.py`` replaced."""

    def brought(old: str = "", new: str = "") -> Declaration:
        text, hooks = rentals, HOOKS
        for before, after in CHANGES.items():
            text = text.replace(before, after)
        assert old in hooks
        folder.mkdir(exist_ok=True)
        (folder / "usecase.yaml").write_text(text)
        (folder / "hooks.py").write_text(hooks.replace(old, new))
        return read(folder)

    return brought


def rows_of(declaration: Declaration, folder: Path, asked: Asked = EVERYTHING) -> pa.Table:
    with opened_rows(declaration, declaration.sources["made"], folder, asked=asked) as rows:
        return rows.table()


def test_a_function_gives_rows_which_go_the_way_of_all_others(bring: Callable[..., Declaration], folder: Path) -> None:
    declaration = bring()
    assert rows_of(declaration, folder).num_rows == 120
    assert set(rows_of(declaration, folder, Asked(["2024-02"]))["at"].to_pylist()) <= {
        datetime(2024, 2, day, hour) for day in range(1, 29) for hour in range(24)
    }
    assert rows_of(declaration, folder, Asked(since=datetime(2024, 3, 1))).num_rows == 40
    # the declaration rejects what is too hot
    assert rows_of(bring("float(number)", "float(number) + 30"), folder).num_rows == 93


def test_functions_learn_a_feature_cut_the_holdout_and_are_baselines(
    bring: Callable[..., Declaration], folder: Path
) -> None:
    declaration = bring()
    rows, _ = clean(declaration, rows_of(declaration, folder))
    (feature,) = fit_contract(declaration, rows).features
    assert isinstance(feature, Lookup)
    assert feature.table == [32.0, 32.0, None]
    found = slices(declaration, rows)
    assert list(found) == ["station", "half", "temperature", "weekday of at", "hour of at"]
    assert found["half"][:15] == ["early"] * 14 + ["late"]
    assert [found["temperature"][at] for at in (9, 10, 20, 21)] == [
        "under 10",
        "10 to 20.5",
        "10 to 20.5",
        "20.5 and more",
    ]
    assert (found["weekday of at"][0], found["hour of at"][:2]) == ("Monday", ["00", "01"])
    holdout = holdout_of(declaration, rows, rows)
    assert holdout.baselines["the median"].tolist() == [21.0] * 120


def test_a_model_below_the_declared_bars_is_refused(bring: Callable[..., Declaration], folder: Path) -> None:
    declaration = bring("", "")
    rows, _ = clean(declaration, rows_of(declaration, folder))
    holdout = holdout_of(declaration, None, rows)
    noise = np.where(np.arange(rows.num_rows) % 2, 3.5, -3.5)
    verdict = judge(holdout, Contestant("1", holdout.actual + noise), None, Terms(least_rows=50), 1, [])
    assert verdict.refusals == ["holdout MAE 3.500 bike is above the 3 that is asked for"]
    near = judge(holdout, Contestant("1", holdout.actual + noise / 2), None, Terms(least_rows=50), 1, [])
    assert near.refusals == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("yield pa.table", "yield str", "gives str where tables of Arrow are due"),
        (
            "for month in range(since",
            "raise OSError('no disk')\n    for month in range(since",
            "line 9: generated: OSError: no disk",
        ),
        ('"bikes": [10', '("b" if month == 2 else "bikes"): [10', "its parts have different columns"),
        ("2024-{month", "2025-{month", "gives no rows"),
    ],
)
def test_what_a_source_shouldnt_do_is_told(
    bring: Callable[..., Declaration], folder: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(Exception, match=said) as raised:
        rows_of(bring(old, new), folder, Asked(["2024-02", "2024-03"]))
    assert "Hook" in type(raised.value).__name__ or "Generated" in type(raised.value).__name__


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("[1.0]", "most: gives 1 numbers where 3 are due"),
        ("7", "most: gives int where numbers are due"),
        ("[1.0, float('nan'), None]", "numbers that aren't finite"),
        ("[1.0, 'x', None]", "most: gives list where numbers are due"),
        ("1 / 0", "line 22: most: ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_function_that_learns_shouldnt_give_is_told(
    bring: Callable[..., Declaration], folder: Path, returned: str, said: str
) -> None:
    declaration = bring('    """The largest target of each value."""\n', f"    return {returned}\n")
    rows, _ = clean(declaration, rows_of(declaration, folder))
    with pytest.raises(BadHook, match=said):
        fit_contract(declaration, rows)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("def most(", "def almost(", r"hooks.py has no function 'most': there is .*; did you mean 'almost'\?"),
        ("def most(", "def most(:", "is in hooks.py, which is no Python, line 21"),
    ],
)
def test_functions_that_arent_there_are_told_without_running_any(
    bring: Callable[..., Declaration], old: str, new: str, said: str
) -> None:
    with pytest.raises(BadDeclaration, match=said) as raised:
        bring(old, new)
    assert raised.value.problems[0].line > 1


def test_reading_runs_no_python_and_a_change_of_it_is_another_key(bring: Callable[..., Declaration]) -> None:
    before = digest_of(bring())
    assert digest_of(bring("import numpy as np", "import numpy as np\nraise SystemExit(7)")) != before
