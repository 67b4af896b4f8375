"""state.json: the one truth about what this replica serves, for all its workers and for its next start."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from serving.errors import StoreFailed
from serving.files import write_durably

STATE = "state.json"
"""In the model's folder of the store."""


class Lease(BaseModel):
    """A version that is served for as long as a rollout renews it, and what was served before."""

    model_config = ConfigDict(frozen=True)

    until: datetime
    """UTC, for people, by the clock as it was."""
    ends: float = 0
    """Of the machine's monotonic clock, in seconds: setting the time ends no lease and keeps none. After a new start of
    the machine it means nothing, so the service's own start ends what leases there are."""
    entry: str | None
    version: str | None
    followed: str | None
    """These three are those of the state before."""

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.ends - time.monotonic())

    @property
    def ended(self) -> bool:
        return not self.seconds_left

    def renewed(self, seconds: float) -> Self:
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        return self.model_copy(update={"until": until, "ends": time.monotonic() + seconds})


class State(BaseModel):
    """One state of the replica. Each change has a higher generation."""

    model_config = ConfigDict(frozen=True)

    generation: int = 0
    entry: str | None = None
    """The served version's key in the store; None before the first."""
    version: str | None = None
    previous: str | None = None
    """Key of the version served before."""
    followed: str | None = None
    """Key of the version that the alias pointed to when it was last acted on. The service moves by itself only when
    the alias points elsewhere, so that a version asked for by hand stays until then."""
    lease: Lease | None = None
    """None: what is served stays. While there is one, the alias is not followed elsewhere."""

    def next(self, generation: int, entry: str | None, version: str | None, followed: str | None) -> Self:
        """What follows this state, for good."""
        return self.model_copy(
            update={
                "generation": generation,
                "entry": entry,
                "version": version,
                "previous": self.entry,
                "followed": followed,
                "lease": None,
            }
        )

    def leased(self, before: "State", seconds: float) -> Self:
        """This state for so long, and then what was served before; the lease of a lease goes back to the first one."""
        lease = before.lease or Lease(
            until=datetime.now(UTC), entry=before.entry, version=before.version, followed=before.followed
        )
        return self.model_copy(update={"lease": lease.renewed(seconds)})

    def again(self, after: "State") -> Self:
        """This state once more, with a generation higher than that of the one which it takes back."""
        return self.model_copy(update={"generation": after.generation + 1})


class StateFile:
    """Where the state is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> State:
        """The current state; the initial one if there is none, or none that can be read."""
        try:
            return State.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return State()

    def end_lease(self) -> None:
        """The time of a lease, if there is one, is over. Raises StoreFailed."""
        state = self.read()
        if state.lease is not None:
            self.write(state.model_copy(update={"lease": state.lease.renewed(0)}))

    def write(self, state: State) -> None:
        """Raises StoreFailed."""
        try:
            write_durably(self._path, state.model_dump_json(indent=1).encode())
        except OSError as error:
            raise StoreFailed(f"{self._path}: {error}") from error
