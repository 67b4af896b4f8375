"""Does the model still keep what it promised?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.monitoring.errors import (
    Errors,
    chance_of_coverage,
    chance_of_promise,
    normal_chance_of_promise,
    root_mean_square,
)
from trainer.monitoring.measurement import Measurement
from trainer.monitoring.reference import Promise
from trainer.monitoring.statistics import holm
from trainer.monitoring.terms import Terms

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """Predictions whose outcome is known; arrays of shape (n,) in the outcome's unit."""

    actual: Values
    predicted: Values
    low: Values
    """Lower end of the promised interval; NaN where none was."""
    high: Values
    slices: Mapping[str, Sequence[str]]
    """For each way to cut them, the name of each row's part."""

    @property
    def errors(self) -> Errors:
        return self.actual - self.predicted


def decay(outcomes: Outcomes, promise: Promise, terms: Terms, seed: int) -> list[Measurement]:
    """Live figures beside the promised ones; at least one outcome."""
    return [*_overall(outcomes, promise, terms, seed), *_slices(outcomes, promise, terms)]


def _overall(outcomes: Outcomes, promise: Promise, terms: Terms, seed: int) -> Iterator[Measurement]:
    errors = outcomes.errors
    known = np.isfinite(outcomes.low) & np.isfinite(outcomes.high)
    inside = int(((outcomes.low <= outcomes.actual) & (outcomes.actual <= outcomes.high))[known].sum())
    chances = [chance_of_promise(errors, promise.rmse, terms.resamples, seed)]
    covers = promise.coverage is not None and known.any()
    if promise.coverage is not None and covers:
        chances.append(chance_of_coverage(inside, int(known.sum()), promise.coverage))
    adjusted = holm(chances)
    rmse, most = root_mean_square(errors), promise.rmse * (1 + terms.most_error_growth)
    yield Measurement(
        kind="error",
        name="all",
        measure="rmse",
        value=rmse,
        expected=promise.rmse,
        threshold=most,
        p_value=adjusted[0],
        alarm=rmse > most and adjusted[0] < terms.alpha,
    )
    yield Measurement(kind="error", name="all", measure="mae", value=float(np.abs(errors).mean()), expected=promise.mae)
    if promise.coverage is not None and covers:
        share, least = inside / int(known.sum()), promise.coverage - terms.most_coverage_loss
        yield Measurement(
            kind="error",
            name="all",
            measure="coverage",
            value=share,
            expected=promise.coverage,
            threshold=least,
            p_value=adjusted[1],
            alarm=share < least and adjusted[1] < terms.alpha,
        )


def _slices(outcomes: Outcomes, promise: Promise, terms: Terms) -> list[Measurement]:
    """Each beside the same slice of the holdout; one that was as small there promises nothing."""
    promised = {(part.by, part.name): part.rmse for part in promise.slices if part.rows >= terms.least_slice_rows}
    parts = list(_parts(outcomes))
    decide = [key in promised and len(errors) >= terms.least_slice_rows for key, errors in parts]
    chances = [
        normal_chance_of_promise(errors, promised[key]) for (key, errors), yes in zip(parts, decide, strict=True) if yes
    ]
    adjusted = iter(holm(chances))
    return [
        _slice(key, errors, promised.get(key), next(adjusted) if yes else None, terms)
        for (key, errors), yes in zip(parts, decide, strict=True)
    ]


def _parts(outcomes: Outcomes) -> Iterator[tuple[tuple[str, str], Errors]]:
    for by, labels in outcomes.slices.items():
        names, part_of = np.unique(np.asarray(labels), return_inverse=True)
        for position, name in enumerate(names):
            yield (by, str(name)), outcomes.errors[part_of == position]


def _slice(
    key: tuple[str, str], errors: Errors, promised: float | None, p_value: float | None, terms: Terms
) -> Measurement:
    rmse = root_mean_square(errors)
    most = None if promised is None or p_value is None else promised * (1 + terms.most_slice_growth)
    return Measurement(
        kind="slice",
        name=": ".join(key),
        measure="rmse",
        value=rmse,
        expected=promised,
        threshold=most,
        p_value=p_value,
        alarm=most is not None and p_value is not None and rmse > most and p_value < terms.alpha,
    )
