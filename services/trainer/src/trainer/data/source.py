"""Where months of trips come from."""

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, Protocol, get_args

from trainer.data.months import Month

SourceName = Literal["synthetic", "tlc"]
Service = Literal["green", "yellow"]
SOURCES: tuple[SourceName, ...] = get_args(SourceName)
SERVICES: tuple[Service, ...] = get_args(Service)


@dataclass(frozen=True, slots=True)
class MonthFile:
    """One month of one service as a Parquet file on this machine."""

    path: Path
    uri: str
    """Where it came from."""
    sha256: str
    size: int
    """Bytes."""


class MonthSource(Protocol):
    """Something that has months of trips."""

    def fetch(self, service: Service, month: Month, into: Path) -> MonthFile:
        """The month's file, in the folder ``into`` or where it already was.

        Raises:
            MonthNotPublished, NotParquet, TruncatedFile, RequestRefused: there is no usable file.
            SourceUnavailable: there may be one later.
        """
        ...

    def newest(self, service: Service, today: date, count: int = 1, until: Month | None = None) -> list[Month]:
        """The newest months that can be fetched, in order; there may be others between them that can't.

        Args:
            count: So many, or as many as there are.
            until: None later than this.

        Raises:
            NothingPublished: there is none.
            SourceUnavailable: the source doesn't say.
        """
        ...


def file_name(service: Service, month: Month) -> str:
    """The name that the TLC gives its files: ``green_tripdata_2021-01.parquet``."""
    return f"{service}_tripdata_{month}.parquet"


def sha256_of(path: Path) -> str:
    """sha256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
