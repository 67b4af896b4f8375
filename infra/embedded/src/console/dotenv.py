"""The file .env, read as compose reads it, but for variables within values."""

import re
from pathlib import Path

FILE = Path(".env")
LINE = re.compile(
    r"""^[^\S\n]*(?:export[^\S\n]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)[^\S\n]*[=:]
    (?:[^\S\n]*'(?P<literal>[^']*)'|[^\S\n]*"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\n]*))""",
    re.MULTILINE | re.VERBOSE,
)
COMMENT = re.compile(r"\s#.*")
ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\"": '"', r"\\": "\\", r"\$": "$"}


def parse(text: str) -> dict[str, str]:
    """The settings of such a file."""
    return {match["name"]: _value(match) for match in LINE.finditer(text.removeprefix("\ufeff").replace("\r\n", "\n"))}


def read(file: Path = FILE) -> dict[str, str]:
    """The file's settings; none if there is no file."""
    return parse(file.read_text()) if file.exists() else {}


def _value(match: re.Match[str]) -> str:
    if match["literal"] is not None:
        return match["literal"]
    if match["quoted"] is not None:
        return re.sub(r"\\.", lambda escape: ESCAPES.get(escape[0], escape[0]), match["quoted"])
    return COMMENT.sub("", match["plain"]).strip()
