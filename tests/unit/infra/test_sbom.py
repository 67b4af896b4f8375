"""The bill of materials of each image: what is in it, under which licence, in CycloneDX."""

import json
import platform
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from supply_chain import __main__ as program
from supply_chain import sbom
from supply_chain.licences import is_allowed, licence_of
from supply_chain.sbom import OtherContent

ROOT = Path(__file__).resolve().parents[3]

INVENTORY = {
    "system": {"id": "debian", "version": "13"},
    "python": {"version": "3.13.9", "prefix": "/usr/local"},
    "debian": [
        {
            "name": "libstdc++6",
            "version": "1:14.2.0-19+b1",
            "architecture": "amd64",
            "licences": ["GPL-3 with GCC exception"],
        },
        {"name": "base-files", "version": "13.8", "architecture": "amd64", "licences": []},
    ],
    "base_packages": [
        {"name": "pip", "version": "25.2", "expression": "MIT", "classifiers": [], "text": ""},
    ],
}


@cache
def locked(image: str) -> dict[str, Any]:
    return sbom.of_image(ROOT, image, sbom.installed_here(ROOT), None)


def inventory_of(document: dict[str, Any], *, without: str = "") -> dict[str, Any]:
    """As the image would tell it that was built from the lock."""
    packages = [
        {"name": one["name"], "version": one["version"], "expression": "MIT", "classifiers": [], "text": ""}
        for one in document["components"]
        if one["name"] != without
    ]
    return {**INVENTORY, "packages": packages}


def component(document: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in document["components"] if one["name"] == name)


@pytest.mark.parametrize("image", sbom.IMAGES)
def test_every_package_has_its_address_its_files_hashes_and_a_licence_that_lets_us_use_it(image: str) -> None:
    document = locked(image)
    assert program.problems_of(document) == []
    foreign = [one for one in document["components"] if "purl" in one]
    assert len(foreign) > 35
    for one in foreign:
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        assert one["licenses"]
        assert all(re.fullmatch(r"[0-9a-f]{64}", file["hashes"][0]["content"]) for file in one["externalReferences"])
        assert one["externalReferences"]


def test_only_what_a_linux_image_of_that_python_gets_is_listed() -> None:
    for image in sbom.IMAGES:
        versions: dict[str, str] = {}
        for one in locked(image)["components"]:
            assert versions.setdefault(one["name"], one["version"]) == one["version"]
            assert not re.search(
                r"win32|win_amd64|macosx|cp311-cp311|musllinux", json.dumps(one.get("externalReferences"))
            )
    assert "pywin32" not in json.dumps(locked("trainer"))
    assert not {"mlflow", "prefect", "pandas"} & {one["name"] for one in locked("serving")["components"]}


def test_what_depends_on_what_begins_at_the_image_and_leads_to_everything() -> None:
    document = locked("serving")
    edges = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    reached, open_ends = set(), [document["metadata"]["component"]["bom-ref"]]
    while open_ends:
        reached.add(end := open_ends.pop())
        open_ends += [ref for ref in edges[end] if ref not in reached]
    assert reached - {"roundhouse-serving"} == {one["bom-ref"] for one in document["components"]}


def test_a_built_image_adds_its_system_and_its_interpreter() -> None:
    inventory = inventory_of(locked("serving"))
    document = sbom.of_image(ROOT, "serving", {}, inventory)
    assert program.problems_of(document) == []
    assert component(document, "libstdc++6") == {
        "type": "library",
        "bom-ref": "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1?arch=amd64&distro=debian-13",
        "name": "libstdc++6",
        "version": "1:14.2.0-19+b1",
        "purl": "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19%2Bb1?arch=amd64&distro=debian-13",
        "licenses": [{"license": {"name": "GPL-3 with GCC exception"}}],
    }
    assert component(document, "python")["purl"] == "pkg:generic/python@3.13.9"
    assert component(document, "pip")["purl"] == "pkg:pypi/pip@25.2"
    assert "| GPL-3 with GCC exception | libstdc++6 |" in program.licence_list([document])


def test_a_document_is_cyclonedx_with_its_files_too() -> None:
    document = locked("serving")
    few = {**document, "components": document["components"][:3], "dependencies": []}
    assert any("externalReferences" in one for one in few["components"])
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(few)) is None


def test_what_is_no_cyclonedx_is_told() -> None:
    (problem,) = program.problems_of({**locked("serving"), "components": [{"type": "library"}]})
    assert "no CycloneDX 1.5" in problem


def test_an_image_of_other_packages_than_the_lock_s_is_refused_and_they_are_named() -> None:
    with pytest.raises(OtherContent, match=r"roundhouse-serving isn't what the lock says.*: orjson \d"):
        sbom.of_image(ROOT, "serving", {}, inventory_of(locked("serving"), without="orjson"))


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT AND Apache-2.0", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only OR (MIT AND (AGPL-3.0-only OR ISC))", True),
        ("(MIT OR ISC) AND BUSL-1.1", False),
        ("PolyForm-Noncommercial-1.0.0", False),
        ("Apache-2.0 WITH Commons-Clause", False),
        ("unknown", False),
    ],
)
def test_of_alternatives_one_has_to_be_allowed_and_of_parts_each(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


@pytest.mark.parametrize(
    ("facts", "licence"),
    [
        ({"expression": "mit OR apache-2.0"}, "MIT OR Apache-2.0"),
        ({"text": "Apache 2.0"}, "Apache-2.0"),
        ({"text": "see the file", "classifiers": ["License :: OSI Approved :: MIT License"]}, "MIT"),
        ({"text": "Proprietary"}, None),
        ({"classifiers": ["License :: Other/Proprietary License"]}, None),
        # which of them, or both, isn't said
        ({"classifiers": [f"License :: OSI Approved :: {name} License" for name in ("MIT", "BSD")]}, None),
        ({"name": "text_unidecode"}, "Artistic-1.0-Perl OR GPL-2.0-or-later"),
    ],
)
def test_a_licence_is_taken_from_what_metadata_say_without_doubt(facts: dict[str, Any], licence: str | None) -> None:
    assert licence_of({"name": "example", "expression": None, "classifiers": [], "text": "", **facts}) == licence


def test_the_inventory_of_a_system_has_its_debian_packages_and_the_interpreter_s() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "infra/images/inventory.py"], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert found["python"]["version"] == platform.python_version()
    assert "numpy" in {package["name"] for package in found["packages"]}
    if Path("/var/lib/dpkg/status").exists():
        dpkg = next(package for package in found["debian"] if package["name"] == "dpkg")
        assert dpkg["version"]
        assert dpkg["architecture"]
