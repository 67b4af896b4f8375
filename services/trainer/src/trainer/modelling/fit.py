"""Fits boosters: one that stops early on later rows, then one on all rows with the number of trees so found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xgboost

from trainer.modelling.examples import Examples


@dataclass(frozen=True)
class EarlyStopped:
    """A booster cut at its best round."""

    booster: xgboost.Booster
    rounds: int


def fit_with_early_stopping(
    earlier: Examples, later: Examples, parameters: Mapping[str, Any], max_rounds: int, patience: int
) -> EarlyStopped:
    """Learns from the earlier rows until the RMSE on the later ones hasn't improved for ``patience`` rounds."""
    training = _matrix(earlier)
    validation = _matrix(later, like=training)
    booster = xgboost.train(
        {**parameters, "eval_metric": "rmse"},
        training,
        num_boost_round=max_rounds,
        evals=[(validation, "validation")],
        early_stopping_rounds=patience,
        verbose_eval=False,
    )
    rounds = booster.best_iteration + 1
    return EarlyStopped(booster[:rounds], rounds)


def fit(examples: Examples, parameters: Mapping[str, Any], rounds: int) -> xgboost.Booster:
    """Learns ``rounds`` trees from all rows."""
    return xgboost.train(dict(parameters), _matrix(examples), num_boost_round=rounds)


def _matrix(examples: Examples, like: xgboost.QuantileDMatrix | None = None) -> xgboost.QuantileDMatrix:
    return xgboost.QuantileDMatrix(examples.features, examples.outcome, feature_names=examples.names, ref=like)


def read_booster(path: Path) -> xgboost.Booster:
    """A booster that ``save_model`` wrote."""
    booster = xgboost.Booster()
    booster.load_model(path)
    return booster
