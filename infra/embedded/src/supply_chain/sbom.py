"""A bill of materials of one image, in CycloneDX: what uv would install, with licences, and what else the image has.

uv writes the document from its lock: packages, their files with hashes, and what depends on what, for all platforms.
Left out here is what a Linux image with its Python doesn't get. Where the image is built, Debian's packages and the
interpreter are added, and the packages that it has must be those of the document.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packageurl import PackageURL
from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from supply_chain.build_tools import UV
from supply_chain.licences import Facts, licence_of

Document = dict[str, Any]
Component = dict[str, Any]

IMAGES = {"trainer": "trainer", "serving": "serving", "mlflow": "tracking"}
"""The workspace's member that each image is made for."""
PYTHON = (3, 13)
"""The images' release."""
GLIBC = range(5, 42)
"""Debian 13 has 2.41."""

ENVIRONMENT = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{PYTHON[0]}.{PYTHON[1]}.0",
    "python_version": f"{PYTHON[0]}.{PYTHON[1]}",
    "sys_platform": "linux",
}


class OtherContent(Exception):
    """An image has other packages than the lock says."""

    def __init__(self, image: str, differences: Iterable[str]) -> None:
        super().__init__(f"{image} isn't what the lock says, build it again: {', '.join(sorted(differences))}")


def of_image(root: Path, image: str, licences: Mapping[str, Facts], inventory: Mapping[str, Any] | None) -> Document:
    """The document of ``roundhouse-<image>``.

    Args:
        licences: What is known of packages, by normalised name; those of an inventory go before them.
        inventory: What ``infra/images/inventory.py`` found in the image; None if there is no image.

    Raises:
        OtherContent: the image's packages aren't those of the lock.
        CalledProcessError: uv can't read the lock.
    """
    document = _locked(root, IMAGES[image])
    components = [one for one in document["components"] if _is_installed(one)]
    own = document["metadata"]["component"]
    if inventory:
        _compare(image, [own, *components], inventory["packages"])
        licences = {**licences, **by_name(inventory["packages"])}
    for component in components:
        _keep_fitting_files(component)
        _add_licence(component, licences)
    components = [own, *components, *(_of_system(inventory) if inventory else ())]
    name = f"roundhouse-{image}"
    document["metadata"]["component"] = {"type": "container", "bom-ref": name, "name": name}
    document["components"] = components
    document["dependencies"] = _dependencies(document["dependencies"], name, own["bom-ref"], components)
    return document


def by_name(packages: Iterable[Facts]) -> dict[str, Facts]:
    """Packages of an inventory by their normalised names."""
    return {str(canonicalize_name(facts["name"])): facts for facts in packages}


def _locked(root: Path, member: str) -> Document:
    command = [UV, "export", "--frozen", "--quiet", "--no-dev", "--package", member, "--format=cyclonedx1.5"]
    options = ["--preview-features=sbom-export"]
    done = subprocess.run([*command, *options], cwd=root, check=True, capture_output=True, text=True)
    found: Document = json.loads(done.stdout)
    return found


def _is_installed(component: Component) -> bool:
    told = {entry["name"]: entry["value"] for entry in component.get("properties", ())}
    marker = told.get("uv:package:marker")
    return marker is None or Marker(marker).evaluate({**ENVIRONMENT, "extra": ""})


def _tags() -> frozenset[Tag]:
    platforms = [f"manylinux_2_{minor}_{machine}" for machine in ("x86_64", "aarch64") for minor in GLIBC]
    platforms += [f"manylinux{year}_{machine}" for machine in ("x86_64", "aarch64") for year in ("1", "2010", "2014")]
    return frozenset([*cpython_tags(PYTHON, platforms=platforms), *compatible_tags(PYTHON, "cp313", platforms)])


TAGS = _tags()
NO_METADATA: Facts = {"expression": None, "classifiers": (), "text": ""}
"""Of a package that is installed neither in an image nor here, since this Python doesn't need it."""


def _keep_fitting_files(component: Component) -> None:
    """The wheels that such an image can get, on either processor; else the source."""
    files = component.get("externalReferences", [])
    fitting = [file for file in files if _fits(file["url"])]
    if files:
        component["externalReferences"] = fitting or [file for file in files if not file["url"].endswith(".whl")]


def _fits(url: str) -> bool:
    try:
        return not TAGS.isdisjoint(parse_wheel_filename(url.rpartition("/")[2])[3])
    except InvalidWheelFilename:
        return False


def _add_licence(component: Component, licences: Mapping[str, Facts]) -> None:
    facts = licences.get(canonicalize_name(component["name"]), NO_METADATA)
    if "purl" in component and (licence := licence_of({**facts, "name": component["name"]})):
        component["licenses"] = [{"expression": licence}]


def _compare(image: str, components: Iterable[Component], packages: Iterable[Facts]) -> None:
    locked = {(canonicalize_name(one["name"]), one["version"]) for one in components}
    found = {(canonicalize_name(one["name"]), one["version"]) for one in packages}
    # a member that is no package, such as the pin of the tracking server, isn't installed
    virtual = {(canonicalize_name(one["name"]), one["version"]) for one in components if "purl" not in one}
    if differences := (locked - virtual) ^ (found - virtual):
        raise OtherContent(f"roundhouse-{image}", (f"{name} {version}" for name, version in differences))


def _of_system(inventory: Mapping[str, Any]) -> list[Component]:
    system = inventory["system"]
    found = [_of_debian(package, system) for package in inventory["debian"]]
    if inventory["python"]["prefix"] != "/usr":  # else the interpreter is a package of Debian's
        python = _component(PackageURL("generic", None, "python", inventory["python"]["version"]))
        found.append({**python, "type": "application", "licenses": [{"expression": "PSF-2.0"}]})
    for facts in inventory["base_packages"]:
        package = _component(PackageURL("pypi", None, canonicalize_name(facts["name"]), facts["version"]))
        _add_licence(package, by_name([facts]))
        found.append(package)
    return found


def _component(purl: PackageURL) -> Component:
    reference = purl.to_string()
    return {"type": "library", "bom-ref": reference, "name": purl.name, "version": purl.version, "purl": reference}


def _of_debian(package: Mapping[str, Any], system: Mapping[str, str]) -> Component:
    qualifiers = {"arch": package["architecture"], "distro": f"{system['id']}-{system['version']}".strip("-")}
    component = _component(PackageURL("deb", system["id"], package["name"], package["version"], qualifiers))
    if package["licences"]:  # Debian's names, which aren't SPDX's
        component["licenses"] = [{"license": {"name": name}} for name in package["licences"]]
    return component


def _dependencies(
    listed: Iterable[Mapping[str, Any]], image: str, own: str, components: Iterable[Component]
) -> list[dict[str, Any]]:
    there = {component["bom-ref"] for component in components}
    kept = [
        {"ref": entry["ref"], "dependsOn": [ref for ref in entry.get("dependsOn", ()) if ref in there]}
        for entry in listed
        if entry["ref"] in there
    ]
    bare = sorted(there - {entry["ref"] for entry in kept})
    return [{"ref": image, "dependsOn": [own, *bare]}, *kept]


def installed_here(root: Path) -> dict[str, Facts]:
    """What this virtual environment says of its packages."""
    command = [sys.executable, str(root / "infra/images/inventory.py")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return by_name(json.loads(done.stdout)["packages"])
