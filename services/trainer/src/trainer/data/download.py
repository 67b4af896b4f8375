"""Files over HTTP: resumed where they broke off, verified, and never bad under a good name.

Beside ``name`` stand ``name.json``, its record, and during a transfer ``name.part`` and ``name.part.json``.
"""

import fcntl
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from trainer.data.errors import DataError, SourceUnavailable
from trainer.data.files import replacing
from trainer.data.parquet import check_parquet
from trainer.data.patience import Interrupted, Patience, check_status
from trainer.data.source import MonthFile, sha256_of

Check = Callable[[Path, str], None]

logger = logging.getLogger(__name__)

_NOT_MODIFIED, _PARTIAL, _RANGE_NOT_SATISFIABLE = 304, 206, 416


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a file, whole or partial."""

    uri: str
    etag: str
    modified: str
    sha256: str = ""
    """Of the whole file."""

    @classmethod
    def of(cls, uri: str, response: httpx.Response) -> "Record":
        return cls(uri, response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""))

    @property
    def validator(self) -> str:
        """What ``If-Range`` takes: only a strong ETag says that two parts belong to the same bytes."""
        return self.modified if self.etag.startswith("W/") else self.etag or self.modified


def download(
    uri: str,
    target: Path,
    client: httpx.Client,
    patience: Patience,
    check: Check = check_parquet,
) -> MonthFile:
    """The file at an HTTP address, as ``target``.

    A file from before is used again if its checksum still fits and the server says that it hasn't changed, or can't be
    asked.

    Args:
        check: raises a DataError for a file, from an address, that isn't what it should be.

    Raises:
        LocationRefused, MonthNotPublished, RequestRefused, NotParquet, TruncatedFile, SourceUnavailable: and ``target``
            is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target):
        kept = _kept(uri, target)
        try:
            patience.insist(uri, lambda: _attempt(client, uri, target, kept, check))
        except SourceUnavailable as error:
            if kept is None:
                raise
            logger.warning("%s; the file of an earlier download is used", error)
    return MonthFile(target, uri, _read_record(target).sha256, target.stat().st_size)


def _attempt(client: httpx.Client, uri: str, target: Path, kept: Record | None, check: Check) -> None:
    part = _beside(target, ".part")
    with client.stream("GET", uri, headers=_conditions(uri, part, kept)) as response:
        if response.status_code == _NOT_MODIFIED and kept:
            return
        if response.status_code == _RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)
            raise Interrupted("the server can't continue where the transfer broke off")
        check_status(response, uri)
        _receive(response, uri, part)
    _accept(uri, part, target, check)


def _conditions(uri: str, part: Path, kept: Record | None) -> dict[str, str]:
    """Headers: go on from the part if there is one, else "only if changed"."""
    begun = _find_record(part)
    size = part.stat().st_size if part.exists() else 0
    if begun and begun.uri == uri and begun.validator and size:
        return {"Range": f"bytes={size}-", "If-Range": begun.validator}
    if kept and kept.etag:
        return {"If-None-Match": kept.etag}
    return {"If-Modified-Since": kept.modified} if kept and kept.modified else {}


def _receive(response: httpx.Response, uri: str, part: Path) -> None:
    """Writes the body to the part; what has arrived stays there whatever happens."""
    continues = response.status_code == _PARTIAL
    if continues:
        expected = _total(response, part)
    else:
        length = response.headers.get("Content-Length", "")
        expected = int(length) if length.isdecimal() else None
        part.write_bytes(b"")  # before the record, which would vouch for the old content
        _write_record(part, Record.of(uri, response))
    with part.open("ab") as file:
        for piece in response.iter_bytes():
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    size = part.stat().st_size
    if expected is not None and size != expected:
        raise Interrupted(f"{size:,} of {expected:,} bytes arrived")


def _total(response: httpx.Response, part: Path) -> int | None:
    """The whole file's size as the answer to a range request gives it."""
    said = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", said)
    if match is None or int(match[1]) != part.stat().st_size:
        part.unlink()
        raise Interrupted("the server continued with another range")
    return int(match[2]) if match[2] != "*" else None


def _accept(uri: str, part: Path, target: Path, check: Check) -> None:
    """Makes a complete part the file; a bad one is removed, as continuing it would never make it good."""
    begun = _read_record(part)
    try:
        check(part, uri)
    except DataError:
        part.unlink()
        raise
    finally:
        _record_path(part).unlink()
    _write_record(target, Record(uri, begun.etag, begun.modified, sha256_of(part)))
    part.replace(target)


def _kept(uri: str, target: Path) -> Record | None:
    """The record of the file from an earlier download, if that is still what was downloaded."""
    record = _find_record(target)
    good = record and record.uri == uri and target.exists() and sha256_of(target) == record.sha256
    return record if good else None


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _record_path(path: Path) -> Path:
    return _beside(path, ".json")


def _read_record(path: Path) -> Record:
    return Record(**json.loads(_record_path(path).read_bytes()))


def _find_record(path: Path) -> Record | None:
    try:
        return _read_record(path)
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write_record(path: Path, record: Record) -> None:
    with replacing(_record_path(path)) as temporary:
        temporary.write_text(json.dumps(asdict(record), indent=1))


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """One transfer of a file at a time, among all processes that share the folder."""
    with _beside(target, ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
