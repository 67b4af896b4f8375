"""One trial: a booster that stops early, or earlier, since others at its point were better."""

import math
from typing import Any

import xgboost
from optuna import Trial, TrialPruned

from trainer.modelling.fit import Matrices, fit_with_early_stopping
from trainer.modelling.parameters import Boosting
from trainer.search.limit import Interrupted, Limit
from trainer.search.outcome import Result


def attempt(
    trial: Trial, boosting: Boosting, matrices: Matrices, seed: int, threads: int, limit: Limit, *, prune: bool
) -> Result:
    """Fits, and reports to the trial on the way.

    Args:
        threads: of XGBoost.
        prune: whether it may be given up for being worse than others.

    Raises:
        optuna.exceptions.StorageInternalError: the study can't be reached.
    """
    watch = _Watch(trial, boosting.learning_rate, limit, prune=prune)
    parameters = {**boosting.for_xgboost(seed), "nthread": threads}
    try:
        found = fit_with_early_stopping(
            matrices, parameters, boosting.max_rounds, boosting.early_stopping_rounds, [watch]
        )
    except TrialPruned:
        return Result("pruned", watch.rounds, watch.rmse)
    except Interrupted:
        return Result("interrupted", watch.rounds, watch.rmse)
    except (xgboost.core.XGBoostError, MemoryError, ValueError) as error:
        return Result("failed", reason=f"{type(error).__name__}: {_first_line(error)}")
    if not math.isfinite(found.rmse):
        return Result("failed", reason=f"the validation RMSE is {found.rmse}")
    return Result("complete", found.rounds, found.rmse)


def _first_line(error: BaseException) -> str:
    """XGBoost adds its C++ stack."""
    return next(iter(str(error).strip().splitlines()), "")


class _Watch(xgboost.callback.TrainingCallback):  # type: ignore[misc]  # XGBoost publishes no types
    """Called after each round.

    Reports are made each time that the sum of learning rates passes a whole number: after as many rounds, a booster
    that learns slowly would always look worse than one that learns fast.
    """

    def __init__(self, trial: Trial, learning_rate: float, limit: Limit, *, prune: bool) -> None:
        super().__init__()
        self._trial = trial
        self._learning_rate = learning_rate
        self._limit = limit
        self._prune = prune
        self._reported = 0
        self.rounds = 0
        self.rmse: float | None = None

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Raises TrialPruned or Interrupted."""
        rmse = float(evals_log["validation"]["rmse"][-1])
        if self.rmse is None or rmse < self.rmse:
            self.rounds, self.rmse = epoch + 1, rmse
        self._limit.check()
        # rounded: ten times 0.1 is a little less than 1
        step = math.floor(round((epoch + 1) * self._learning_rate, 6))
        if step > self._reported:
            self._reported = step
            self._trial.report(rmse, step)
            if self._prune and self._trial.should_prune():
                raise TrialPruned
        return False
