"""How good predictions are."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import xgboost
from contract import Interval
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from trainer.modelling.examples import Examples

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Metrics:
    """Errors in the outcome's unit; R² without one."""

    rmse: float
    mae: float
    r2: float
    p90_error: float
    """Nine in ten predictions are at most this far off."""

    def named(self, split: str) -> dict[str, float]:
        """As ``{"holdout_rmse": …}``."""
        return {f"{split}_{name}": value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Predicted:
    """Rows of one split with what a booster says of them; arrays of shape (n,) in the outcome's unit."""

    actual: Values
    predicted: Values

    @classmethod
    def by(cls, booster: xgboost.Booster, examples: Examples) -> "Predicted":
        return cls(examples.outcome, booster.inplace_predict(examples.features))

    @property
    def residuals(self) -> Values:
        return self.actual - self.predicted


def measure_splits(splits: Mapping[str, Predicted], interval: Interval) -> dict[str, float]:
    """Metrics of every split, and how the holdout does against the interval and against always saying the mean.

    Args:
        splits: ``train``, ``validation`` and ``holdout``.
    """
    metrics: dict[str, float] = {}
    for name, split in splits.items():
        metrics |= measure(split.actual, split.predicted).named(name)
    holdout, mean = splits["holdout"], np.full_like(splits["holdout"].actual, splits["train"].actual.mean())
    return metrics | {
        "holdout_interval_coverage": covered(holdout.actual, holdout.predicted, interval),
        "holdout_rmse_of_the_mean": measure(holdout.actual, mean).rmse,
    }


def measure(actual: Values, predicted: Values) -> Metrics:
    """Metrics of predictions of shape (n,)."""
    return Metrics(
        rmse=float(root_mean_squared_error(actual, predicted)),
        mae=float(mean_absolute_error(actual, predicted)),
        r2=float(r2_score(actual, predicted)),
        p90_error=float(np.quantile(np.abs(actual - predicted), 0.9)),
    )


def calibrate(actual: Values, predicted: Values, coverage: float) -> Interval:
    """The interval around a prediction that holds the outcome with the stated probability.

    Split conformal prediction with signed residuals (Papadopoulos et al. 2002; Lei et al. 2018), each tail with half of
    the error, on rows that the booster hasn't learnt from.
    """
    residuals = np.sort((actual - predicted).astype(np.float64))
    n, tail = len(residuals), (1 - coverage) / 2
    lower = residuals[max(int(np.floor(tail * (n + 1))) - 1, 0)]
    upper = residuals[min(int(np.ceil((1 - tail) * (n + 1))) - 1, n - 1)]
    return Interval(coverage=coverage, lower=float(lower), upper=float(upper))


def covered(actual: Values, predicted: Values, interval: Interval) -> float:
    """Share of outcomes inside the interval."""
    residuals = actual - predicted
    return float(np.mean((residuals >= interval.lower) & (residuals <= interval.upper)))
