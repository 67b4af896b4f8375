"""A window's predictions beside the reference: drift, decay and traffic as one monitoring."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from contract import Contract

from trainer.monitoring.columns import Column, columns_of
from trainer.monitoring.decay import Outcomes, decay
from trainer.monitoring.drift import Drift, drifts
from trainer.monitoring.measurement import Measurement
from trainer.monitoring.monitoring import Monitoring, Window
from trainer.monitoring.recorded import Day, Recorded
from trainer.monitoring.reference import PREDICTION, Reference
from trainer.monitoring.terms import Terms
from trainer.monitoring.traffic import Traffic

Cut = Callable[[pa.Table], Mapping[str, Sequence[str]]]
"""The use case's slices: for each way to cut rows, the name of each row's part."""


@dataclass(frozen=True)
class Seen:
    """What there is of one version and one window."""

    asked: Recorded
    judged: Recorded
    """Those whose outcome is known."""
    days: Sequence[Day]
    traffic: Traffic | None
    """None if the replicas couldn't be asked."""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Assessment:
    """A monitoring with what its pictures are made of."""

    monitoring: Monitoring
    drifts: Sequence[Drift]
    seen: Seen
    unit: str
    """The outcome's."""


def assess(
    contract: Contract,
    version: str,
    window: Window,
    reference: Reference | None,
    seen: Seen,
    cut: Cut,
    terms: Terms,
    least_rows: int,
    seed: int,
) -> Assessment:
    """Deterministic.

    Args:
        reference: None for a version without one: then no drift, and no decay, can be told.
        least_rows: predictions, and outcomes, with which alarms are raised at all.
    """
    found: list[Drift] = []
    measurements: list[Measurement] = []
    enough = seen.asked.fields.num_rows >= least_rows
    if reference is not None and enough:
        found = _drifts(contract, reference, seen.asked, terms)
        measurements += [measurement for drift in found for measurement in drift.measurements()]
    if reference is not None and enough and len(seen.judged.actual) >= least_rows:
        measurements += decay(_outcomes(seen.judged, cut), reference.promise, terms, seed)
    measurements += _versions(seen.days)
    if seen.traffic is not None:
        measurements += seen.traffic.measurements()
    monitoring = Monitoring(
        model=contract.name,
        version=version,
        window=window,
        rows=seen.asked.total,
        outcomes=seen.judged.total,
        least_rows=least_rows,
        reference=reference is not None,
        measurements=measurements,
        notes=[*seen.notes, *_notes(seen, found, least_rows)],
        terms=terms,
        seed=seed,
    )
    return Assessment(monitoring, found, seen, contract.output.unit)


def _drifts(contract: Contract, reference: Reference, asked: Recorded, terms: Terms) -> list[Drift]:
    before = [*columns_of(contract, reference.rows), _prediction(reference.rows[PREDICTION].to_numpy())]
    return drifts(before, [*columns_of(contract, asked.fields), _prediction(asked.prediction)], terms)


def _prediction(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Column:
    return Column("prediction", "prediction", values)


def _outcomes(judged: Recorded, cut: Cut) -> Outcomes:
    return Outcomes(judged.actual, judged.prediction, judged.low, judged.high, cut(judged.fields))


def _versions(days: Sequence[Day]) -> Iterator[Measurement]:
    """Every version's live error, as champion or as challenger."""
    for version, role in sorted({(day.version, day.role) for day in days}):
        own = [day for day in days if (day.version, day.role) == (version, role)]
        name, judged = f"{version} as {role}", sum(day.outcomes for day in own)
        squared = sum(day.outcomes * day.rmse**2 for day in own if day.rmse is not None)
        rmse = float(np.sqrt(squared / judged)) if judged else None
        predicted = float(sum(day.predictions for day in own))
        yield Measurement(kind="version", name=name, measure="rows", value=predicted)
        yield Measurement(kind="version", name=name, measure="rmse", value=rmse)


def _notes(seen: Seen, found: Sequence[Drift], least_rows: int) -> Iterator[str]:
    read = seen.asked.fields.num_rows + seen.asked.unreadable
    if read < seen.asked.total:
        yield f"drift is measured on {read:,} of {seen.asked.total:,} predictions, drawn at random"
    if seen.asked.unreadable:
        yield f"{seen.asked.unreadable:,} recorded predictions don't fit the version's contract and are left out"
    partial = [drift.now.name for drift in found if drift.now.partial]
    if partial:
        yield f"no alarm from {', '.join(partial)}: the rows span too little time"
    if found and len(seen.judged.actual) < least_rows:
        yield f"no error is told: {seen.judged.total:,} outcomes are known, of at least {least_rows:,}"
