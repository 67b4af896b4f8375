"""Files behind HTTP, kept as files of this machine."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx

from trainer.data.allowed import ANY, DEFAULT_PORTS, Allowed, host_of
from trainer.data.download import download
from trainer.data.errors import DataError, MonthNotPublished
from trainer.data.parquet import check_parquet
from trainer.data.patience import Patience
from trainer.data.pinned import PinnedTransport
from trainer.usecase.declaration import Files
from trainer.usecase.declaration import Period as Kind
from trainer.usecase.files import WHOLE, Located, NoFiles, format_of
from trainer.usecase.periods import Asked, Period, select


class EmptyFile(DataError):
    """There is a file, with nothing in it."""


class NoFirstPeriod(DataError):
    """Nobody knows where to begin to ask."""


def is_address(text: str) -> bool:
    """Whether it is of a file behind HTTP."""
    return text.lower().startswith(("http://", "https://"))


def fetched(address: str, source: Files, kind: Kind, asked: Asked, into: Path) -> list[Located]:
    """The files that an address names, as files of this machine.

    What is there from before is used again if the server says that it hasn't changed, or can't be asked. Of an address
    with ``{period}`` a period that isn't published is passed over, unless it is named.

    Args:
        into: a folder where they are kept.

    Raises:
        NoFirstPeriod: it has ``{period}``, and neither the source nor who asks says which is the first.
        NoFiles: nothing is published of what was asked for.
        LocationRefused, MonthNotPublished, RequestRefused, NotParquet, TruncatedFile, EmptyFile: no later try will do
            better.
        SourceUnavailable: the server doesn't answer.
    """
    found = list(_published(address, source, kind, asked, into))
    if not found:
        raise NoFiles(f"nothing is published at {address} of what was asked for")
    return found


def _published(address: str, source: Files, kind: Kind, asked: Asked, into: Path) -> Iterator[Located]:
    if WHOLE not in address:
        yield Located(_one(address, source, into))
        return
    # what is named must be there; of what may be there the newest usually isn't yet
    for period in _wanted(address, source, kind, asked):
        try:
            path = _one(address.replace(WHOLE, str(period)), source, into)
        except MonthNotPublished:
            if asked.periods is not None and str(period) in asked.periods:
                raise
        else:
            yield Located(path, period.first_day)


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


def _one(address: str, source: Files, into: Path) -> Path:
    url = httpx.URL(address)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", unquote(url.path.rpartition("/")[2]))[-100:] or "file"
    target = into / f"{hashlib.sha256(address.encode()).hexdigest()[:12]}-{name}"
    kind = source.format or format_of(Path(name))

    def check(path: Path, uri: str) -> None:
        if kind == "parquet":
            check_parquet(path, uri)
        elif path.stat().st_size == 0:
            raise EmptyFile(f"{uri}: is empty")

    # what the use case names may have a private address; whatever it leads on to may not
    port = url.port or DEFAULT_PORTS[url.scheme]
    allowed = Allowed(frozenset({f"{host_of(url)}:{port}", ANY}), ())
    patience = Patience()
    with patience.client(PinnedTransport(allowed), None) as client:
        return download(address, target, client, patience, check).path
