"""What a model must beat to be worth having: predictors that take a minute to write."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from trainer.usecases.trips.fields import OUTPUT, ZONES

Values = NDArray[np.float64]


def baselines(training: pa.Table, judged: pa.Table) -> Mapping[str, Values]:
    """Minutes of the judged trips as simple predictors say them, learnt from the clean training trips."""
    return {
        "the mean": np.full(judged.num_rows, np.mean(_minutes(training))),
        "the zone pair's median": _pair_medians(training, judged),
        "ridge regression on zones and distance": _ridge(training, judged),
    }


def _minutes(trips: pa.Table) -> Values:
    minutes: Values = trips[OUTPUT.name].to_numpy()
    return minutes


def _pair_medians(training: pa.Table, judged: pa.Table) -> Values:
    """The median of all where a pair was never seen."""
    minutes, pairs = _minutes(training), _pairs(training)
    order = np.lexsort((minutes, pairs))
    pairs, minutes = pairs[order], minutes[order]
    known, first, count = np.unique(pairs, return_index=True, return_counts=True)
    medians = (minutes[first + (count - 1) // 2] + minutes[first + count // 2]) / 2
    asked = _pairs(judged)
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[at] == asked, medians[at], np.median(minutes))


def _pairs(trips: pa.Table) -> NDArray[np.int64]:
    start, end = (trips[name].to_numpy().astype(np.int64) for name in ("pu_location_id", "do_location_id"))
    pairs: NDArray[np.int64] = start * ZONES.stop + end
    return pairs


def _ridge(training: pa.Table, judged: pa.Table) -> Values:
    pipeline = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), [0, 1]),
            (StandardScaler(), [2]),
        ),
        Ridge(),
    )
    predicted: Values = pipeline.fit(_columns(training), _minutes(training)).predict(_columns(judged))
    return predicted


def _columns(trips: pa.Table) -> Values:
    return np.column_stack([trips[name].to_numpy() for name in ("pu_location_id", "do_location_id", "trip_distance")])
