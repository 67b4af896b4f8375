"""The holdout error of a use case's default training beside scikit-learn's gradient boosting, on the same rows.

``python -m benchmarks.tables FOLDER``: a folder with diamonds.csv, hotel-rates.csv and flights-2013-*.csv, which come
from R's example data. Writes tables.md.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from contract.columns import encode_column
from contract.fields import Category
from sklearn.ensemble import HistGradientBoostingRegressor
from trainer.flows.steps.preparation import LATER_SHARE
from trainer.gate.rendering import table
from trainer.modelling.examples import featurise, split_by_time
from trainer.modelling.fit import Matrices, fit, fit_with_early_stopping
from trainer.usecase.cleaning import clean
from trainer.usecase.contracts import fields_of, fit_contract
from trainer.usecase.declaration import Declaration
from trainer.usecase.new.command import Choices, create
from trainer.usecase.periods import Period
from trainer.usecase.planning import plan
from trainer.usecase.reading import read
from trainer.usecase.rows import opened_rows
from trainer.usecase.splitting import ordered, split_by_key

RESULTS = Path(__file__).with_name("tables.md")
SEED = 1
MOST_CATEGORIES = 255
"""That scikit-learn's takes as such; more are codes to it."""


@dataclass(frozen=True)
class Case:
    """A table, and what isn't known when a prediction is asked for."""

    name: str
    data: str
    target: str
    unknown: Sequence[str] = ()


CASES = (
    Case("diamonds", "diamonds.csv", "price"),
    Case("hotel-rates", "hotel-rates.csv", "avg_price_per_room"),
    Case("flights", "flights-2013-*.csv", "arr_delay", ("dep_time", "dep_delay", "arr_time", "air_time")),
)


@dataclass(frozen=True)
class Split:
    training: pa.Table
    holdout: pa.Table


def main() -> int:
    """Exit code 0, whatever the figures say."""
    if len(sys.argv) != 2:
        print(__doc__)  # noqa: T201
        return 2
    rows = [compared(case, Path(sys.argv[1]).absolute()) for case in CASES]
    heads = ["table", "rows to learn from", "to be judged on", "the mean", "scikit-learn", "ours", "ratio", "seconds"]
    text = (
        "# The default training beside scikit-learn's\n\n"
        "RMSE on the holdout, in the target's unit. `HistGradientBoostingRegressor` with its defaults, categories as\n"
        "such, on the rows and fields that `make new` chose; of flights, those that are known before departure.\n"
        "Seconds: of our whole training, features included.\n\n"
        "```\n.venv/bin/python -m benchmarks.tables FOLDER      # with the CSVs\n```\n\n"
        f"{table(heads, rows)}\n"
    )
    RESULTS.write_text(text)
    print(text)  # noqa: T201
    return 0


def compared(case: Case, folder: Path) -> list[str]:
    """A row of the results."""
    declaration = declared(case, folder)
    split = split_of(declaration)
    begun = time.monotonic()
    own = rmse(declaration, split, ours)
    seconds = time.monotonic() - begun
    theirs = rmse(declaration, split, scikit_learns)
    mean = rmse(declaration, split, the_mean)
    return [
        f"{case.name}: {case.target}",
        f"{split.training.num_rows:,}",
        f"{split.holdout.num_rows:,}",
        *(f"{error:.2f}" for error in (mean, theirs, own)),
        f"{own / theirs:.3f}",
        f"{seconds:.1f}",
    ]


def declared(case: Case, folder: Path) -> Declaration:
    """As ``make new`` writes it, without the fields that aren't known."""
    with TemporaryDirectory() as usecases:
        create(Choices(case.name, str(folder / case.data), case.target), Path(usecases), folder)
        found = read(Path(usecases) / case.name)
    fields = {name: field for name, field in found.fields.items() if name not in case.unknown}
    source = found.sources["files"].model_copy(update={"files": str(folder / case.data)})
    return found.model_copy(update={"fields": fields, "sources": {"files": source}})


def split_of(declaration: Declaration) -> Split:
    """As a training has them."""
    source = next(iter(declaration.sources.values()))
    with opened_rows(declaration, source, Path.cwd()) as rows:
        counts, everything = rows.counts(), rows.table_with_periods()
    used, _ = clean(declaration, everything)
    kind = declaration.table.period
    if kind == "all":
        training, holdout = split_by_key(declaration, used)
    else:
        accepted = {Period(day, kind): counted.accepted for day, counted in counts.items()}
        planned = plan(accepted, declaration.train.last, declaration.judge.holdout)
        training, holdout = (_of(used, periods) for periods in (planned.training, planned.holdout))
    return Split(ordered(declaration, training), holdout)


def _of(rows: pa.Table, periods: Sequence[Period]) -> pa.Table:
    return rows.filter(pc.is_in(rows["_period"], value_set=pa.array([period.first_day for period in periods])))


Predict = Callable[[Declaration, Split], np.ndarray]


def rmse(declaration: Declaration, split: Split, predict: Predict) -> float:
    errors = predict(declaration, split) - outcome(declaration, split.holdout)
    return float(np.sqrt(np.mean(np.square(errors))))


def outcome(declaration: Declaration, rows: pa.Table) -> np.ndarray:
    found: np.ndarray = rows[declaration.target.column].to_numpy().astype(np.float64)
    return found


def the_mean(declaration: Declaration, split: Split) -> np.ndarray:
    return np.full(split.holdout.num_rows, outcome(declaration, split.training).mean())


def ours(declaration: Declaration, split: Split) -> np.ndarray:
    """As the flow ``train`` fits it."""
    boosting = declaration.train.boosting
    earlier, later = split_by_time(split.training, LATER_SHARE)
    watched, _ = split_by_time(later, 0.5)
    fitted, final = fit_contract(declaration, earlier), fit_contract(declaration, split.training)
    matrices = Matrices.of(featurise(fitted, earlier), featurise(fitted, watched))
    parameters = boosting.for_xgboost(SEED)
    stopped = fit_with_early_stopping(matrices, parameters, boosting.max_rounds, boosting.early_stopping_rounds)
    booster = fit(featurise(final, split.training), parameters, stopped.rounds)
    found: np.ndarray = booster.inplace_predict(featurise(final, split.holdout).features)
    return found


def scikit_learns(declaration: Declaration, split: Split) -> np.ndarray:
    """With the same fields as numbers; times as seconds."""
    fields = list(fields_of(declaration))
    native = [isinstance(field, Category) and len(field.values) < MOST_CATEGORIES for field in fields]
    training, holdout = (
        np.column_stack([encode_column(field, rows[field.name]) for field in fields])
        for rows in (split.training, split.holdout)
    )
    model = HistGradientBoostingRegressor(categorical_features=native, random_state=SEED)
    found: np.ndarray = model.fit(training, outcome(declaration, split.training)).predict(holdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
