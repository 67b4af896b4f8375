"""A location reads what the deployment lets runs read, and nothing else of what this machine can reach."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from trainer.data.allowed import Address, Allowed
from trainer.data.errors import DataError, LocationRefused, NotParquet, SourceUnavailable
from trainer.data.months import Month
from trainer.data.patience import Patience
from trainer.data.pinned import PinnedTransport, check_address
from trainer.data.tlc import TlcSite, tlc

IMPATIENT = Patience(attempts=2, first_wait=0.001, longest_wait=0.01, connect_timeout=2, read_timeout=2)
JANUARY = Month(2021, 1)
NAME = "green_tripdata_2021-01.parquet"
CITY = "https://city.example/trip-data"
GIVEN = Path("/storage/given")


def allowed(hosts: str = "", folders: str = "", configured: str = CITY) -> Allowed:
    return Allowed.of(hosts, folders, configured, GIVEN)


@pytest.mark.parametrize(
    "location",
    [
        CITY,
        "https://city.example",
        "http://CITY.example:80/elsewhere/",  # a site may lead from one default port to the other
        "https://mirror.corp/x",
        "http://mirror.corp:8080/x",
        "http://[fd00::5]:9000/x",
    ],
)
def test_a_host_that_the_deployment_names_may_be_asked(location: str) -> None:
    found = allowed("mirror.corp, mirror.corp:8080, [fd00::5]:9000").find(location)
    assert isinstance(found, Address)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:4200/api",
        "http://localhost/",
        "http://prefect-server:4200/api",
        "https://city.example:8443/",
        "https://city.example.evil.example/",
        "https://evil.example/city.example",
        "https://city.example@evil.example/",
        "http://169.254.169.254/latest/meta-data",
        "https:/city.example/",
        "http://",
        "http:evil",
        "https://city.example:port/",
    ],
)
def test_any_other_host_is_refused(location: str) -> None:
    with pytest.raises(LocationRefused):
        allowed().find(location)


def test_a_base_url_has_no_query_and_no_fragment_that_would_swallow_the_file_s_name() -> None:
    for location in (f"{CITY}/secret#", f"{CITY}/secret?", f"{CITY}?file="):
        with pytest.raises(LocationRefused, match="no query and no fragment"):
            allowed().find(location)


def test_what_logs_in_at_a_location_is_never_shown() -> None:
    site = allowed().find("https://user:secret@city.example/trips/")
    assert site == Address("https://city.example/trips", ("user", "secret"))
    for location in ("https://user:secret@evil.example/", "https://user:secret@city.example/#"):
        with pytest.raises(LocationRefused) as refusal:
            allowed().find(location)
        assert "secret" not in str(refusal.value)


def test_folders_are_those_of_the_deployment_and_what_lies_below() -> None:
    of_a_folder = allowed(folders="/data/trips,/mnt/more", configured="/data/own")
    for location in ("/data/trips", "/data/trips/2021", "file:///mnt/more", "/data/own", str(GIVEN / "taxi-1")):
        assert of_a_folder.find(location) == Path(location.removeprefix("file://"))
    for location in ("/", "/data", "/data/trips/../private", "/data/trips2", "file:///etc", "s3://bucket", "."):
        with pytest.raises(LocationRefused, match="TRAINER_DATA_FOLDERS"):
            of_a_folder.find(location)


@pytest.mark.parametrize("hosts", ["https://a.corp", "a.corp/x", "user@a.corp", "a.corp:x", "*.corp"])
def test_an_entry_that_is_no_host_is_named(hosts: str) -> None:
    with pytest.raises(LocationRefused):
        allowed(hosts).find("https://x.corp/")


NEVER = ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "100.100.100.200", "::"]
PRIVATE = ["127.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "fd00::5", "::ffff:127.0.0.1", "2002:7f00:1::"]


@pytest.mark.parametrize("address", NEVER)
def test_link_local_and_metadata_addresses_are_never_asked(address: str) -> None:
    with pytest.raises(LocationRefused, match="never"):
        check_address("mirror.corp", ip_address(address), named=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_asked_only_if_its_host_is_named(address: str) -> None:
    check_address("mirror.corp", ip_address(address), named=True)
    with pytest.raises(LocationRefused, match="private"):
        check_address("mirror.corp", ip_address(address), named=False)


def ask(uri: str, permitted: Allowed) -> httpx.Response:
    with IMPATIENT.client(PinnedTransport(permitted), None) as client:
        return client.get(uri)


def names(monkeypatch: pytest.MonkeyPatch, addresses: dict[str, list[str]]) -> list[str]:
    """Looks names up here; those that were looked up."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, *more: Any, **named: Any) -> list[Any]:
        if host not in addresses:
            return real(host, *more, **named)
        asked.append(host)
        return [(0, 0, 0, "", (address, 0)) for address in addresses[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_name_is_looked_up_once_and_asked_under_its_own_name(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files[NAME] = b"content"
    port = httpx.URL(site.base).port
    asked = names(monkeypatch, {"mirror.corp": ["127.0.0.2", "127.0.0.1"]})  # only the second one answers

    assert ask(f"http://mirror.corp:{port}/{NAME}", allowed(f"mirror.corp:{port}")).content == b"content"

    assert asked == ["mirror.corp"]
    assert site.asked[-1][1]["Host"] == f"mirror.corp:{port}"


def test_data_come_through_the_proxy_that_the_environment_names(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which looks names up: so only hosts that are named are let through."""
    monkeypatch.setenv("http_proxy", site.base)
    monkeypatch.setenv("no_proxy", "near.corp")
    asked = names(monkeypatch, {"mirror.corp": [], "near.corp": ["127.0.0.1"]})
    site.files["http://mirror.corp/x"] = b"content"

    assert ask("http://mirror.corp/x", allowed("mirror.corp")).content == b"content"
    with pytest.raises(LocationRefused, match="the proxy looks it up: TRAINER_DATA_HOSTS must name it"):
        ask("http://other.example/x", allowed("*"))

    assert asked == []
    with pytest.raises(httpx.ConnectError):  # nobody is there; what counts is that it was asked for directly
        ask("http://near.corp:9/x", allowed("near.corp:9"))
    assert asked == ["near.corp"]


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254"])
def test_a_public_name_with_an_address_of_the_inside_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"evil.example": ["93.184.216.34", address]})
    with pytest.raises(LocationRefused, match=r"evil\.example"):
        ask("http://evil.example/", allowed("*"))


def test_a_name_without_an_address_may_have_one_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(SourceUnavailable, match=r"city\.example has no address"):
        TlcSite(Address(CITY), allowed(), IMPATIENT).newest("green", date(2021, 3, 1))


@pytest.mark.parametrize("call", ["fetch", "newest"])
def test_a_redirect_to_another_service_isn_t_followed(site: Any, inside: Any, tmp_path: Path, call: str) -> None:
    site.leads_to = f"{inside.base}/secret"
    source = TlcSite(Address(site.base), allowed(configured=site.base), IMPATIENT)

    with pytest.raises(LocationRefused, match=inside.base):
        source.fetch("green", JANUARY, tmp_path) if call == "fetch" else source.newest("green", date(2021, 3, 1))

    assert inside.asked == []


def test_a_redirect_to_an_allowed_host_is_followed_without_the_password(
    site: Any, inside: Any, parquet: bytes, tmp_path: Path
) -> None:
    inside.files["moved.parquet"] = parquet
    site.leads_to = f"{inside.base}/moved.parquet"
    permitted = allowed(httpx.URL(inside.base).netloc.decode(), configured=site.base)

    file = TlcSite(Address(site.base, ("user", "secret")), permitted, IMPATIENT).fetch("green", JANUARY, tmp_path)

    assert file.path.read_bytes() == parquet
    assert "Authorization" in site.asked[0][1]
    assert "Authorization" not in inside.asked[0][1]


def test_a_site_that_leads_round_and_round_is_refused(site: Any, tmp_path: Path) -> None:
    site.leads_to = f"{site.base}/again"
    with pytest.raises(LocationRefused, match="more than 5 redirects"):
        TlcSite(Address(site.base), allowed(configured=site.base), IMPATIENT).fetch("green", JANUARY, tmp_path)


def test_an_error_tells_nothing_of_what_came(site: Any, tmp_path: Path) -> None:
    site.files[NAME] = b"root:x:0:0:root:/root:/bin/bash"
    source = TlcSite(Address(site.base), allowed(configured=site.base), IMPATIENT)
    with pytest.raises(NotParquet) as from_site:
        source.fetch("green", JANUARY, tmp_path)
    (tmp_path / NAME).write_bytes(site.files[NAME])
    with pytest.raises(NotParquet) as from_folder:
        tlc(str(tmp_path), allowed(configured=str(tmp_path))).fetch("green", JANUARY, tmp_path)

    assert "root" not in str(from_site.value).replace(str(tmp_path), "")
    assert "root" not in str(from_folder.value).replace(str(tmp_path), "")


@contextmanager
def _greeting(server: socket.socket) -> Iterator[None]:
    """Greets the first client as SSH does."""

    def greet() -> None:
        with server.accept()[0] as client:
            client.recv(4096)
            client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    thread = Thread(target=greet)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_program_that_doesn_t_speak_http_isn_t_quoted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        base = f"http://127.0.0.1:{server.getsockname()[1]}"
        source = TlcSite(Address(base), allowed(configured=base), Patience(attempts=1, read_timeout=2))
        with _greeting(server), pytest.raises(SourceUnavailable) as error:
            source.newest("green", date(2021, 3, 1))

    assert "SSH" not in str(error.value)
    assert "no answer in HTTP" in str(error.value)


def test_a_run_is_refused_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from trainer.flows import ingest, outside

    for name, value in {
        "TRAINER_WAREHOUSE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "TRAINER_STORAGE": str(tmp_path),
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "TRAINER_SERVING_URL": "http://127.0.0.1:9",
        "SERVING_RELOAD_TOKEN": "token",
    }.items():
        monkeypatch.setenv(name, value)
    outside.settings.cache_clear()
    try:
        with pytest.raises(DataError, match="TRAINER_DATA_HOSTS"):
            ingest.month_source("tlc", "http://127.0.0.1:4200/api")
        with pytest.raises(DataError, match="TRAINER_DATA_FOLDERS"):
            ingest.month_source("tlc", "/etc")
        assert ingest.month_source("tlc", str(tmp_path / "given" / "x"))
        assert ingest.month_source("tlc", None)
    finally:
        outside.settings.cache_clear()
