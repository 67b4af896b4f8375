"""The TLC's files on a site and in a folder."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from trainer.data.allowed import Address, Allowed
from trainer.data.errors import MonthNotPublished, NothingPublished, NotParquet, SourceUnavailable, TruncatedFile
from trainer.data.months import Month
from trainer.data.patience import Patience
from trainer.data.source import file_name, sha256_of
from trainer.data.tlc import TlcFolder, TlcSite, tlc

IMPATIENT = Patience(attempts=2, first_wait=0.001, longest_wait=0.01, connect_timeout=2, read_timeout=2)
JANUARY = Month(2021, 1)
NAME = "green_tripdata_2021-01.parquet"


def tlc_site(site: Any) -> TlcSite:
    """The server of the test, as the one that the deployment names."""
    return TlcSite(Address(site.base), Allowed.of("", "", site.base, Path("/nowhere")), IMPATIENT)


def test_a_location_is_a_site_or_a_folder(tmp_path: Path) -> None:
    allowed = Allowed.of("example.org", "", str(tmp_path), tmp_path / "given")
    assert tlc("https://example.org/trip-data/", allowed) == TlcSite(Address("https://example.org/trip-data"), allowed)
    assert tlc(str(tmp_path), allowed) == TlcFolder(tmp_path)
    assert tlc(tmp_path.as_uri(), allowed) == TlcFolder(tmp_path)


def test_a_site_s_file_is_fetched_by_the_tlc_s_name(site: Any, parquet: bytes, tmp_path: Path) -> None:
    site.files[NAME] = parquet

    file = tlc_site(site).fetch("green", JANUARY, tmp_path)

    assert file.uri == f"{site.base}/{NAME}"
    assert file.path.read_bytes() == parquet


def test_a_site_s_newest_month_is_the_first_that_it_has_looking_back(site: Any, parquet: bytes) -> None:
    site.files[NAME] = parquet

    assert tlc_site(site).newest("green", date(2021, 4, 5)) == [JANUARY]
    assert [method for method, _ in site.asked] == ["HEAD"] * 3


def test_months_that_a_source_does_not_have_are_passed_over(site: Any, parquet: bytes, tmp_path: Path) -> None:
    months = [Month(2020, 8), Month(2020, 12), Month(2021, 1), Month(2021, 3)]
    for month in months:
        site.files[file_name("green", month)] = parquet
        (tmp_path / file_name("green", month)).touch()

    for source in (tlc_site(site), TlcFolder(tmp_path)):
        assert source.newest("green", date(2021, 4, 5), 3) == months[1:]
        assert source.newest("green", date(2021, 4, 5), 2, until=Month(2021, 2)) == months[1:3]
        assert source.newest("green", date(2021, 4, 5), 9) == months
        with pytest.raises(NothingPublished):
            source.newest("green", date(2021, 4, 5), 1, until=Month(2020, 7))


def test_a_site_with_nothing_says_so(site: Any) -> None:
    with pytest.raises(NothingPublished, match="has no green month of the last 13"):
        tlc_site(site).newest("green", date(2021, 4, 5))


def test_a_site_that_is_down_isn_t_taken_for_one_with_nothing(site: Any) -> None:
    site.faults.extend([503, 503])

    with pytest.raises(SourceUnavailable):
        tlc_site(site).newest("green", date(2021, 4, 5))


def test_a_folder_s_file_is_used_where_it_is(parquet: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(parquet)

    file = TlcFolder(tmp_path).fetch("green", JANUARY, tmp_path / "downloads")

    assert (file.path, file.size, file.sha256) == (tmp_path / NAME, len(parquet), sha256_of(tmp_path / NAME))
    assert not (tmp_path / "downloads").exists()


def test_a_folder_without_the_month_says_which_file_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(MonthNotPublished, match=rf"{NAME}: not published \(no such file\)"):
        TlcFolder(tmp_path).fetch("green", JANUARY, tmp_path)


def test_a_folder_s_bad_files_are_named(parquet: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(parquet[: len(parquet) // 2])
    with pytest.raises(TruncatedFile, match=NAME):
        TlcFolder(tmp_path).fetch("green", JANUARY, tmp_path)

    (tmp_path / NAME).write_bytes(b"")
    with pytest.raises(NotParquet, match=NAME):
        TlcFolder(tmp_path).fetch("green", JANUARY, tmp_path)


def test_a_folder_s_newest_month_is_of_the_service_asked_for(tmp_path: Path) -> None:
    for name in (
        NAME,
        "green_tripdata_2020-12.parquet",
        "green_tripdata_old.parquet",
        "yellow_tripdata_2023-01.parquet",
    ):
        (tmp_path / name).touch()

    assert TlcFolder(tmp_path).newest("green", date(2026, 1, 1)) == [JANUARY]


def test_a_folder_with_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(NothingPublished, match=r"has no yellow_tripdata_\*\.parquet"):
        TlcFolder(tmp_path).newest("yellow", date(2026, 1, 1))
