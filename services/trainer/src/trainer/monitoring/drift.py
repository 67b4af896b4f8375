"""Have the fields, features and predictions of a window the distributions that the model was made for?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trainer.monitoring.binning import Values
from trainer.monitoring.columns import Column
from trainer.monitoring.measurement import Measurement
from trainer.monitoring.statistics import chi_squared, fisher, holm, kolmogorov_smirnov, stability_index, stability_of
from trainer.monitoring.terms import Terms


@dataclass(frozen=True)
class Drift:
    """One column, then and now."""

    reference: Column
    now: Column
    psi: float | None
    """Of the values that are there; None if there are none in either."""
    p_value: float | None
    """Adjusted; None where nothing was tested."""
    missing_psi: float | None
    """Of missing or not, two bins; None for what is never missing."""
    missing_p_value: float | None
    terms: Terms

    @property
    def drifted(self) -> bool:
        return self._alarm(self.psi, self.p_value)

    @property
    def missing_drifted(self) -> bool:
        return self._alarm(self.missing_psi, self.missing_p_value)

    def _alarm(self, psi: float | None, p_value: float | None) -> bool:
        if psi is None or p_value is None:
            return False
        return psi >= self.terms.most_psi and p_value < self.terms.alpha

    def measurements(self) -> Iterator[Measurement]:
        kind, name, terms = self.now.kind, self.now.name, self.terms
        yield Measurement(
            kind=kind,
            name=name,
            measure="psi",
            value=self.psi,
            threshold=None if self.p_value is None else terms.most_psi,
            p_value=self.p_value,
            alarm=self.drifted,
        )
        if self.missing_psi is not None:
            yield Measurement(
                kind=kind,
                name=name,
                measure="missing",
                value=_missing(self.now.values),
                expected=_missing(self.reference.values),
            )
            yield Measurement(
                kind=kind,
                name=name,
                measure="missing_psi",
                value=self.missing_psi,
                threshold=terms.most_psi,
                p_value=self.missing_p_value,
                alarm=self.missing_drifted,
            )


def drifts(reference: Sequence[Column], now: Sequence[Column], terms: Terms) -> list[Drift]:
    """Of the same columns in the same order. A feature that is a field as it stands has the field's own result.

    The index is that of missing or not, and that of the values that are there, added up. They are told apart, for they
    have other causes.
    """
    raw = [_raw(*pair, terms) for pair in zip(reference, now, strict=True) if pair[1].same_as is None]
    tested = [p for drift in raw for p in (drift.p_value, drift.missing_p_value) if p is not None]
    adjusted = iter(holm(tested))
    found = [
        replace(
            drift,
            p_value=None if drift.p_value is None else next(adjusted),
            missing_p_value=None if drift.missing_p_value is None else next(adjusted),
        )
        for drift in raw
    ]
    by_name = {drift.now.name: drift for drift in found if drift.now.kind == "field"}
    rest = iter(found)
    return [_of(before, after, by_name, rest) for before, after in zip(reference, now, strict=True)]


def _of(before: Column, after: Column, fields: dict[str, Drift], rest: Iterator[Drift]) -> Drift:
    if after.same_as is None:
        return next(rest)
    return replace(fields[after.same_as], reference=before, now=after, missing_psi=None, missing_p_value=None)


def _raw(reference: Column, now: Column, terms: Terms) -> Drift:
    """p-values as the tests give them."""
    before, after = reference.present, now.present
    psi = p_value = missing_psi = missing_p_value = None
    if len(before) and len(after):
        psi = stability_of(before, after)
        test = chi_squared if now.category else kolmogorov_smirnov
        p_value = None if now.partial else test(before, after)
    if now.may_miss and len(reference.values) and len(now.values):
        of = (len(reference.values), len(now.values))
        missing = (of[0] - len(before), of[1] - len(after))
        counts = [np.array([gone, all_ - gone]) for gone, all_ in zip(missing, of, strict=True)]
        missing_psi, missing_p_value = stability_index(counts[0], counts[1]), fisher(missing, of)
    return Drift(reference, now, psi, p_value, missing_psi, missing_p_value, terms)


def _missing(values: Values) -> float:
    return float(np.isnan(values).mean())
