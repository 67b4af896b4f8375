"""Fits boosters: one that stops early on later rows, then one on all rows with the number of trees so found."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import xgboost

from trainer.modelling.examples import Examples


@dataclass(frozen=True)
class EarlyStopped:
    """A booster cut at its best round."""

    booster: xgboost.Booster
    rounds: int
    rmse: float
    """Of that round, on the later rows, in the outcome's unit."""


@dataclass(frozen=True)
class Matrices:
    """Earlier rows to learn from and later ones to watch, as XGBoost wants them; threads may fit on them at once."""

    training: xgboost.QuantileDMatrix
    validation: xgboost.QuantileDMatrix

    @classmethod
    def of(cls, earlier: Examples, later: Examples) -> Self:
        training = _matrix(earlier)
        return cls(training, _matrix(later, like=training))


def fit_with_early_stopping(
    matrices: Matrices,
    parameters: Mapping[str, Any],
    max_rounds: int,
    patience: int,
    callbacks: Sequence[xgboost.callback.TrainingCallback] = (),
) -> EarlyStopped:
    """Learns from the earlier rows until the RMSE on the later ones hasn't improved for ``patience`` rounds.

    Args:
        callbacks: XGBoost's, called after each round; in their log of evaluations the later rows are ``validation``.
    """
    booster = xgboost.train(
        {**parameters, "eval_metric": "rmse"},
        matrices.training,
        num_boost_round=max_rounds,
        evals=[(matrices.validation, "validation")],
        early_stopping_rounds=patience,
        verbose_eval=False,
        callbacks=list(callbacks),
    )
    rounds = booster.best_iteration + 1
    return EarlyStopped(booster[:rounds], rounds, booster.best_score)


def fit(examples: Examples, parameters: Mapping[str, Any], rounds: int) -> xgboost.Booster:
    """Learns ``rounds`` trees from all rows."""
    return xgboost.train(dict(parameters), _matrix(examples), num_boost_round=rounds)


def _matrix(examples: Examples, like: xgboost.QuantileDMatrix | None = None) -> xgboost.QuantileDMatrix:
    def build() -> xgboost.QuantileDMatrix:
        return xgboost.QuantileDMatrix(examples.features, examples.outcome, feature_names=examples.names, ref=like)

    # XGBoost calls back to Python meanwhile, where the exception of a signal is lost, and with it a run's cancellation:
    # signals are the main thread's, which waits here
    with ThreadPoolExecutor(1, thread_name_prefix="matrix") as pool:
        return pool.submit(build).result()


def read_booster(path: Path) -> xgboost.Booster:
    """A booster that ``save_model`` wrote."""
    booster = xgboost.Booster()
    booster.load_model(path)
    return booster
