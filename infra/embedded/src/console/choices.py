"""What a person chose, by make's variables USECASE, SOURCE, DATA, MONTHS, PERIODS, HOLDOUT, TRIALS, SPEED and STACK."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DEFAULT_USE_CASE = "trip-duration"
SOURCES = ("synthetic", "tlc")
"""Of the default use case."""
STACKS = ("demo", "compose")
MONTH = r"\d{4}-(0[1-9]|1[0-2])"
MONTHS = re.compile(rf"{MONTH}(\.\.{MONTH})?")
PERIOD = r"\d{4}-(W\d{2}|\d{2}(-\d{2})?)"
PERIODS = re.compile(rf"{PERIOD}(\.\.{PERIOD})?", re.ASCII)
LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


class BadChoice(Exception):
    """A variable has a value that it can't have."""

    def __init__(self, variable: str, value: str, allowed: str) -> None:
        super().__init__(f"{variable}={value}: allowed is {allowed}")


class NoSuchUseCase(Exception):
    """The stack has no use case of that name, or one that can't be deployed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the stack has no use case {name!r}: is there a usecases/{name}/usecase.yaml? `make check USECASE={name}`"
            " says what is wrong with it"
        )


@dataclass(frozen=True, slots=True)
class Choices:
    """Empty texts are what wasn't chosen: the deployment's own settings hold."""

    usecase: str = ""
    source: str = ""
    data: str = ""
    """Folder or base URL of monthly files."""
    months: str = ""
    holdout: str = ""
    trials: str = ""
    """How many parameters a search tries before the training."""
    speed: str = ""
    """Of a replay: seconds of the past in one of today."""
    stack: str = ""
    """Which one, if both are up."""

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """The choices in an environment.

        Raises:
            BadChoice: naming the variable.
        """
        data = variables.get("DATA", "").strip()
        chosen = cls(
            usecase=variables.get("USECASE", "").strip(),
            source=variables.get("SOURCE", "").strip() or ("tlc" if data else ""),
            data=data,
            months=variables.get("MONTHS", "").strip() or variables.get("PERIODS", "").strip(),
            holdout=variables.get("HOLDOUT", "").strip(),
            trials=variables.get("TRIALS", "").strip(),
            speed=variables.get("SPEED", "").strip(),
            stack=variables.get("STACK", "").strip(),
        )
        chosen._check()
        return chosen

    @property
    def training(self) -> str:
        """The deployment that trains."""
        return f"train/{self.usecase or DEFAULT_USE_CASE}"

    @property
    def of_table(self) -> bool:
        """Whether the use case is one that has a file of its own."""
        return self.usecase not in ("", DEFAULT_USE_CASE)

    def _check(self) -> None:
        if self.usecase and not LABEL.fullmatch(self.usecase):
            raise BadChoice("USECASE", self.usecase, "the name of a folder in usecases/")
        if self.of_table:
            self._check_table()
            return
        if self.source and self.source not in SOURCES:
            raise BadChoice("SOURCE", self.source, " or ".join(SOURCES))
        if self.stack and self.stack not in STACKS:
            raise BadChoice("STACK", self.stack, " or ".join(STACKS))
        if self.data and self.folder and not self.folder.is_dir():
            raise BadChoice("DATA", self.data, "a URL or an existing folder")
        if self.months and not MONTHS.fullmatch(self.months):
            raise BadChoice("MONTHS", self.months, "a month such as 2021-01, or a range such as 2021-01..2021-03")
        if self.holdout and not re.fullmatch(MONTH, self.holdout):
            raise BadChoice("HOLDOUT", self.holdout, "a month such as 2021-02")
        self._check_numbers()
        # months in this form are in order as texts
        first, last = self.months[:7], self.months[-7:]
        if last < first:
            raise BadChoice("MONTHS", self.months, "a range that ends after it begins")
        if self.months and self.holdout and self.holdout <= last:
            raise BadChoice("HOLDOUT", self.holdout, f"a month after {last}, the last that trains")

    def _check_numbers(self) -> None:
        if self.trials and not re.fullmatch(r"\d{1,3}|1000", self.trials, re.ASCII):
            raise BadChoice("TRIALS", self.trials, "a whole number from 0 to 1000")
        if self.speed and (not re.fullmatch(r"\d{1,9}", self.speed, re.ASCII) or not int(self.speed)):
            raise BadChoice("SPEED", self.speed, "a whole number from 1: seconds of the past in one of today")

    def _check_table(self) -> None:
        if self.data:
            raise BadChoice(
                "DATA", self.data, f"none here: usecases/{self.usecase}/usecase.yaml says where its rows are"
            )
        for variable, given in (("PERIODS", self.months), ("HOLDOUT", self.holdout)):
            if given and not PERIODS.fullmatch(given):
                raise BadChoice(variable, given, "a period such as 2021-01, 2021-W05 or 2021-01-31, or a range with ..")
        self._check_numbers()

    @property
    def folder(self) -> Path | None:
        """The data's folder, absolute; None for a URL or for no data. No shell expands the tilde in ``DATA=~/taxi``."""
        return None if not self.data or "://" in self.data else Path(self.data).expanduser().resolve()

    @property
    def location(self) -> str:
        return str(self.folder) if self.folder else self.data

    def parameters(self, location: str | None = None) -> dict[str, object]:
        """Parameters of the flow ``train``; ``location`` is the data's where the flow runs, if that is elsewhere."""
        search = {"trials": int(self.trials)} if self.trials else None
        if self.of_table:
            periods = {
                "periods": [self.months] if self.months else None,
                "holdout": [self.holdout] if self.holdout else None,
            }
            given: dict[str, object] = {"source": self.source, **periods, "search": search}
            return {name: value for name, value in given.items() if value}
        named: dict[str, object] = {
            "source": self.source,
            "tlc_location": self.location if location is None else location,
            "months": self.months,
            "holdout": self.holdout,
            "search": search,
        }
        return {name: value for name, value in named.items() if value}

    def of_replay(self, location: str | None = None) -> dict[str, object]:
        """Parameters of the flow ``replay``, likewise.

        Raises:
            BadChoice: it is one that a replay doesn't have.
        """
        for variable, given in (("HOLDOUT", self.holdout), ("TRIALS", self.trials)):
            if given:
                raise BadChoice(variable, given, "none for a replay")
        speed = {"speed": int(self.speed)} if self.speed else {}
        return self.parameters(location) | speed
