"""``python -m supply_chain pin|sbom``: the Makefile's targets of these names."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from console.terminal import Terminal
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from embedded.root import ROOT

from supply_chain import build_tools, inventory, references, registry, sbom
from supply_chain.licences import is_allowed

TARGET = Path("sbom")


class Refused(Exception):
    """A licence that isn't allowed or isn't known, or a document that isn't CycloneDX."""


def pin(terminal: Terminal) -> None:
    """Writes the digest of each base image's tag, as it is now, and uv's hashes into the repository's files.

    Raises:
        RegistryError: a digest can't be found out; then no image has been changed.
    """
    (ROOT / build_tools.FILE).write_text(build_tools.requirements(ROOT))
    before = {one.image: one.digest for one in references.found(ROOT)}
    digests = {image: registry.digest(image) for image in sorted(before)}
    changed = references.pin(ROOT, digests)
    for image, digest in digests.items():
        terminal.text(f"  {image:<28} {digest}{'' if digest == before[image] else '  (new)'}")
    terminal.text(f"{len(changed)} files changed; look at `git diff`, build, test, commit")


def write_sbom(terminal: Terminal) -> None:
    """Writes a bill of materials for each image, and a list of all licences, into the folder ``sbom``.

    Raises:
        Refused, OtherContent: what is wrong; the documents are there all the same.
    """
    (ROOT / TARGET).mkdir(exist_ok=True)
    here = sbom.installed_here(ROOT)
    documents = {}
    for image in sbom.IMAGES:
        found = inventory.of_image(ROOT, image)
        document = documents[image] = sbom.of_image(ROOT, image, here, found)
        file = TARGET / f"roundhouse-{image}.cdx.json"
        (ROOT / file).write_text(json.dumps(document, indent=1) + "\n")
        said = "" if found else "; Debian's packages are left out: the image isn't built"
        terminal.text(f"  {file}: {len(document['components'])} components{said}")
    (ROOT / TARGET / "licences.md").write_text(licence_list(documents.values()))
    terminal.text(f"  {TARGET / 'licences.md'}")
    if problems := [problem for document in documents.values() for problem in problems_of(document)]:
        raise Refused("\n".join(dict.fromkeys(problems)))


def problems_of(document: Mapping[str, Any]) -> list[str]:
    """Packages from the index whose licence is unknown or not allowed, and what is no CycloneDX about the document."""
    found = []
    for component in document["components"]:
        if component.get("purl", "").startswith("pkg:pypi/"):
            (licence,) = _licences(component) or ("unknown",)
            if not is_allowed(licence):
                found.append(f"{component['name']} {component['version']}: the licence is {licence}; see licences.py")
    wrong = JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(without_files(document)))
    return [*found, *([f"the document is no CycloneDX 1.5: {wrong}"] if wrong else [])]


def without_files(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without the files' addresses, which uv wrote: the validator takes a third of a second for each."""
    components = [
        {key: component[key] for key in component.keys() - {"externalReferences"}}
        for component in document["components"]
    ]
    return {**document, "components": components}


def licence_list(documents: Iterable[Mapping[str, Any]]) -> str:
    """A table of licences with the packages that they are of."""
    packages: dict[str, set[str]] = {}
    for document in documents:
        for component in document["components"]:
            for licence in _licences(component):
                packages.setdefault(licence, set()).add(component["name"])
    rows = [f"| {licence} | {', '.join(sorted(packages[licence]))} |" for licence in sorted(packages)]
    head = ["# Licences of what the images contain", "", "| licence | packages |", "| --- | --- |"]
    return "\n".join([*head, *rows, ""])


def _licences(component: Mapping[str, Any]) -> list[str]:
    return [entry.get("expression") or entry["license"]["name"] for entry in component.get("licenses", ())]


COMMANDS: dict[str, Callable[[Terminal], None]] = {"pin": pin, "sbom": write_sbom}


def main() -> int:
    """Exit code 0, or 1 with what went wrong on the terminal."""
    terminal = Terminal()
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        terminal.text(f"usage: python -m supply_chain {'|'.join(COMMANDS)}")
        return 2
    try:
        COMMANDS[sys.argv[1]](terminal)
    except (Refused, registry.RegistryError, sbom.OtherContent) as error:
        terminal.failed(sys.argv[1], str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
