"""Files behind addresses, kept as files of this machine."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeGuard
from urllib.parse import unquote

import httpx

from trainer.data.allowed import ANY, DEFAULT_PORTS, Allowed, host_of
from trainer.data.download import download
from trainer.data.errors import DataError, MonthNotPublished
from trainer.data.parquet import check_parquet
from trainer.data.patience import Patience
from trainer.data.pinned import PinnedTransport
from trainer.usecase import files, objects
from trainer.usecase.declaration import AnySource, Files
from trainer.usecase.declaration import Period as Kind
from trainer.usecase.files import WHOLE, Located, NoFiles, UnreadableFile, format_of
from trainer.usecase.periods import Period, select


class NoFirstPeriod(DataError):
    """Nobody knows where to begin to ask."""


@dataclass(frozen=True)
class Asked:
    """What of a source is wanted."""

    periods: Sequence[str] | None = None
    """Such as ``2021-01`` or ``2021-01..2021-03``; None for all that may be new."""
    since: datetime | None = None
    """The first moment of the newest period that is loaded; None for everything."""
    today: date = field(default_factory=lambda: datetime.now(UTC).date())


def is_address(text: str) -> bool:
    """Whether it is of a file behind HTTP."""
    return text.lower().startswith(("http://", "https://"))


def is_local(source: AnySource) -> TypeGuard[Files]:
    """Whether it is files of this machine alone."""
    if not isinstance(source, Files):
        return False
    named = [source.files] if isinstance(source.files, str) else source.files
    return not any(is_address(each) or objects.is_object(each) for each in named)


def locate(
    source: Files, root: Path, kind: Kind, asked: Asked, into: Path, patience: Patience | None = None
) -> list[Located]:
    """The files of a source, all of this machine: those behind addresses are fetched.

    What is there from before is used again if the server says that it hasn't changed, or can't be asked. Of an address
    with ``{period}`` a period that isn't published is passed over, unless it is named.

    Args:
        root: what relative paths begin at.
        into: a folder where files are kept that are fetched.

    Raises:
        NoFirstPeriod: an address has ``{period}``, and neither the source nor who asks says which is the first.
        NoFiles: there are none, or nothing is published of what was asked for.
        LocationRefused, MonthNotPublished, RequestRefused, NotParquet, TruncatedFile, UnreadableFile, ObjectsRefused:
            no later try will do better.
        SourceUnavailable: the server doesn't answer.
    """
    found: list[Located] = []
    for named in [source.files] if isinstance(source.files, str) else source.files:
        if is_address(named):
            fetched = list(_fetched(named, source, kind, asked, into, patience))
            if not fetched:
                raise NoFiles(f"nothing is published at {named} of what was asked for")
            found += fetched
        elif objects.is_object(named):
            found += objects.brought(named, kind, into)
        else:
            found += files.locate(named, root, kind)
    return list(dict.fromkeys(found))


def _fetched(
    address: str, source: Files, kind: Kind, asked: Asked, into: Path, patience: Patience | None
) -> Iterator[Located]:
    if WHOLE not in address:
        yield Located(_one(address, source, into, patience))
        return
    # what is named must be there; of what may be there the newest usually isn't yet
    for period in _wanted(address, source, kind, asked):
        try:
            fetched = _one(address.replace(WHOLE, str(period)), source, into, patience)
        except MonthNotPublished:
            if asked.periods is not None and str(period) in asked.periods:
                raise
        else:
            yield Located(fetched, period.first_day)


def _wanted(address: str, source: Files, kind: Kind, asked: Asked) -> list[Period]:
    first = Period.parse(source.first, kind) if source.first else None
    begin = Period.of(asked.since.date(), kind) if asked.since is not None else first
    named = asked.periods is not None and all(".." not in text for text in asked.periods)
    if begin is None and not named:
        raise NoFirstPeriod(f"{address}: give `first`, the first {kind} that there is, or name the {kind}s")
    if named or begin is None:
        return select([], asked.periods or [], kind)
    there = [begin]
    while (following := there[-1].after()).first_day <= asked.today:
        there.append(following)
    return there if asked.periods is None else select(there, asked.periods, kind)


def _one(address: str, source: Files, into: Path, patience: Patience | None) -> Path:
    url = httpx.URL(address)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", unquote(url.path.rpartition("/")[2]))[-100:] or "file"
    shown = str(url.copy_with(query=None))
    target = into / f"{hashlib.sha256(address.encode()).hexdigest()[:12]}-{name}"
    kind = source.format or format_of(Path(name))

    def check(path: Path, uri: str) -> None:
        if kind == "parquet":
            check_parquet(path, uri)
        elif path.stat().st_size == 0:
            raise UnreadableFile(Path(shown), "is empty")

    # what the use case names may have a private address; whatever it leads on to may not
    port = url.port or DEFAULT_PORTS[url.scheme]
    allowed = Allowed(frozenset({f"{host_of(url)}:{port}", ANY}), ())
    chosen = patience or Patience()
    with chosen.client(PinnedTransport(allowed), None) as client:
        return download(address, target, client, chosen, check).path
