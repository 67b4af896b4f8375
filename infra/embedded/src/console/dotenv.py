"""The file .env, which compose reads: here only what ``make up`` has to know or to write."""

import os
import re
import secrets
from pathlib import Path

FILE = Path(".env")
EXAMPLE = Path(".env.example")
PLACEHOLDER = "local-only"
"""The default of every secret, good for a stack that nobody else can reach."""

LINE = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """The settings of such a file."""
    return {match["name"]: match["value"].strip().strip("\"'") for match in LINE.finditer(text)}


def read(file: Path = FILE) -> dict[str, str]:
    """The file's settings; none if there is no file."""
    return parse(file.read_text()) if file.exists() else {}


def secrets_of(example: str) -> list[str]:
    """Names of the settings whose default is only a placeholder."""
    return [name for name, value in parse(example).items() if value == PLACEHOLDER]


def write_with_secrets(file: Path = FILE, example: Path = EXAMPLE) -> None:
    """Writes a file that gives every secret a random value, readable by its owner alone."""
    lines = ["# Written by `make up`; all other settings, with their defaults, are in .env.example."]
    lines += [f"{name}={secrets.token_hex(24)}" for name in secrets_of(example.read_text())]
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write("\n".join(lines) + "\n")
