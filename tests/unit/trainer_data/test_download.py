"""Downloads against a real server that fails as servers do."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from trainer.data.download import download
from trainer.data.errors import MonthNotPublished, NotParquet, RequestRefused, SourceUnavailable, TruncatedFile
from trainer.data.patience import Patience
from trainer.data.source import MonthFile, sha256_of

IMPATIENT = Patience(attempts=3, first_wait=0.001, longest_wait=0.01, connect_timeout=2, read_timeout=2)
NAME = "green_tripdata_2021-01.parquet"

Site = Any
"""``conftest.Site``: test folders are no packages, so that its type can't be imported."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / NAME


@pytest.fixture(autouse=True)
def published(site: Site, parquet: bytes) -> None:
    site.files[NAME] = parquet


def get(site: Site, target: Path, name: str = NAME, patience: Patience = IMPATIENT) -> MonthFile:
    return fetch(f"{site.base}/{name}", target, patience)


def fetch(uri: str, target: Path, patience: Patience = IMPATIENT) -> MonthFile:
    with patience.client(httpx.HTTPTransport(), None) as client:
        return download(uri, target, client, patience)


def ranges_asked(site: Site) -> list[str | None]:
    """The range that each request asked for."""
    return [headers.get("Range") for _, headers in site.asked]


def test_a_file_arrives_whole_with_its_checksum_and_nothing_else_is_left(
    site: Site, target: Path, parquet: bytes
) -> None:
    file = get(site, target)

    assert target.read_bytes() == parquet
    assert (file.path, file.size, file.sha256) == (target, len(parquet), sha256_of(target))
    assert sorted(path.name for path in target.parent.iterdir()) == [NAME, f"{NAME}.json", f"{NAME}.lock"]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_that_can_t_now_is_asked_again(site: Site, target: Path, parquet: bytes, status: int) -> None:
    site.faults.extend([status, status])

    get(site, target)

    assert target.read_bytes() == parquet
    assert len(site.asked) == 3


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_month_that_isn_t_there_is_asked_for_once(site: Site, target: Path, status: int) -> None:
    site.faults.append(status)

    with pytest.raises(MonthNotPublished, match=rf"{NAME}: not published \(HTTP status {status}\)"):
        get(site, target)

    assert len(site.asked) == 1
    assert not target.exists()


def test_a_refused_request_is_not_repeated(site: Site, target: Path) -> None:
    site.faults.append(401)

    with pytest.raises(RequestRefused, match="HTTP status 401"):
        get(site, target)

    assert len(site.asked) == 1


def test_a_server_that_never_can_is_unavailable_after_all_attempts(site: Site, target: Path) -> None:
    site.faults.extend([503] * 3)

    with pytest.raises(SourceUnavailable, match="unavailable after 3 attempts: HTTP status 503"):
        get(site, target)

    assert len(site.asked) == 3
    assert not target.exists()


def test_a_server_that_isn_t_there_is_unavailable(target: Path) -> None:
    with pytest.raises(SourceUnavailable, match=r"after 3 attempts.*ConnectError"):
        fetch(f"http://127.0.0.1:9/{NAME}", target)


def test_a_transfer_that_breaks_off_goes_on_where_it_was(site: Site, target: Path, parquet: bytes) -> None:
    site.faults.append("cut")

    get(site, target)

    assert target.read_bytes() == parquet
    assert ranges_asked(site) == [None, f"bytes={len(parquet) // 2}-"]


def test_what_arrived_before_giving_up_is_used_by_the_next_download(site: Site, target: Path, parquet: bytes) -> None:
    site.faults.extend(["cut", 503, 503])
    with pytest.raises(SourceUnavailable):
        get(site, target)
    site.asked.clear()

    get(site, target)

    assert target.read_bytes() == parquet
    assert ranges_asked(site) == [f"bytes={len(parquet) // 2}-"]


def test_a_file_that_changed_meanwhile_is_begun_anew(
    site: Site, target: Path, parquet: bytes, other_parquet: bytes
) -> None:
    site.faults.extend(["cut", 503, 503])
    with pytest.raises(SourceUnavailable):
        get(site, target)
    site.files[NAME] = other_parquet

    get(site, target)

    assert target.read_bytes() == other_parquet


@pytest.mark.parametrize("lacks", ["ranges", "etags"])
def test_a_server_that_can_t_resume_sends_all_again(site: Site, target: Path, parquet: bytes, lacks: str) -> None:
    setattr(site, lacks, False)
    site.faults.append("cut")

    get(site, target)

    assert target.read_bytes() == parquet


