"""Postgres refuses to run as root: the system user that it runs as then, and what that user can reach."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A system user to run a program as."""

    uid: int
    gid: int

    @property
    def identity(self) -> dict[str, Any]:
        """The arguments of ``subprocess`` that make a child run as this user and with none of the caller's groups."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """A file or a folder, without what is in it."""
        os.chown(path, self.uid, self.gid)

    def own_all(self, folder: Path) -> None:
        """A folder with all that is in it: what root makes may be root's alone to read, by its umask."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def reaches(self, path: Path) -> bool:
        """Whether this user may enter the folder and all above it."""
        resolved = path.resolve()
        return all(self._enters(folder.stat()) for folder in (resolved, *resolved.parents))

    def _enters(self, folder: os.stat_result) -> bool:
        if folder.st_uid == self.uid:
            return bool(folder.st_mode & stat.S_IXUSR)
        if folder.st_gid == self.gid:
            return bool(folder.st_mode & stat.S_IXGRP)
        return bool(folder.st_mode & stat.S_IXOTH)


def unprivileged() -> Account | None:
    """An existing unprivileged user if we are root, else None: whoever calls will do."""
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise LookupError(f"Postgres doesn't run as root, and this machine has none of the users {', '.join(CANDIDATES)}")
