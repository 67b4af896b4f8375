"""Monthly files of NYC's Taxi & Limousine Commission, from its site, a mirror or a folder."""

from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path

import httpx

from trainer.data.allowed import Address, Allowed
from trainer.data.download import download
from trainer.data.errors import MonthNotPublished, NotAMonth, NothingPublished
from trainer.data.months import Month, last_months
from trainer.data.parquet import check_parquet
from trainer.data.patience import Patience, check_status
from trainer.data.pinned import PinnedTransport
from trainer.data.source import MonthFile, MonthSource, Service, file_name, sha256_of

MONTHS_LOOKED_BACK = 12
"""A site that has published nothing for so long is taken to have nothing."""


def tlc(location: str, allowed: Allowed) -> MonthSource:
    """The source at a base URL (http, https, file) or a folder's path.

    Raises:
        LocationRefused: it isn't one that may be read.
    """
    found = allowed.find(location)
    return TlcFolder(found) if isinstance(found, Path) else TlcSite(found, allowed)


@dataclass(frozen=True)
class TlcSite:
    """Files under a base URL."""

    base: Address
    allowed: Allowed
    patience: Patience = field(default_factory=Patience)

    def fetch(self, service: Service, month: Month, into: Path) -> MonthFile:
        """Downloads, or finds the file of an earlier download good: see ``MonthSource`` and ``download``."""
        name = file_name(service, month)
        with self._client() as client:
            return download(f"{self.base.url}/{name}", into / name, client, self.patience)

    def newest(self, service: Service, today: date, count: int = 1, until: Month | None = None) -> list[Month]:
        """Asks for one month after the other, backwards from the last full one."""
        last = min(until or Month.of(today).previous(), Month.of(today).previous())
        looked_at = reversed(last_months(last, MONTHS_LOOKED_BACK + count))
        found = [*islice((month for month in looked_at if self._has(service, month)), count)]
        if not found:
            raise NothingPublished(self.base.url, f"{service} month of the last {MONTHS_LOOKED_BACK + count}")
        return sorted(found)

    def _has(self, service: Service, month: Month) -> bool:
        uri = f"{self.base.url}/{file_name(service, month)}"
        try:
            with self._client() as client:
                self.patience.insist(uri, lambda: check_status(client.head(uri), uri))
        except MonthNotPublished:
            return False
        return True

    def _client(self) -> httpx.Client:
        return self.patience.client(PinnedTransport(self.allowed), self.base.credentials)


@dataclass(frozen=True)
class TlcFolder:
    """Files in a folder, used where they are."""

    folder: Path

    def fetch(self, service: Service, month: Month, into: Path) -> MonthFile:
        """The file itself; nothing is written."""
        path = self.folder / file_name(service, month)
        if not path.is_file():
            raise MonthNotPublished(str(path), "no such file")
        check_parquet(path, str(path))
        return MonthFile(path, path.as_uri(), sha256_of(path), path.stat().st_size)

    def newest(self, service: Service, today: date, count: int = 1, until: Month | None = None) -> list[Month]:
        """The last months that have a file."""
        files = self.folder.glob(f"{service}_tripdata_*.parquet")
        found = sorted(month for path in files if (month := _month_of(path)))
        months = [month for month in found if until is None or month <= until]
        if not months:
            any_month = file_name(service, Month.of(today)).replace(str(Month.of(today)), "*")
            raise NothingPublished(str(self.folder), f"{any_month} up to {until}" if until else any_month)
        return months[-count:]


def _month_of(path: Path) -> Month | None:
    try:
        return Month.parse(path.stem.rpartition("_")[2])
    except NotAMonth:
        return None