def test_a_server_that_goes_on_elsewhere_isn_t_trusted(site: Site, target: Path, parquet: bytes) -> None:
    site.faults.extend(["cut", "elsewhere"])

    get(site, target)

    assert target.read_bytes() == parquet
    assert ranges_asked(site) == [None, f"bytes={len(parquet) // 2}-", None]


def test_a_part_longer_than_the_file_is_dropped(site: Site, target: Path, parquet: bytes) -> None:
    site.faults.extend(["cut", 503, 503])
    with pytest.raises(SourceUnavailable):
        get(site, target)
    target.with_name(f"{NAME}.part").write_bytes(parquet + b"more")

    get(site, target)

    assert target.read_bytes() == parquet


def test_without_a_length_a_half_file_is_still_noticed(site: Site, target: Path) -> None:
    site.lengths = False
    site.faults.extend(["cut"] * 3)

    with pytest.raises(TruncatedFile, match=rf"{NAME}: truncated"):
        get(site, target)

    assert not target.exists()


def test_a_file_that_is_truncated_at_the_source_is_named_and_not_kept(site: Site, target: Path, parquet: bytes) -> None:
    site.files[NAME] = parquet[:-1000]

    with pytest.raises(
        TruncatedFile, match=rf"{NAME}: truncated or damaged Parquet file of {len(parquet) - 1000:,} bytes"
    ):
        get(site, target)

    assert [path.name for path in target.parent.iterdir()] == [f"{NAME}.lock"]
    assert len(site.asked) == 1


def test_an_error_page_under_a_file_s_name_is_not_parquet(site: Site, target: Path) -> None:
    site.files[NAME] = b"<html>Service temporarily unavailable</html>"

    with pytest.raises(NotParquet, match=rf"{NAME}: not a Parquet file \(\d+ bytes\)$"):
        get(site, target)

    assert not target.exists()


def test_a_bad_file_leaves_the_good_one_of_before(site: Site, target: Path, parquet: bytes) -> None:
    get(site, target)
    site.files[NAME] = parquet[:-1000]

    with pytest.raises(TruncatedFile):
        get(site, target)

    assert target.read_bytes() == parquet
    site.files[NAME] = parquet
    assert get(site, target).size == len(parquet)


def test_a_file_that_hasn_t_changed_isn_t_sent_again(site: Site, target: Path) -> None:
    first = get(site, target)
    inode = target.stat().st_ino

    assert get(site, target) == first
    assert target.stat().st_ino == inode
    assert "If-None-Match" in site.asked[-1][1]


def test_a_file_that_was_issued_again_replaces_the_old(site: Site, target: Path, other_parquet: bytes) -> None:
    first = get(site, target)
    site.files[NAME] = other_parquet

    assert get(site, target).sha256 != first.sha256
    assert target.read_bytes() == other_parquet


def test_a_file_that_was_damaged_on_disk_is_fetched_again(site: Site, target: Path, parquet: bytes) -> None:
    get(site, target)
    target.write_bytes(parquet[:1000] + b"?" + parquet[1001:])

    get(site, target)

    assert target.read_bytes() == parquet
    assert "If-None-Match" not in site.asked[-1][1]


def test_a_file_from_another_address_isn_t_taken_for_this_one(site: Site, target: Path, other_parquet: bytes) -> None:
    get(site, target)
    site.files["other.parquet"] = other_parquet

    get(site, target, "other.parquet")

    assert target.read_bytes() == other_parquet


def test_a_file_from_another_address_doesn_t_serve_while_the_server_is_away(site: Site, target: Path) -> None:
    get(site, target)
    site.faults.extend([503] * 3)

    with pytest.raises(SourceUnavailable):
        get(site, target, "other.parquet")


def test_a_part_of_which_nothing_is_known_is_begun_anew(site: Site, target: Path, parquet: bytes) -> None:
    target.parent.mkdir()
    target.with_name(f"{NAME}.part").write_bytes(b"who knows")

    get(site, target)

    assert target.read_bytes() == parquet


def test_a_good_file_serves_while_the_server_is_away(
    site: Site, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = get(site, target)
    site.faults.extend([503] * 3)

    assert get(site, target) == first
    assert "the file of an earlier download is used" in caplog.text


def test_downloads_of_one_file_at_once_don_t_mix(site: Site, target: Path, parquet: bytes) -> None:
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda _: get(site, target), range(4)))

    assert len({file.sha256 for file in files}) == 1
    assert target.read_bytes() == parquet


def test_a_server_s_wish_for_a_pause_is_heard_up_to_the_longest_wait(site: Site, target: Path) -> None:
    site.faults.append(429)
    site.retry_after = "600"
    patience = Patience(attempts=2, first_wait=0.001, longest_wait=0.4)
    begun = time.monotonic()

    get(site, target, patience=patience)

    assert 0.4 <= time.monotonic() - begun < 60
