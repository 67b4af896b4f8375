"""What can be wrong with a contract, a bundle or a row; each error says what and where."""

from collections.abc import Sequence
from dataclasses import dataclass


class ContractError(Exception):
    """Anything that makes a bundle or its input unusable."""


class MalformedContract(ContractError):
    """The contract isn't what its format asks for; ``where`` is a path into it, such as ``fields.2.type``."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"contract.json: {where}: {problem}")


class NewerFormat(ContractError):
    """The contract was written by a later release that this one can't read."""

    def __init__(self, found: int, supported: int) -> None:
        self.found = found
        self.supported = supported
        super().__init__(
            f"contract.json: format_version {found} is newer than {supported}, the newest this release reads"
        )


class MissingFile(ContractError):
    """A bundle lacks a file that it must have."""

    def __init__(self, file: str, folder: object) -> None:
        self.file = file
        super().__init__(f"{file} is missing from the bundle {folder}")


class HashMismatch(ContractError):
    """A file of the bundle isn't the one that the contract was sealed with."""

    def __init__(self, file: str, expected: str, actual: str) -> None:
        self.file = file
        self.expected = expected
        self.actual = actual
        super().__init__(f"{file}: sha256 is {actual}, the contract says {expected}")


class UnusableModel(ContractError):
    """The model file's bytes are as sealed, yet the model can't be loaded or doesn't fit the contract."""


class GoldenMismatch(ContractError):
    """A golden row doesn't give the prediction that training recorded."""

    def __init__(self, row: int, expected: float, actual: float) -> None:
        self.row = row
        self.expected = expected
        self.actual = actual
        super().__init__(f"golden.json: row {row}: prediction is {actual!r}, training recorded {expected!r}")


class MalformedGolden(ContractError):
    """golden.json can't be read."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"golden.json: {problem}")


class BadJson(ContractError):
    """The body isn't JSON of the expected kind, so that no field can be named."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with one field of one row."""

    field: str
    problem: str
    """What is wrong, as a sentence's end: ``is missing``, ``is 120.0, above 100``."""
    allowed: str
    """What the field takes, in words."""
    row: int | None = None
    """Position in the batch, from 0; ``None`` outside a batch."""

    def __str__(self) -> str:
        at = "" if self.row is None else f"row {self.row}: "
        return f"{at}{self.field} {self.problem} (allowed: {self.allowed})"


class InvalidInput(ContractError):
    """Rows or columns that the contract refuses."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))
