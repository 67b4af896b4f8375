"""What one monitoring found, with every number that it is made of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from trainer.monitoring.measurement import Measurement
from trainer.monitoring.terms import Terms

Verdict = Literal["quiet", "drifted", "decayed", "drifted and decayed", "too few predictions", "no reference"]

MOST_NAMED = 6
"""Alarms that one line gives."""
ORDER = ("field", "prediction", "feature")


class NoWindow(ValueError):
    """There is nothing between the begin and the end."""

    def __init__(self, since: datetime, until: datetime) -> None:
        super().__init__(f"the window begins at {since.isoformat()}, which isn't before its end, {until.isoformat()}")


class Window(BaseModel):
    """Moments with offset: from ``since`` on, before ``until``."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    until: datetime

    def not_before(self, moment: datetime) -> "Window":
        """What of it is later; nothing of it, at its end, if it is earlier as a whole."""
        return Window(since=min(max(self.since, moment), self.until), until=self.until)

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC"


class Monitoring(BaseModel):
    """One version's predictions of one window."""

    model_config = ConfigDict(frozen=True)

    id: int | None = None
    """In the warehouse, once it is there."""
    model: str
    version: str
    window: Window
    rows: int
    """Predictions of the version in the window."""
    outcomes: int
    """Those of them whose outcome is known."""
    least_rows: int
    reference: bool = True
    """Whether the version has one."""
    measurements: Sequence[Measurement]
    notes: Sequence[str]
    """What couldn't be had, and why."""
    terms: Terms
    seed: int

    @property
    def alarms(self) -> list[Measurement]:
        return [found for found in self.measurements if found.alarm]

    @property
    def drifted(self) -> list[Measurement]:
        """Alarms about distributions: fields first, since the others are made of them; the largest index first."""
        found = [alarm for alarm in self.alarms if alarm.kind in ORDER]
        return sorted(found, key=lambda alarm: (ORDER.index(alarm.kind), alarm.measure != "psi", -(alarm.value or 0)))

    @property
    def decayed(self) -> list[Measurement]:
        """Alarms about errors."""
        return [alarm for alarm in self.alarms if alarm.kind in ("error", "slice")]

    @property
    def fields(self) -> dict[str, float]:
        """The index of everything that has drifted, by name, in the order of ``drifted``."""
        found: dict[str, float] = {}
        for alarm in self.drifted:
            found[alarm.name] = max(found.get(alarm.name, 0.0), round(alarm.value or 0.0, 4))
        return found

    @property
    def verdict(self) -> Verdict:
        if not self.reference:
            return "no reference"
        if self.drifted and self.decayed:
            return "drifted and decayed"
        if self.drifted or self.decayed:
            return "drifted" if self.drifted else "decayed"
        return "quiet" if self.rows >= self.least_rows else "too few predictions"

    @property
    def message(self) -> str:
        """In one line."""
        if self.verdict == "no reference":
            why = "it was trained before one was kept, or its run is gone"
            return f"{self.model} version {self.version} has no reference: {why}"
        if self.verdict == "too few predictions":
            return f"too few predictions: {self.rows:,} of at least {self.least_rows:,}"
        parts = [
            f"{what}: {_named(texts)}"
            for what, texts in (
                ("drift", [_of_drift(alarm) for alarm in self.drifted if not self._copied(alarm)]),
                ("decay", [_of_decay(alarm) for alarm in self.decayed]),
            )
            if texts
        ]
        return "; ".join(parts) or "quiet"

    def _copied(self, alarm: Measurement) -> bool:
        """Whether a feature's alarm only says again what its field's says."""
        return alarm.kind == "feature" and any(
            other.kind == "field" and (other.value, other.p_value) == (alarm.value, alarm.p_value)
            for other in self.drifted
        )


def _of_drift(alarm: Measurement) -> str:
    return f"{'missing ' if alarm.measure == 'missing_psi' else ''}{alarm.name} {alarm.value:.2f}"


def _of_decay(alarm: Measurement) -> str:
    what = alarm.name if alarm.kind == "slice" else alarm.measure.upper() if alarm.measure == "rmse" else alarm.measure
    return f"{what} {alarm.value:.2f} (promised {alarm.expected:.2f})"


def _named(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_NAMED
    return ", ".join([*texts[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
