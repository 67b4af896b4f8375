"""What the workers of one replica share: files in two folders."""

from dataclasses import dataclass
from pathlib import Path

from serving.notes import NoteFile
from serving.peers import Peers
from serving.state import STATE, StateFile


@dataclass(frozen=True)
class Replica:
    """A replica is a service process with its workers, a model store and a run folder."""

    peers: Peers
    state: StateFile
    notes: NoteFile
    swap_lock: Path
    """Held by the worker that leads a swap."""
    follow_lock: Path
    """Held by the worker that follows the alias."""

    @classmethod
    def of(cls, run_dir: Path, store: Path) -> "Replica":
        return cls(
            peers=Peers(run_dir),
            state=StateFile(store / STATE),
            notes=NoteFile(run_dir / "note.json"),
            swap_lock=run_dir / "swap.lock",
            follow_lock=run_dir / "follow.lock",
        )
