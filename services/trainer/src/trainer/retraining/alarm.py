"""What an alarm says, and what a training is to be run with because of it."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from trainer.data.months import Month


class Alarm(BaseModel):
    """The payload of the events ``roundhouse.model.drifted`` and ``.decayed``; more is let be."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str | None = Field(None, description="The version that is served.")
    fields: dict[str, float] = Field({}, description="PSI by field, of those that drifted.")
    since: datetime | None = Field(None, description="Of the predictions that were looked at.")
    until: datetime | None = Field(None, description="The same, the end.")
    monitoring_id: int | None = Field(None, description="Number of the monitoring that found it.")

    def __str__(self) -> str:
        found = [f"{name} (PSI {psi:.2f})" for name, psi in sorted(self.fields.items(), key=lambda pair: -pair[1])]
        days = f"predictions of {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}" if self.since and self.until else ""
        return ": ".join(part for part in (days, ", ".join(found)) if part) or "without particulars"


class Wanted(BaseModel):
    """Parameters of the training."""

    model_config = ConfigDict(frozen=True)

    source: str
    service: str
    months: str
    """As ``2022-12..2023-01``."""
    holdout_days: int


def newest_months(loaded: Sequence[Month], most: int) -> list[Month]:
    """The newest month and, up to so many, those right before it that are loaded too; in order."""
    found: list[Month] = []
    for month in sorted(loaded, reverse=True)[:most]:
        if found and month != found[-1].previous():
            break
        found.append(month)
    return found[::-1]


def as_range(months: Sequence[Month]) -> str:
    """Months in a row as a training's parameter."""
    return str(months[0]) if len(months) == 1 else f"{months[0]}..{months[-1]}"
