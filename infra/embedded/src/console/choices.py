"""What a person chose, by make's variables SOURCE, DATA, MONTHS, HOLDOUT, TRIALS, SPEED and STACK."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SOURCES = ("synthetic", "tlc")
STACKS = ("demo", "compose")
MONTH = r"\d{4}-(0[1-9]|1[0-2])"
MONTHS = re.compile(rf"{MONTH}(\.\.{MONTH})?")


class BadChoice(Exception):
    """A variable has a value that it can't have."""

    def __init__(self, variable: str, value: str, allowed: str) -> None:
        super().__init__(f"{variable}={value}: allowed is {allowed}")


@dataclass(frozen=True, slots=True)
class Choices:
    """Empty texts are what wasn't chosen: the deployment's own settings hold."""

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
            source=variables.get("SOURCE", "").strip() or ("tlc" if data else ""),
            data=data,
            months=variables.get("MONTHS", "").strip(),
            holdout=variables.get("HOLDOUT", "").strip(),
            trials=variables.get("TRIALS", "").strip(),
            speed=variables.get("SPEED", "").strip(),
            stack=variables.get("STACK", "").strip(),
        )
        chosen._check()
        return chosen

    def _check(self) -> None:
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
        if self.trials and not re.fullmatch(r"\d{1,3}|1000", self.trials, re.ASCII):
            raise BadChoice("TRIALS", self.trials, "a whole number from 0 to 1000")
        if self.speed and (not re.fullmatch(r"\d{1,9}", self.speed, re.ASCII) or not int(self.speed)):
            raise BadChoice("SPEED", self.speed, "a whole number from 1: seconds of the past in one of today")
        # months in this form are in order as texts
        first, last = self.months[:7], self.months[-7:]
        if last < first:
            raise BadChoice("MONTHS", self.months, "a range that ends after it begins")
        if self.months and self.holdout and self.holdout <= last:
            raise BadChoice("HOLDOUT", self.holdout, f"a month after {last}, the last that trains")

    @property
    def folder(self) -> Path | None:
        """The data's folder, absolute; None for a URL or for no data. No shell expands the tilde in ``DATA=~/taxi``."""
        return None if not self.data or "://" in self.data else Path(self.data).expanduser().resolve()

    @property
    def location(self) -> str:
        return str(self.folder) if self.folder else self.data

    def parameters(self, location: str | None = None) -> dict[str, object]:
        """Parameters of the flow ``train``; ``location`` is the data's where the flow runs, if that is elsewhere."""
        named: dict[str, object] = {
            "source": self.source,
            "tlc_location": self.location if location is None else location,
            "months": self.months,
            "holdout": self.holdout,
            "search": {"trials": int(self.trials)} if self.trials else None,
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
