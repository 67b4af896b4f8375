"""The folder of all use cases."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.usecase.declaration import Declaration
from trainer.usecase.problems import BadDeclaration, NoSuchUseCase
from trainer.usecase.reading import FILE, read


@dataclass(frozen=True)
class UseCases:
    """The use cases that were found, and those that can't be used."""

    sound: Sequence[Declaration]
    broken: Sequence[BadDeclaration]


def find(folder: Path, name: str) -> Declaration:
    """A use case by its name.

    Raises:
        NoSuchUseCase: naming those that there are.
        BadDeclaration: its file can't be used.
    """
    if not (folder / name / FILE).is_file() or "/" in name:
        there = ", ".join(names(folder)) or "none"
        raise NoSuchUseCase(f"there is no use case {name!r} in {folder}: there is {there}")
    return read(folder / name)


def digest_of(declaration: Declaration) -> str:
    """Changes with whatever decides which rows a training has, and what they become; not with a schedule."""
    decisive = declaration.model_dump_json(
        exclude={"description", "sources", "ingest", "monitor", "outcomes", "train", "judge"}
    )
    rest = f"{declaration.judge.share} {declaration.train.most_rows}"
    return hashlib.sha256(f"{decisive} {rest} {declaration.hooks.digest}".encode()).hexdigest()


def names(folder: Path) -> list[str]:
    """Of the folders that have a declaration, in order."""
    return sorted(file.parent.name for file in folder.glob(f"*/{FILE}"))


def find_all(folder: Path) -> UseCases:
    """Every use case; one that is broken keeps no other from being used."""
    sound, broken = [], []
    for name in names(folder):
        try:
            sound.append(read(folder / name))
        except BadDeclaration as error:
            broken.append(error)
    return UseCases(sound, broken)
