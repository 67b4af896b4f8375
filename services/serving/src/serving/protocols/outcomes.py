"""Predictions with their intervals, column by column."""

from dataclasses import dataclass

import numpy as np
from contract import Output
from contract.booster import LoadedModel
from contract.features import Matrix
from contract.fields import Column

from serving.errors import NotFinite


@dataclass(frozen=True)
class Outcome:
    """What a model says of n rows."""

    predictions: Column
    """float64 of shape (n,), in the output's unit; all finite."""
    intervals: Column | None
    """float64 of shape (n, 2); None for a model without intervals."""


def outcome(model: LoadedModel, features: Matrix, first_row: int = 0) -> Outcome:
    """Predicts rows of features.

    Args:
        first_row: number of the first row, for an error's text.

    Raises:
        NotFinite: a prediction isn't a number.
    """
    if not len(features):
        return Outcome(np.empty(0), around(model.contract.output, np.empty(0)))
    predictions = model.predict(features).astype(np.float64)
    finite = np.isfinite(predictions)
    if not finite.all():
        at = int(np.argmin(finite))
        raise NotFinite(first_row + at, predictions[at].item())
    return Outcome(predictions, around(model.contract.output, predictions))


def around(output: Output, predictions: Column) -> Column | None:
    """``Output.around`` of each prediction, to the bit, as float64 of shape (n, 2)."""
    if output.interval is None:
        return None
    bounds = np.empty((len(predictions), 2))
    low = predictions + output.interval.lower
    if output.minimum is not None:
        # where, not maximum and minimum: of 0.0 and -0.0 it takes the one that Python's max and min take
        low = np.where(output.minimum > low, output.minimum, low)
        low = np.where(predictions < low, predictions, low)
    bounds[:, 0] = low
    bounds[:, 1] = predictions + output.interval.upper
    return bounds
