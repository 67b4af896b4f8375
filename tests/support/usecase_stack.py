"""A running stack whose use cases lie in a folder of the tests."""

from dataclasses import dataclass
from pathlib import Path

from pipelines import Pipeline
from trainer.usecase.new.command import Choices, create


@dataclass(frozen=True)
class Tables:
    """The stack, and where its use cases and their data lie."""

    pipeline: Pipeline
    root: Path

    @property
    def usecases(self) -> Path:
        return self.root / "usecases"

    def write(self, name: str, content: str) -> None:
        """A file of data."""
        path = self.root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def new(self, name: str, data: str, target: str) -> Path:
        """As ``make new``; the file."""
        return create(Choices(name, str(self.root / data), target), self.usecases, self.root).file
