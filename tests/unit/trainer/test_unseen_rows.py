"""What judges a candidate where the champion has learnt from the holdout, or from a part of it."""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from contract.booster import LoadedModel
from trainer.data.months import Month
from trainer.flows.judging import JudgingRows, judge_beside_champion
from trainer.flows.plan import Holdout
from trainer.gate.rendering import markdown
from trainer.gate.terms import Terms
from trainer.gate.verdict import Verdict
from trainer.modelling.bundles import seal
from trainer.modelling.examples import featurise
from trainer.modelling.fit import fit
from trainer.modelling.parameters import Boosting
from trainer.registry.champion import LearntFrom, NoSuchVersion
from trainer.usecases.trips.features import fit_contract

FEBRUARY = Month(2021, 2)
FIRST, END = datetime(2021, 2, 1), datetime(2021, 3, 1)


def judging(february: pa.Table, days: int | None = None) -> JudgingRows:
    return JudgingRows("synthetic", "green", Holdout(FEBRUARY, days), february)


def learnt(*months: str, days: int | None = None, source: str | None = "synthetic") -> LearntFrom:
    return LearntFrom(source, "green", months, days)


@pytest.mark.parametrize(
    ("champion", "begins"),
    [
        (learnt("2020-12", "2021-01"), FIRST),
        (learnt("2021-01", "2021-02", days=7), datetime(2021, 2, 22)),
        (learnt("2021-01", "2021-02", days=27), datetime(2021, 2, 2)),
        (learnt("2021-02", "2021-03", days=7), END),  # the days that it held back are another month's
        (learnt("2021-02"), END),
        (learnt("2021-02", source="tlc"), FIRST),  # other trips
        (LearntFrom("synthetic", "yellow", ["2021-02"]), FIRST),
        (learnt("2021-02", source=None), END),
        (learnt(), FIRST),
    ],
)
def test_a_version_has_seen_the_months_that_it_learnt_from_but_for_the_days_that_it_held_back(
    february: pa.Table, champion: LearntFrom, begins: datetime
) -> None:
    assert judging(february).unseen_from(champion) == begins


def test_the_days_that_judge_begin_where_both_have_seen_nothing(february: pa.Table) -> None:
    champion = learnt("2021-02", days=7)
    assert judging(february, days=10).unseen_from(champion) == datetime(2021, 2, 22)
    assert judging(february, days=3).unseen_from(champion) == datetime(2021, 2, 26)


def test_the_part_that_the_champion_has_not_seen_judges_if_it_is_enough(february: pa.Table) -> None:
    rows = judging(february)
    share = rows.beside(learnt("2021-02", days=7), least_rows=500)
    assert 500 <= share.table.num_rows < february.num_rows
    assert share.left_out == february.num_rows - share.table.num_rows
    assert share.champion_saw == 0
    assert min(share.table["pickup_at"].to_pylist()) >= datetime(2021, 2, 22)

    too_few = rows.beside(learnt("2021-02", days=7), least_rows=share.table.num_rows + 1)
    assert (too_few.table.num_rows, too_few.left_out) == (february.num_rows, 0)
    assert too_few.champion_saw == share.left_out

    nothing = rows.beside(learnt("2021-01"), least_rows=february.num_rows + 1)
    assert (nothing.table.num_rows, nothing.left_out, nothing.champion_saw) == (february.num_rows, 0, 0)


@dataclass
class Versions:
    """A registry whose champion lies in a folder."""

    bundle: Path
    learnt: LearntFrom | None
    model: str = "trip-duration"

    def version_of(self, alias: str) -> str:
        return {"champion": "7"}[alias]

    def learnt_from(self, version: str) -> LearntFrom:
        if self.learnt is None:
            raise NoSuchVersion("trip-duration", version)
        return self.learnt

    def download(self, version: str, into: Path) -> Path:
        return Path(shutil.copytree(self.bundle, into / version))


def trained(training: pa.Table, folder: Path, rounds: int) -> LoadedModel:
    folder.mkdir()
    contract, parameters = fit_contract(training), Boosting(max_depth=4).for_xgboost(seed=1)
    return seal(folder, contract, fit(featurise(contract, training), parameters, rounds), training)


def verdict(january: pa.Table, february: pa.Table, champion: LearntFrom | None, folder: Path) -> Verdict:
    """Of a training on January, beside a champion that has learnt from January too, whatever it says of itself."""
    trained(january, folder / "champion", 25)
    candidate = trained(january, folder / "candidate", 60)
    versions = cast("Any", Versions(folder / "champion", champion))
    terms = Terms(resamples=200, least_rows=500, least_slice_rows=10_000)
    return judge_beside_champion(versions, "8", candidate, january, judging(february), terms, 1, [])


def test_a_training_is_judged_on_what_neither_has_seen(january: pa.Table, february: pa.Table, tmp_path: Path) -> None:
    found = verdict(january, february, learnt("2021-01", "2021-02", days=7), tmp_path)

    assert found.rows < february.num_rows
    assert found.left_out == february.num_rows - found.rows
    assert found.promotes
    assert f"the champion has learnt from the other {found.left_out:,}" in found.reason
    assert "which no model or baseline has learnt from (the champion" in markdown(found)


def test_a_verdict_says_that_the_champion_has_seen_all_that_judges(
    january: pa.Table, february: pa.Table, tmp_path: Path
) -> None:
    found = verdict(january, february, learnt("2021-02"), tmp_path)

    assert found.rows == found.champion_saw == february.num_rows
    assert f"the champion has learnt from {found.rows:,} of the {found.rows:,} rows" in found.reason
    assert "no model" not in markdown(found)


@pytest.mark.parametrize("unknown", [None, LearntFrom(None, None, [])])
def test_a_champion_of_which_nothing_is_known_is_named(
    january: pa.Table, february: pa.Table, tmp_path: Path, unknown: LearntFrom | None
) -> None:
    found = verdict(january, february, unknown, tmp_path)

    assert found.rows == february.num_rows
    assert "what the champion, version 7, has learnt from isn't known" in found.notes
