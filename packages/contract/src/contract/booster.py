"""A bundle's booster, ready to predict. Needs the extra ``xgboost``.

What predicts is the compiled walk of ``treewalk``, XGBoost's result to the last bit. XGBoost itself takes sound models
of another kind. Neither loads the Python package ``xgboost``.

The walk trusts nothing. XGBoost trusts what it reads: a model that the walk doesn't know may end the process. So a
model that nobody has loaded yet is loaded in a process that may end (``serving.trial``).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from treewalk import Forest, Malformed, Unsupported

from contract import bundle, libxgboost
from contract.document import Contract
from contract.errors import UnusableModel
from contract.rows import Row, Rows

Matrix = NDArray[np.float32]
ROWS_WORTH_A_THREAD = 4_096
"""Eight milliseconds of the walk: fewer are done before a thread has started."""


@dataclass(frozen=True)
class LoadedModel:
    """A bundle that has shown, by its golden rows, that it predicts here what it predicted in training. Thread-safe."""

    contract: Contract
    engine: str
    """``treewalk`` or ``xgboost``: what predicts."""
    fallback: str | None
    """Why XGBoost's own prediction is used; None where the walk is."""
    threads: int
    _model: bytes = field(repr=False)
    _forest: Forest | None = field(repr=False)

    @cached_property
    def rows(self) -> Rows:
        return Rows(self.contract)

    @cached_property
    def booster(self) -> libxgboost.Booster:
        """XGBoost's, loaded when something first needs it.

        Raises:
            UnusableModel: XGBoost can't load it.
        """
        try:
            return libxgboost.Booster(self._model, self.threads)
        except libxgboost.XGBoostError as error:
            raise UnusableModel(f"{bundle.MODEL}: XGBoost can't load it: {error}") from error

    @property
    def objective(self) -> str:
        """XGBoost's name of it, such as ``reg:squarederror``."""
        return self.booster.objective if self._forest is None else self._forest.objective

    def predict(self, features: Matrix) -> Matrix:
        """Feature matrix of shape (n, k), float32, to predictions of shape (n,) in the output's unit."""
        if self._forest is None:
            return self.booster.predict(features)
        matrix = np.ascontiguousarray(features, dtype=np.float32)
        parts = min(self.threads, len(matrix) // ROWS_WORTH_A_THREAD)
        if parts < 2:
            return self._forest.predict(matrix)
        with ThreadPoolExecutor(parts) as pool:
            return np.concatenate(list(pool.map(self._forest.predict, np.array_split(matrix, parts))))

    @cached_property
    def predict_row(self) -> Callable[[Row], float]:
        """The function from one validated row (``contract.rows``) to its prediction in the output's unit."""
        values = self.contract.compiled.values
        if self._forest is None:
            booster = self.booster
            return lambda row: booster.predict(np.array([values(row)], dtype=np.float32)).item()
        predict = self._forest.row
        return lambda row: predict(values(row))

    def explain(self, features: Matrix) -> Matrix:
        """Exact TreeSHAP contributions, float32 of shape (n, k + 1): of each feature, and last the bias.

        They add up to the trees' sum, which is the prediction where the objective has no link function.
        """
        return self.booster.contributions(features)


def load(folder: Path, *, threads: int = 1) -> LoadedModel:
    """Reads, checks and warms up the bundle in a folder.

    Args:
        threads: for large batches; one row never takes more than one.

    Raises:
        ContractError: whatever is wrong with the bundle, as the error that names it.
    """
    found = bundle.read(folder)
    forest, reason = _forest(found.model)
    model = LoadedModel(
        contract=found.contract,
        engine="xgboost" if forest is None else "treewalk",
        fallback=reason,
        threads=threads,
        _model=found.model,
        _forest=forest,
    )
    _check_shape(model)
    found.golden.check(found.contract, model.predict_row)
    return model


def _forest(model: bytes) -> tuple[Forest | None, str | None]:
    try:
        return Forest.of(model), None
    except Malformed as error:
        raise UnusableModel(f"{bundle.MODEL}: {error}") from error
    except Unsupported as error:
        return None, error.reason


def _check_shape(model: LoadedModel) -> None:
    expected = len(model.contract.features)
    found = model.booster.features if model._forest is None else model._forest.features  # noqa: SLF001
    if found != expected:
        raise UnusableModel(f"{bundle.MODEL} takes {found} features, the contract has {expected}")
    try:
        predictions = model.predict(np.full((1, expected), np.nan, dtype=np.float32))
    except libxgboost.XGBoostError as error:
        raise UnusableModel(f"{bundle.MODEL}: XGBoost can't predict: {error}") from error
    if predictions.shape != (1,):
        raise UnusableModel(f"{bundle.MODEL} gives {predictions.size} predictions for a row, the contract wants one")
