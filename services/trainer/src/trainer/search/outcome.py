"""What a search has tried, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from trainer.modelling.parameters import Boosting

Ending = Literal["complete", "pruned", "failed", "interrupted"]
"""Interrupted: the search's time was over, or its process died; the trial is tried again when the search is resumed."""


class NoTrialCompleted(Exception):
    """There is nothing to choose from."""

    def __init__(self, tried: "Sequence[Tried]", seconds: float) -> None:
        reason = next((f"; trial {trial.number}: {trial.reason}" for trial in tried if trial.reason), "")
        super().__init__(
            f"the search has no result: within {seconds:.0f} s none of {len(tried)} trials completed{reason}"
        )


@dataclass(frozen=True)
class Result:
    """How the fit of one trial ended."""

    ending: Ending
    rounds: int = 0
    """The best one, of those that it came to."""
    rmse: float | None = None
    """Of that round, on the validation rows, in the outcome's unit; None if it came to none."""
    reason: str | None = None
    """Why it failed."""


@dataclass(frozen=True)
class Tried:
    """A trial that has ended."""

    number: int
    boosting: Boosting
    given: bool
    """Whether these are the parameters that the search was given, not found."""
    result: Result
    begun_at: datetime
    ended_at: datetime

    @property
    def reason(self) -> str | None:
        return self.result.reason

    @property
    def ending(self) -> Ending:
        return self.result.ending

    @property
    def error(self) -> float:
        """RMSE, or infinity."""
        return float("inf") if self.result.rmse is None else self.result.rmse


@dataclass(frozen=True)
class Outcome:
    """A search's trials, those of earlier runs among them.

    Raises:
        NoTrialCompleted: none of them is complete.
    """

    trials: Sequence[Tried]
    seconds: float
    """That this run of it took."""

    def __post_init__(self) -> None:
        if not self.ranked:
            raise NoTrialCompleted(self.trials, self.seconds)

    @property
    def ranked(self) -> Sequence[Tried]:
        """The complete ones, the best first; of equal ones the earlier."""
        return sorted(self._ended("complete"), key=lambda trial: trial.error)

    @property
    def best(self) -> Tried:
        return self.ranked[0]

    @property
    def given(self) -> Tried | None:
        """The parameters that the search began with, if they came to their end."""
        return next((trial for trial in self.ranked if trial.given), None)

    def count(self, ending: Ending) -> int:
        return len(self._ended(ending))

    def _ended(self, ending: Ending) -> list[Tried]:
        return [trial for trial in self.trials if trial.ending == ending]
