"""What the gate says, with every number that it is made of."""

from pydantic import BaseModel, ConfigDict

from trainer.gate.terms import Terms


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Comparison(Part):
    """The candidate beside something that it must beat. RMSE in the outcome's unit."""

    against: str
    rmse: float
    """Of what it is compared with."""
    difference: float
    """The candidate's less that; negative where the candidate is better."""
    low: float
    high: float
    """The difference's interval."""

    @property
    def beaten(self) -> bool:
        # also false of NaN
        return self.high < 0


class Slice(Part):
    """Both models on a part of the holdout. RMSE in the outcome's unit."""

    by: str
    """What the holdout is cut by, such as ``hour``."""
    name: str
    rows: int
    candidate: float
    champion: float
    decides: bool
    """Whether it has enough rows."""

    @property
    def loss(self) -> float:
        """By which share the candidate's error is higher; negative where it is lower."""
        return self.candidate / self.champion - 1 if self.champion else float(self.candidate > 0)


class Verdict(Part):
    """Whether a candidate may be promoted."""

    candidate: str
    champion: str | None
    """Version that it was judged beside; None if there was none that can be used."""
    unit: str
    rows: int
    rmse: float
    """The candidate's on the holdout; NaN for an empty one."""
    explained: float
    """Share of the outcome's variance."""
    comparisons: list[Comparison]
    slices: list[Slice]
    refusals: list[str]
    """Why it may not; empty if it may."""
    notes: list[str]
    left_out: int = 0
    """Rows of the holdout that didn't judge, since the champion has learnt from them."""
    champion_saw: int = 0
    """Of the rows that judged, how many the champion has learnt from; too few others were left."""
    terms: Terms
    seed: int

    @property
    def promotes(self) -> bool:
        return not self.refusals

    @property
    def reason(self) -> str:
        """In one line."""
        return "; ".join(filter(None, [self._outcome, self.seen]))

    @property
    def seen(self) -> str:
        """What the champion has learnt from; empty if nothing of the holdout."""
        if self.left_out:
            return (
                f"judged on {self.rows:,} rows of the holdout, since the champion has learnt from the other"
                f" {self.left_out:,}"
            )
        if self.champion_saw:
            return f"the champion has learnt from {self.champion_saw:,} of the {self.rows:,} rows that judge"
        return ""

    @property
    def serves_unjudged(self) -> bool:
        """Whether it is a first model, which may be served whatever a small holdout says."""
        return self.terms.serves_first and self.champion is None and self.rows < self.terms.least_rows

    @property
    def _outcome(self) -> str:
        if self.refusals:
            more = len(self.refusals) - MOST_NAMED
            return "; ".join([*self.refusals[:MOST_NAMED], *([f"and {more} more reasons"] if more > 0 else [])])
        if self.serves_unjudged:
            little = f"first model, holdout RMSE {self.rmse:.3f}; the holdout of {self.rows:,} rows says little"
            return "; ".join([*self.notes, little])
        beside = next((found for found in self.comparisons if found.against == CHAMPION), None)
        if beside is None:
            return "; ".join([*self.notes, f"first model, holdout RMSE {self.rmse:.3f}, better than all baselines"])
        return f"holdout RMSE {self.rmse:.3f} beats the champion's {beside.rmse:.3f} {interval(beside)}"


MOST_NAMED = 3
"""Reasons that one line gives."""
CHAMPION = "champion"
"""What the champion is called among the comparisons."""


def interval(comparison: Comparison) -> str:
    return f"(difference {comparison.low:+.3f} to {comparison.high:+.3f})"
