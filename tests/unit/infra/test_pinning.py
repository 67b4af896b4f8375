"""Base images by digest: where they are named, what a registry says of them, and how that gets into the files."""

import re
from collections.abc import Iterator
from pathlib import Path

import fake_registry
import pytest
import yaml
from console.terminal import Terminal
from fake_registry import Registry
from supply_chain import __main__ as program
from supply_chain import build_tools, references, registry
from supply_chain.registry import Name, RegistryError

ROOT = Path(__file__).resolve().parents[3]
DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture
def fake() -> Iterator[Registry]:
    with fake_registry.serving(Registry()) as found:
        yield found


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("postgres:18", Name("registry-1.docker.io", "library/postgres", "18")),
        ("prom/prometheus:v2.53.3", Name("registry-1.docker.io", "prom/prometheus", "v2.53.3")),
        ("ghcr.io/a/b:1", Name("ghcr.io", "a/b", "1")),
        ("localhost/a:1", Name("localhost", "a", "1")),
        ("127.0.0.1:5001/a/b:1", Name("127.0.0.1:5001", "a/b", "1")),
    ],
)
def test_an_image_s_name_is_read_as_docker_reads_it(image: str, expected: Name) -> None:
    assert Name.parse(image) == expected


@pytest.mark.parametrize("image", ["postgres", "127.0.0.1:5001/postgres"])
def test_an_image_without_a_tag_is_refused(image: str) -> None:
    with pytest.raises(RegistryError, match="has no tag"):
        Name.parse(image)


def test_only_this_machine_is_asked_without_encryption() -> None:
    assert Name("ghcr.io", "a", "1").url.startswith("https://")
    assert Name("localhost.example.org", "a", "1").url.startswith("https://")
    assert Name("127.0.0.1:5001", "a", "1").url.startswith("http://")


@pytest.mark.parametrize("wants_token", [True, False])
def test_a_tag_s_digest_is_that_of_its_index_of_platforms(fake: Registry, wants_token: bool) -> None:
    fake.wants_token = wants_token
    digest = fake.add("library/python:3.13-slim")
    assert registry.digest(f"{fake.host}/library/python:3.13-slim") == digest
    assert fake.scopes == ["repository:library/python:pull"] * wants_token


def test_a_manifest_that_is_not_what_the_registry_calls_it_is_refused(fake: Registry) -> None:
    fake.add("a:1")
    fake.misnames = True
    with pytest.raises(RegistryError, match="and calls it sha256:"):
        registry.digest(f"{fake.host}/a:1")


def test_a_manifest_without_end_is_cut_off(fake: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.add("a:1", size=100)
    monkeypatch.setattr(registry, "MOST_BYTES", 5_000)
    with pytest.raises(RegistryError, match="longer than 5000 bytes"):
        registry.digest(f"{fake.host}/a:1")


def test_a_tag_that_is_not_there_is_named(fake: Registry) -> None:
    with pytest.raises(RegistryError, match=r"a:2: 127.0.0.1:\d+ answers 404"):
        registry.digest(f"{fake.host}/a:2")


def test_a_registry_that_is_away_is_named() -> None:
    with fake_registry.serving(Registry()) as gone:
        host = gone.host
    with pytest.raises(RegistryError, match=r"doesn't answer \(ConnectionError\)"):
        registry.digest(f"{host}/a:1")


@pytest.fixture
def checkout(tmp_path: Path, fake: Registry) -> Path:
    """Files as ours, with images of the registry."""
    python, postgres = f"{fake.host}/library/python:3.13", f"{fake.host}/library/postgres:18"
    texts = {
        "docker-compose.yml": f"image: ${{POSTGRES_IMAGE:-{postgres}}}\nargs: ['${{PYTHON_IMAGE:-{python}}}']\n",
        ".env.example": f"PYTHON_IMAGE={python}\nPOSTGRES_IMAGE={postgres}\n",
        "services/a/Dockerfile": f"ARG PYTHON_IMAGE={python}\nFROM ${{PYTHON_IMAGE}}\nARG GIT_COMMIT=unknown\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "infra/images").mkdir(parents=True)
    return tmp_path


def test_digests_are_written_behind_every_name_and_replaced_the_next_time(
    checkout: Path, fake: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "ROOT", checkout)
    monkeypatch.setattr(build_tools, "requirements", lambda _: "uv==1\n")
    before = {file: file.read_text() for file in references.files(checkout)}
    for size in (3, 4):
        python = fake.add("library/python:3.13", size)
        postgres = fake.add("library/postgres:18", size + 10)
        program.pin(Terminal())
        for file, text in before.items():
            expected = re.sub(r"(/python:3\.13)", rf"\1@{python}", text)
            assert file.read_text() == re.sub(r"(/postgres:18)", rf"\1@{postgres}", expected)
    assert (checkout / "infra/images/uv.txt").read_text() == "uv==1\n"


def test_if_one_image_is_not_found_no_file_is_changed(
    checkout: Path, fake: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "ROOT", checkout)
    monkeypatch.setattr(build_tools, "requirements", lambda _: "uv==1\n")
    fake.add("library/python:3.13")
    before = {file: file.read_text() for file in references.files(checkout)}
    with pytest.raises(RegistryError, match="postgres:18"):
        program.pin(Terminal())
    assert {file: file.read_text() for file in before} == before


def test_every_image_of_a_registry_is_named_where_it_can_be_pinned_and_replaced() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    foreign = {service["image"] for service in services.values() if "roundhouse-" not in service.get("image", "")}
    dockerfiles = [file.read_text() for file in ROOT.glob("services/*/Dockerfile")]
    bases = {base for text in dockerfiles for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE)}
    assert all(re.fullmatch(r"\$\{[A-Z_]+_IMAGE:-[^}]+\}", image) for image in foreign), foreign
    assert all(re.fullmatch(r"\$\{[A-Z_]+_IMAGE\}", base) for base in bases), bases
    assert len(references.found(ROOT)) == len(foreign | bases)


def test_an_image_is_named_alike_in_every_file() -> None:
    found = references.found(ROOT)
    assert len({one.variable for one in found}) == len(found)
