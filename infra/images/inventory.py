"""What is installed in an image, as JSON. A container's Python reads this from standard input: no image carries it."""

import importlib.metadata
import json
import platform
import re
import sys
from pathlib import Path
from typing import Any

STATUS = Path("/var/lib/dpkg/status")
COPYRIGHT = "/usr/share/doc/{}/copyright"


def debian_packages() -> list[dict[str, Any]]:
    """The installed ones, each with the licences that its copyright file names in Debian's machine-readable form."""
    found = []
    for stanza in STATUS.read_text(errors="replace").split("\n\n") if STATUS.exists() else ():
        fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            package = fields["Package"]
            found.append(
                {
                    "name": package,
                    "version": fields["Version"],
                    "architecture": fields["Architecture"],
                    "licences": licences_of(package),
                }
            )
    return found


def licences_of(package: str) -> list[str]:
    """None where the file is missing, as in images that leave documentation out, or isn't in that form."""
    file = Path(COPYRIGHT.format(package))
    text = file.read_text(errors="replace") if file.is_file() else ""
    return sorted(set(re.findall(r"^License: +(\S[^\n]*)$", text, re.MULTILINE))) if text.startswith("Format:") else []


def python_packages(prefix: str) -> list[dict[str, Any]]:
    """Those below a prefix: of the virtual environment, or of the interpreter beneath it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [
        facts_of(found) for found in importlib.metadata.distributions(path=[f"{prefix}/lib/{version}/site-packages"])
    ]


def facts_of(distribution: importlib.metadata.Distribution) -> dict[str, Any]:
    told = distribution.metadata
    return {
        "name": told["Name"],
        "version": distribution.version,
        "expression": told["License-Expression"],
        "classifiers": [name for name in told.get_all("Classifier", ()) if name.startswith("License ::")],
        "text": (told["License"] or "").partition("\n")[0],
    }


def main() -> None:
    release = platform.freedesktop_os_release()
    json.dump(
        {
            "system": {"id": release["ID"], "version": release.get("VERSION_ID", "")},
            "python": {"version": platform.python_version(), "prefix": sys.base_prefix},
            "debian": debian_packages(),
            "packages": python_packages(sys.prefix),
            # Debian's own interpreter has none here: its packages are among Debian's
            "base_packages": python_packages(sys.base_prefix),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
