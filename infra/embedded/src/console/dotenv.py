"""The file .env, which compose reads."""

import re
from pathlib import Path

FILE = Path(".env")
LINE = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """The settings of such a file."""
    return {match["name"]: match["value"].strip().strip("\"'") for match in LINE.finditer(text)}


def read(file: Path = FILE) -> dict[str, str]:
    """The file's settings; none if there is no file."""
    return parse(file.read_text()) if file.exists() else {}
