"""What runs in a stack's folder, on disk: ``state.json``."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from embedded.place import Place
from embedded.processes import Process


@dataclass(frozen=True, slots=True)
class Record:
    """A service's program as it was started."""

    process: Process
    digest: str
    """Of its command and settings: a service that runs with others has to be started again."""


@dataclass(slots=True)
class State:
    """Which stack it is, and its ports and programs."""

    place: Place
    ports: dict[str, int] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)

    def running(self, name: str) -> Record | None:
        record = self.records.get(name)
        return record if record and record.process.alive() else None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What the folder says; an empty state if it says nothing.

        Raises:
            CopiedStack: it says so of another folder's stack.
        """
        try:
            found = json.loads((folder / "state.json").read_text())
        except FileNotFoundError:
            return cls(Place.new(folder))
        place = Place.read(found) or Place.new(folder)
        if not place.is_at(folder):
            place = place.copied_to(folder, was_up=bool(found["processes"]))
        records = {
            name: Record(Process(entry["pid"], entry["started"]), entry["digest"])
            for name, entry in found["processes"].items()
        }
        return cls(place, found["ports"], records)

    def write(self, folder: Path) -> None:
        document = {"place": asdict(self.place), "ports": self.ports, "processes": _entries(self.records)}
        target = folder / "state.json"
        draft = target.with_suffix(".new")
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(document, file, indent=1)
        draft.replace(target)


def _entries(records: Mapping[str, Record]) -> dict[str, dict[str, Any]]:
    return {
        name: {"pid": record.process.pid, "started": record.process.started, "digest": record.digest}
        for name, record in records.items()
    }
