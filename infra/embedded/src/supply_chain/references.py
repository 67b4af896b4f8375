"""Every image that comes from a registry, where the repository's files name it: as the default of a variable.

``POSTGRES_IMAGE`` in docker-compose.yml and .env.example, ``PYTHON_IMAGE`` there and in the Dockerfiles. A default is
``name:tag``, or once it is pinned ``name:tag@sha256:…``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILES = ("docker-compose.yml", ".env.example", "services/*/Dockerfile")
REFERENCE = re.compile(
    r"(?P<variable>\b[A-Z][A-Z_]*_IMAGE)(?P<sign>:-|=)(?P<image>[a-z0-9][\w./-]*(?::\d+/[\w./-]+)?:[\w.-]+)"
    r"(?P<digest>@sha256:[0-9a-f]{64})?(?=[}\s]|$)"
)


def files(root: Path) -> list[Path]:
    """Those that can name an image."""
    return [file for pattern in FILES for file in sorted(root.glob(pattern))]


@dataclass(frozen=True, slots=True)
class Reference:
    """What stands behind a variable."""

    variable: str
    image: str
    """``name:tag``."""
    digest: str | None
    """That it is pinned to."""


def found(root: Path) -> set[Reference]:
    """Every reference; those that are alike count once."""
    matches = [match for file in files(root) for match in REFERENCE.finditer(file.read_text())]
    return {Reference(one["variable"], one["image"], one["digest"] and one["digest"][1:]) for one in matches}


def pin(root: Path, digests: Mapping[str, str]) -> list[Path]:
    """Writes the digests behind their images, in every file that names one; the files that have changed."""
    changed = []
    for file in files(root):
        before = file.read_text()
        after = REFERENCE.sub(
            lambda match: f"{match['variable']}{match['sign']}{match['image']}@{digests[match['image']]}", before
        )
        if after != before:
            file.write_text(after)
            changed.append(file)
    return changed
