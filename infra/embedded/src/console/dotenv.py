"""The file .env, which compose reads: here only what ``make up`` has to know or to write."""

import base64
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

FILE = Path(".env")
EXAMPLE = Path(".env.example")
PLACEHOLDERS: Mapping[str, Callable[[], str]] = {
    "local-only": lambda: secrets.token_hex(24),
    # as long as a key for Fernet has to be
    "local-only-local-only-local-only-local-only=": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
}
"""The defaults of secrets, good for a stack that nobody else can reach; each with what makes a random one instead."""

LINE = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """The settings of such a file."""
    return {match["name"]: match["value"].strip().strip("\"'") for match in LINE.finditer(text)}


def read(file: Path = FILE) -> dict[str, str]:
    """The file's settings; none if there is no file."""
    return parse(file.read_text()) if file.exists() else {}


def secrets_of(example: str) -> dict[str, str]:
    """A random value for each setting whose default is only a placeholder."""
    return {name: PLACEHOLDERS[value]() for name, value in parse(example).items() if value in PLACEHOLDERS}


def write_with_secrets(file: Path = FILE, example: Path = EXAMPLE) -> None:
    """Writes a file that gives every secret a random value, readable by its owner alone."""
    lines = ["# Written by `make up`; all other settings, with their defaults, are in .env.example."]
    lines += [f"{name}={value}" for name, value in secrets_of(example.read_text()).items()]
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write("\n".join(lines) + "\n")
