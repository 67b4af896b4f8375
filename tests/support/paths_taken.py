"""Says at the end of a run which of the code paths that the machine chooses have been tested, and which have not.

A test tells what it ran by ``record_property("path", "walk: scalar")``; the part before the colon names the choice.
"""

from collections.abc import Iterable, Mapping

PROPERTY = "path"


def taken(properties: Iterable[tuple[str, object]]) -> dict[str, set[str]]:
    """Paths by choice, of the properties of tests that passed."""
    found: dict[str, set[str]] = {}
    for name, said in properties:
        if name == PROPERTY:
            choice, _, path = str(said).partition(": ")
            found.setdefault(choice, set()).add(path)
    return found


def lines(found: Mapping[str, set[str]]) -> list[str]:
    """A line for each choice: ``walk: AVX-512, emulated | scalar``."""
    return [f"{choice}: {' | '.join(sorted(found[choice]))}" for choice in sorted(found)]
