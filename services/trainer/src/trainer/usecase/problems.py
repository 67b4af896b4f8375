"""What is wrong with a declaration: each problem with its file, its line and its key."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong."""

    line: int
    """From 1."""
    key: str
    """As ``fields.carat.minimum``; empty for the file as a whole."""
    message: str
    """What is wrong, and what is allowed."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.key}: {self.message}" if self.key else f"line {self.line}: {self.message}"


class BadDeclaration(Exception):
    """A use case's file can't be used. All of its problems are listed."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = sorted(problems)
        super().__init__("\n".join(f"{file}, {problem}" for problem in self.problems))


class NoSuchUseCase(Exception):
    """There is no folder of that name, or it has no declaration."""
