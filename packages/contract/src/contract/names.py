"""Names of registered models, which are parts of addresses and of folders' names too."""

import re

LONGEST = 100

RULE = (
    f"a registered model's name has 1 to {LONGEST} of the letters a to z and A to Z, digits, blanks, dots, dashes and "
    "underscores, and begins and ends with a letter or a digit"
)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 ._-]*[A-Za-z0-9])?")


def check_model_name(name: str) -> str:
    """The name, if it is one.

    Raises:
        ValueError: it isn't; the rule is said.
    """
    if len(name) > LONGEST or not _NAME.fullmatch(name):
        shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}…"
        raise ValueError(f"{shown!r}: {RULE}")
    return name
