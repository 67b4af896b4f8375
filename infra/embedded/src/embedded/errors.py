"""What can go wrong with the embedded stack; each error says what and where to look."""

from pathlib import Path


class StackError(Exception):
    """Anything that keeps the embedded stack from running."""

    log: Path | None = None
    """The log of the program that is to blame."""


class CopiedStack(StackError):
    """The folder is a copy of another stack's, and can't be one of its own."""

    def __init__(self, folder: Path, origin: str, reason: str) -> None:
        super().__init__(
            f"{folder} is a copy of {origin}, {reason}. Delete {folder} for an empty stack; "
            "`make backup` there and `make restore` here bring its data over"
        )


class AtWork(StackError):
    """Another program works on the same stack."""

    def __init__(self, folder: Path, who: str) -> None:
        super().__init__(f"{who or 'another program'} is at work on {folder}: wait until it is done, or end it there")


class ProcessDied(StackError):
    """A service ended that was wanted."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        super().__init__(f"{name} has ended; its log is {log}")


class NotReady(StackError):
    """A service didn't answer within its time."""

    def __init__(self, name: str, seconds: float, log: Path, last: object) -> None:
        self.name = name
        self.log = log
        super().__init__(f"{name} isn't ready after {seconds:.0f} s ({last}); its log is {log}")


class CommandFailed(StackError):
    """A program that runs to its end ended with an error; ``output`` is what it said, or the log that has it."""

    def __init__(self, name: str, code: int, output: str | Path) -> None:
        self.name = name
        self.log = output if isinstance(output, Path) else None
        said = f"; its log is {output}" if isinstance(output, Path) else f":\n{output.strip()}"
        super().__init__(f"{name} ended with exit code {code}{said}")
