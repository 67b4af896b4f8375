"""Which stack a folder has, and whether it is still the folder that the stack was started in.

A folder is moved, copied, restored: what its files tell of ports and processes may then be of another stack. Standard
library alone: the console asks too, with nothing installed.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from embedded.errors import CopiedStack


@dataclass(frozen=True, slots=True)
class Place:
    """A stack's identity, and the folder that it is bound to."""

    identity: str
    folder: str
    inode: int
    """A folder that is moved keeps it; its copy has another."""

    @classmethod
    def new(cls, folder: Path) -> Self:
        return cls(f"demo-{secrets.token_hex(8)}", str(folder), folder.stat().st_ino)

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self | None:
        """What the document of a state says; None of a version that had no identities."""
        entry = found.get("place")
        return cls(entry["identity"], entry["folder"], entry["inode"]) if entry else None

    def is_at(self, folder: Path) -> bool:
        """Whether that is the folder, also by another name or moved."""
        return str(folder) == self.folder or folder.stat().st_ino == self.inode

    def moved_to(self, folder: Path) -> Self:
        """The same stack there."""
        return type(self)(self.identity, str(folder), folder.stat().st_ino)

    def copied_to(self, folder: Path, *, was_up: bool) -> Self:
        """A stack of its own there, whose data began as this one's.

        Raises:
            CopiedStack: the data aren't whole, or aren't in the copy.
        """
        if was_up:
            raise CopiedStack(folder, self.folder, "it was up meanwhile: the copied database may be torn")
        if (folder / "postgres").is_symlink():
            raise CopiedStack(folder, self.folder, "whose database lies elsewhere and wasn't copied")
        return type(self).new(folder)
