"""What docker-compose.yml says of its services: there is no second list of settings to drift from it.

Where the file names a place inside the stack (a host name, a volume), the embedded stack has another; the replacement
happens before variables are filled in, so that it can't touch what a variable contains.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<colon>:?)-(?P<default>[^${}]*))?\}")


@dataclass(frozen=True, slots=True)
class Declared:
    """What one service of the file runs."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Fills in ``${NAME}``, ``${NAME:-default}`` and ``${NAME-default}`` as compose does.

    With the colon an empty value counts as none given.
    """

    def value(match: re.Match[str]) -> str:
        given = variables.get(match["name"])
        return given if given or (given is not None and not match["colon"]) else match["default"] or ""

    filled = VARIABLE.sub(value, text)
    # a default may hold a variable of its own: the inner one is filled in first
    return filled if filled == text else interpolate(filled, variables)


def programs(
    compose_file: Path, places: Callable[[str], Mapping[str, str]], variables: Mapping[str, str]
) -> dict[str, Declared]:
    """The services of a compose file by name.

    Args:
        compose_file: docker-compose.yml.
        places: of a service by its name, what stands in the file → what is there instead.
        variables: values of the file's variables.
    """

    def local(name: str, text: object) -> str:
        written = str(text)
        for inside, outside in places(name).items():
            written = written.replace(inside, outside)
        return interpolate(written, variables)

    services = yaml.safe_load(compose_file.read_text())["services"]
    return {
        name: Declared(
            tuple(local(name, part) for part in service.get("command", ())),
            {key: local(name, text) for key, text in service.get("environment", {}).items()},
        )
        for name, service in services.items()
    }
