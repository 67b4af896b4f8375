"""A second holdout: requests that champion and candidate were asked about, and whose outcome is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.gate.bootstrap import differences
from trainer.gate.verdict import Comparison, Verdict, interval

CHAMPION_ON_TRAFFIC = "champion on live traffic"


@dataclass(frozen=True)
class Traffic:
    """All float64 of shape (n,), in the outcome's unit."""

    actual: NDArray[np.float64]
    candidate: NDArray[np.float64]
    champion: NDArray[np.float64]


def beside_traffic(verdict: Verdict, traffic: Traffic) -> Verdict:
    """The verdict; refused if the candidate is surely worse than the champion on live traffic.

    It needn't be surely better there: the holdout has shown that. With fewer rows than a holdout must have, traffic
    says nothing, which is noted.
    """
    rows, terms = len(traffic.actual), verdict.terms
    if rows < terms.least_rows:
        return _with(verdict, note=f"live traffic says nothing yet: {rows:,} rows of at least {terms.least_rows:,}")
    candidate, champion = traffic.actual - traffic.candidate, traffic.actual - traffic.champion
    found = differences(candidate, {CHAMPION_ON_TRAFFIC: champion}, terms.confidence, terms.resamples, verdict.seed)[
        CHAMPION_ON_TRAFFIC
    ]
    rmse = float(np.sqrt(np.square(champion).mean()))
    comparison = Comparison(
        against=CHAMPION_ON_TRAFFIC, rmse=rmse, difference=found.value, low=found.low, high=found.high
    )
    said = f"on {rows:,} rows of live traffic RMSE {rmse + found.value:.3f}, the champion's {rmse:.3f}"
    verdict = verdict.model_copy(update={"comparisons": [*verdict.comparisons, comparison]})
    # the other way round than on the holdout: not "isn't better" but "is worse"
    if found.low > 0:
        return _with(verdict, refusal=f"{said}, is worse {interval(comparison)}")
    return _with(verdict, note=said)


def _with(verdict: Verdict, refusal: str | None = None, note: str | None = None) -> Verdict:
    refusals = [*verdict.refusals, *([refusal] if refusal else [])]
    notes = [*verdict.notes, *([note] if note else [])]
    return verdict.model_copy(update={"refusals": refusals, "notes": notes})
