"""Files of a use case's source that lie behind addresses."""

import gzip
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from small_tables import declared
from trainer.data.errors import LocationRefused, MonthNotPublished
from trainer.data.patience import Patience
from trainer.usecase.declaration import Declaration
from trainer.usecase.files import NoFiles
from trainer.usecase.new.command import Choices, create
from trainer.usecase.periods import EVERYTHING, Asked
from trainer.usecase.problems import BadDeclaration
from trainer.usecase.remote import NoFirstPeriod
from trainer.usecase.rows import opened_rows

Ids = Callable[..., list[int]]
Site = Any
"""``conftest.Site``: test folders are no packages, so that its type can't be imported."""
TODAY = date(2024, 6, 15)


@pytest.fixture
def ids(tmp_path: Path) -> Ids:
    """``ids(declaration, asked)``: of the rows that are read."""
    kept = tmp_path / "kept"
    kept.mkdir()

    def read(declaration: Declaration, asked: Asked = EVERYTHING) -> list[int]:
        with opened_rows(declaration, declaration.sources["files"], tmp_path, tmp_path, asked, kept) as rows:
            found: list[int] = rows.table()["id"].to_pylist()
        return found

    return read


@pytest.fixture
def monthly(site: Site) -> Site:
    for month in (1, 2, 4):
        site.files[f"r-2024-{month:02}.csv"] = f"id,at\n{month},2024-{month:02}-03\n".encode()
    return site


def test_a_file_behind_an_address_is_sent_once_and_again_when_it_has_changed(
    site: Site, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.usecase.remote.Patience", lambda: Patience(first_wait=0.01, longest_wait=0.02))
    site.files["rentals.csv.gz"] = gzip.compress(b"id,at\n1,2024-01-03\n")
    rentals = declared(f"{site.base}/rentals.csv.gz")
    assert ids(rentals) == ids(rentals) == [1]
    assert "If-None-Match" in site.asked[-1][1]
    site.files["rentals.csv.gz"] = gzip.compress(b"id,at\n2,2024-01-03\n")
    assert ids(rentals) == [2]
    # what was fetched serves while the server can't
    site.faults.extend([503] * 4)
    assert ids(rentals) == [2]


def test_of_an_address_with_periods_those_that_may_be_new_are_asked_for(monthly: Site, ids: Ids) -> None:
    rentals = declared(f"{monthly.base}/r-{{period}}.csv", ", first: 2024-01")
    assert ids(rentals, Asked(today=TODAY)) == [1, 2, 4]
    assert len(monthly.asked) == 6
    assert ids(rentals, Asked(since=datetime(2024, 4, 1), today=TODAY)) == [4]
    assert ids(rentals, Asked(["2024-02"], today=TODAY)) == [2]
    assert ids(rentals, Asked(["2024-02..2024-03"], today=TODAY)) == [2]
    with pytest.raises(MonthNotPublished, match=r"r-2024-03\.csv: not published"):
        ids(rentals, Asked(["2024-03"], today=TODAY))
    with pytest.raises(NoFiles, match="nothing is published"):
        ids(rentals, Asked(since=datetime(2024, 5, 1), today=TODAY))


def test_without_a_first_period_the_periods_must_be_named(monthly: Site, ids: Ids) -> None:
    rentals = declared(f"{monthly.base}/r-{{period}}.csv")
    with pytest.raises(NoFirstPeriod, match="give `first`, the first month that there is, or name the months"):
        ids(rentals, Asked(today=TODAY))
    assert ids(rentals, Asked(["2024-01", "2024-02"], today=TODAY)) == [1, 2]


def test_an_address_does_not_lead_on_to_another_service_of_this_machine(site: Site, inside: Site, ids: Ids) -> None:
    site.leads_to = f"{inside.base}/secret"
    with pytest.raises(LocationRefused):
        ids(declared(f"{site.base}/rentals.csv"))
    assert inside.asked == []


@pytest.mark.parametrize(
    ("files", "more", "said"),
    [
        ("https://me:secret@example.org/r.csv", "", "has a password or a user's name, which belong into no file"),
        ("https://example.org/r-{period}.csv", ", first: 2024-1", "'2024-1' is no month"),
    ],
)
def test_what_an_address_can_not_be(files: str, more: str, said: str) -> None:
    with pytest.raises(BadDeclaration, match=said) as raised:
        declared(files, more)
    assert "secret" not in str(raised.value)


def test_a_new_use_case_of_an_address_keeps_the_address(site: Site, tmp_path: Path) -> None:
    site.files["goods.csv"] = b"weight;price\n" + b"".join(b"%d,5;%d\n" % (n, 3 * n % 17) for n in range(300))
    create(Choices("goods", f"{site.base}/goods.csv", "price"), tmp_path / "usecases", tmp_path)
    text = (tmp_path / "usecases" / "goods" / "usecase.yaml").read_text()
    assert f"{site.base}/goods.csv" in text
    assert 'delimiter: ";"' in text
