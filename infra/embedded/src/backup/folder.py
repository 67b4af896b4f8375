"""A backup's folder: its files, and ``manifest.json``, which is written last and says what they are."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backup.errors import BackupError, BadBackup

FORMAT = 1
MANIFEST = "manifest.json"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup has."""

    made_at: str
    """UTC, ISO 8601."""
    commit: str
    """Of the stack that it was made of."""
    postgres: int
    """Major release of the server that wrote the dumps."""
    files: dict[str, dict[str, Any]]
    """By name: ``bytes`` and ``sha256``."""
    format: int = FORMAT


@contextmanager
def writing(target: Path, commit: str, postgres: int) -> Iterator[Path]:
    """A new folder that only its owner can read; it is at ``target`` once the block has ended well, or nowhere.

    Args:
        target: must not exist.
        commit: see ``Manifest``.
        postgres: likewise.

    Raises:
        BackupError: there is something at ``target``.
    """
    if target.exists():
        raise BackupError(f"{target} exists: a backup is never written over another one")
    draft = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)  # of a backup that was cut short
    draft.mkdir(mode=0o700, parents=True)
    try:
        yield draft
        files = {file.name: _described(file) for file in sorted(draft.iterdir())}
        manifest = Manifest(datetime.now(UTC).isoformat(timespec="seconds"), commit, postgres, files)
        with private(draft / MANIFEST) as out:
            out.write(json.dumps(asdict(manifest), indent=1).encode())
        _sync(draft)
        draft.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


@contextmanager
def private(file: Path) -> Iterator[Any]:
    """A new file that only its owner can read, on the disk when the block ends."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())


def check(folder: Path) -> Manifest:
    """The manifest, after each file has been read and found to be what was written.

    Raises:
        BadBackup: it isn't whole, has been changed, or is of a later version.
    """
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
        if found["format"] > FORMAT:
            raise BadBackup(folder, f"its format is {found['format']}, and this version knows {FORMAT} at most")
        manifest = Manifest(**found)
        expected = {(name, said["bytes"], said["sha256"]) for name, said in manifest.files.items()}
    except FileNotFoundError:
        raise BadBackup(folder, f"it has no {MANIFEST}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadBackup(folder, f"its {MANIFEST} can't be read ({error})") from None
    for name, size, digest in sorted(expected):
        if "/" in name or not (folder / name).is_file():
            raise BadBackup(folder, f"{name} is missing")
        if _described(folder / name) != {"bytes": size, "sha256": digest}:
            raise BadBackup(folder, f"{name} isn't what was written")
    return manifest


def _described(file: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
    return {"bytes": file.stat().st_size, "sha256": digest.hexdigest()}


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
