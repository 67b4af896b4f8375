"""Where a table's rows come from: whatever the kind of the source, they are files of this machine first."""

from pathlib import Path
from typing import TypeGuard

from trainer.usecase import files, objects, remote
from trainer.usecase.declaration import AnySource, Declaration, Files, Generated, Query
from trainer.usecase.declaration import Period as Kind
from trainer.usecase.files import Located
from trainer.usecase.generated import AS_PARQUET, generate
from trainer.usecase.periods import Asked
from trainer.usecase.query import AS_CSV, fetch


def as_files(
    declaration: Declaration, source: AnySource, root: Path, asked: Asked, folder: Path, downloads: Path | None
) -> tuple[Files, list[Located]]:
    """How the files are to be read, and where they are.

    Args:
        root: what relative paths begin at.
        folder: an existing folder for what is only needed now.
        downloads: another, where files behind addresses are kept; without, they are fetched each time.

    Raises:
        DataError: the source hasn't what it is asked for.
        SourceUnavailable: it doesn't answer.
    """
    match source:
        case Generated():
            return AS_PARQUET, [Located(generate(declaration, source, asked.periods, asked.since, folder))]
        case Query():
            return AS_CSV, [Located(fetch(source, asked.since, folder))]
        case _:
            return source, locate(source, root, declaration.table.period, asked, downloads or folder)


def locate(source: Files, root: Path, kind: Kind, asked: Asked, into: Path) -> list[Located]:
    """The files of a source: those behind addresses are fetched ``into`` a folder. Raises as ``as_files``."""
    found: list[Located] = []
    for named in _named(source):
        if remote.is_address(named):
            found += remote.fetched(named, source, kind, asked, into)
        elif objects.is_object(named):
            found += objects.fetched(named, kind, into)
        else:
            found += files.locate(named, root, kind)
    return list(dict.fromkeys(found))


def is_local(source: AnySource) -> TypeGuard[Files]:
    """Whether it is files of this machine alone."""
    return isinstance(source, Files) and not any(is_elsewhere(named) for named in _named(source))


def is_elsewhere(named: str) -> bool:
    """Whether a source's text is an address rather than a path."""
    return remote.is_address(named) or objects.is_object(named)


def _named(source: Files) -> list[str]:
    return [source.files] if isinstance(source.files, str) else source.files
