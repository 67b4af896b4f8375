"""The gate itself: is the candidate better than all that it must beat, everywhere that counts?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainer.gate.bootstrap import Difference, differences
from trainer.gate.terms import Terms
from trainer.gate.verdict import CHAMPION, Comparison, Slice, Verdict, interval

Values = NDArray[np.float32] | NDArray[np.float64]

TELLING = 0.99
"""Rank correlation with the outcome beyond which an input is taken for the outcome itself."""


@dataclass(frozen=True)
class Contestant:
    """A registered version and what it says of the holdout."""

    version: str
    predicted: Values
    """Shape (n,), in the outcome's unit."""


@dataclass(frozen=True)
class Bars:
    """What any model must keep, whatever it is compared to; None for no bar."""

    rmse: float | None = None
    mae: float | None = None
    """At most, in the outcome's unit."""
    r2: float | None = None
    """At least."""


@dataclass(frozen=True)
class Holdout:
    """Rows that neither the candidate nor a baseline has learnt from; all arrays of shape (n,)."""

    actual: Values
    unit: str
    inputs: Mapping[str, Values]
    """The numeric raw fields; NaN is missing."""
    slices: Mapping[str, Sequence[str]]
    """For each way to cut it, the name of each row's part."""
    baselines: Mapping[str, Values] = field(default_factory=dict)
    """What simple predictors say, which a model must beat."""
    bars: Bars = Bars()


def judge(
    holdout: Holdout, candidate: Contestant, champion: Contestant | None, terms: Terms, seed: int, notes: Sequence[str]
) -> Verdict:
    """Judges both on the same rows. Deterministic.

    Args:
        notes: Said in the verdict beside the numbers, such as why there is no champion.
    """
    actual = holdout.actual.astype(np.float64)
    others = dict(holdout.baselines) | ({} if champion is None else {CHAMPION: champion.predicted})
    errors = {name: actual - predicted for name, predicted in others.items()}
    own = actual - candidate.predicted
    comparisons, slices = [], []
    explained = 1 - _rmse(own) ** 2 / float(actual.var()) if len(actual) and actual.var() else float("nan")
    if len(actual) >= terms.least_rows:
        found = differences(own, errors, terms.confidence, terms.resamples, seed)
        comparisons = [_comparison(name, errors[name], difference) for name, difference in found.items()]
        if champion is not None:
            slices = list(_slices(holdout.slices, own, errors[CHAMPION], terms.least_slice_rows))
    verdict = Verdict(
        candidate=candidate.version,
        champion=champion.version if champion else None,
        unit=holdout.unit,
        rows=len(actual),
        rmse=_rmse(own),
        explained=explained,
        comparisons=comparisons,
        slices=slices,
        refusals=[],
        notes=list(notes),
        terms=terms,
        seed=seed,
    )
    return verdict.model_copy(update={"refusals": list(_refusals(verdict, holdout, _mae(own)))})


def _refusals(verdict: Verdict, holdout: Holdout, mae: float) -> Iterator[str]:
    terms = verdict.terms
    if verdict.rows < terms.least_rows and not (verdict.serves_unjudged and verdict.rows):
        yield f"undecidable: the holdout has {verdict.rows} rows, fewer than {terms.least_rows}"
        return
    if not np.isfinite(verdict.rmse):
        yield "the candidate's predictions aren't all finite"
    yield from _below_the_bars(verdict, holdout.bars, mae)
    if verdict.rows < terms.least_rows:
        return
    yield from _leaks(verdict, holdout)
    for found in verdict.comparisons:
        if not found.beaten:
            yield (
                f"holdout RMSE {verdict.rmse:.3f} is not surely below {_of(found.against)} {found.rmse:.3f}"
                f" {interval(found)}"
            )
    for part in sorted(verdict.slices, key=lambda part: -part.loss):
        if part.decides and not part.loss <= terms.most_slice_loss:
            yield (
                f"worse on {part.by} {part.name}: RMSE {part.candidate:.3f}, the champion's {part.champion:.3f}"
                f" ({part.loss:+.1%} of at most {terms.most_slice_loss:+.0%}, {part.rows:,} rows)"
            )


def _below_the_bars(verdict: Verdict, bars: Bars, mae: float) -> Iterator[str]:
    unit = f" {verdict.unit}" if verdict.unit else ""
    for name, found, bar in (("RMSE", verdict.rmse, bars.rmse), ("MAE", mae, bars.mae)):
        if bar is not None and not found <= bar:
            yield f"holdout {name} {found:.3f}{unit} is above the {bar:g} that is asked for"
    if bars.r2 is not None and not verdict.explained >= bars.r2:
        yield f"holdout R² {verdict.explained:.3f} is below the {bars.r2:g} that is asked for"


def _leaks(verdict: Verdict, holdout: Holdout) -> Iterator[str]:
    if verdict.explained > 1 - verdict.terms.least_unexplained:
        yield f"too good to be true: explains {verdict.explained:.2%} of the variance, so it has seen the outcome"
    for name, values in holdout.inputs.items():
        if (correlation := _rank_correlation(values, holdout.actual)) > TELLING:
            yield f"the field {name} tells the outcome (rank correlation {correlation:.4f}): a leak"


def _of(against: str) -> str:
    return "the champion's" if against == CHAMPION else f"that of the baseline “{against}”,"


def _comparison(name: str, errors: NDArray[np.float64], found: Difference) -> Comparison:
    return Comparison(against=name, rmse=_rmse(errors), difference=found.value, low=found.low, high=found.high)


def _slices(
    cuts: Mapping[str, Sequence[str]], own: NDArray[np.float64], champions: NDArray[np.float64], least_rows: int
) -> Iterator[Slice]:
    for by, labels in cuts.items():
        names, part_of = np.unique(np.asarray(labels), return_inverse=True)
        for position, name in enumerate(names):
            rows = part_of == position
            count = int(rows.sum())
            yield Slice(
                by=by,
                name=str(name),
                rows=count,
                candidate=_rmse(own[rows]),
                champion=_rmse(champions[rows]),
                decides=count >= least_rows,
            )


def _rank_correlation(values: Values, actual: Values) -> float:
    """Of the rows that have a value; its size, without a sign."""
    known = np.isfinite(values)
    own, others = _ranks(values[known]), _ranks(actual[known])
    if not known.any() or not own.std() or not others.std():
        return 0.0
    return abs(float(np.mean((own - own.mean()) * (others - others.mean())) / (own.std() * others.std())))


def _ranks(values: Values) -> NDArray[np.float64]:
    """From 1; equal values share the mean of theirs."""
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[position]
    return shared


def _mae(errors: NDArray[np.float64]) -> float:
    return float(np.abs(errors).mean()) if len(errors) else float("nan")


def _rmse(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.square(errors).mean())) if len(errors) else float("nan")
