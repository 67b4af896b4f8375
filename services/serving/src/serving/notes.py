"""What the worker that follows the alias has to tell the others, so that each can answer for the replica."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from serving.files import replace_if_possible


class RefusedVersion(BaseModel):
    """The alias points to it and it can't be served."""

    model_config = ConfigDict(frozen=True)

    version: str
    reason: str


class Note(BaseModel):
    """Empty while all is well."""

    model_config = ConfigDict(frozen=True)

    reason: str | None = None
    """Why the service isn't where the alias points."""
    refused: RefusedVersion | None = None


class NoteFile:
    """Where the note lies while the service runs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Note:
        try:
            return Note.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Note()

    def write(self, note: Note) -> None:
        replace_if_possible(self._path, note.model_dump_json().encode())
