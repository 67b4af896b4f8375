"""What the recorder has to tell the workers, so that each can answer for the replica."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from serving.files import replace_if_possible


class Status(BaseModel):
    """Empty while all is well."""

    model_config = ConfigDict(frozen=True)

    problem: str | None = None
    """Why the warehouse doesn't get what is predicted."""


class StatusFile:
    """Where it lies while the service runs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Status:
        try:
            return Status.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return Status()

    def write(self, status: Status) -> None:
        replace_if_possible(self._path, status.model_dump_json().encode())


def status_of(run_dir: Path) -> StatusFile:
    return StatusFile(run_dir / "recorder.json")
