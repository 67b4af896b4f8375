"""What is to be rolled out, and how that went."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Kind = Literal["train", "promote", "rollback", "by hand"]
Outcome = Literal["under way", "done", "failed"]


@dataclass(frozen=True)
class Change:
    """A decision to serve another version."""

    kind: Kind
    from_version: str | None
    """The champion when it was decided; None where there was none."""
    to_version: str
    actor: str
    """Who, or which flow run."""
    reason: str
    gate: Mapping[str, Any] | None = None
    """The verdict with every number, as JSON values; None where the gate wasn't asked."""


@dataclass(frozen=True)
class Rollout:
    """A row of the ledger."""

    id: int
    change: Change
    outcome: Outcome
    begun_at: datetime
    """With offset."""
    steps: Mapping[str, float] = field(default_factory=dict)
    """Seconds by step."""
    failure: str | None = None
    """What went wrong; of a rollout that is done too, if its driver died after the alias had moved."""
    ended_at: datetime | None = None
