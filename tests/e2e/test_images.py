"""The images as they are built: what is in them is what the lock says, and their bills of materials have it all."""

from pathlib import Path

import pytest
from supply_chain import __main__ as program
from supply_chain import inventory, sbom

pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("image", sbom.IMAGES)
def test_an_image_has_the_lock_s_packages_and_its_bill_of_materials_has_the_system_s_too(
    images: str, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDHOUSE_TAG", images)
    found = inventory.of_image(ROOT, image)
    assert found is not None
    document = sbom.of_image(ROOT, image, {}, found)
    assert program.problems_of(document) == []
    debian = {one["name"] for one in document["components"] if one.get("purl", "").startswith("pkg:deb/debian/")}
    assert {"base-files", "libc6", "libssl3t64"} <= debian
    # what built the image isn't in it
    assert not {"gcc", "libc6-dev"} & debian
    assert not {"uv", "setuptools"} & {one["name"] for one in document["components"]}
