"""``python -m trainer.usecase new|check|schema``: what a person does with a use case before there is a stack."""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from trainer.data.errors import DataError
from trainer.usecase import rendering
from trainer.usecase.check import check
from trainer.usecase.declaration import LABEL
from trainer.usecase.folder import find
from trainer.usecase.new.command import Choices, create
from trainer.usecase.new.decision import BadChoice
from trainer.usecase.problems import BadDeclaration, NoSuchUseCase
from trainer.usecase.reading import schema

USECASES = "ROUNDHOUSE_USECASES"
"""Variable with the folder of all use cases."""

EXPECTED = (BadDeclaration, DataError, NoSuchUseCase, OSError)
"""What can be wrong, and says so."""


def new(variables: Mapping[str, str], usecases: Path, root: Path) -> str:
    """Writes a use case from NAME, DATA, TARGET, and if they are given TIME and KEY."""
    for needed in ("NAME", "DATA", "TARGET"):
        if not variables.get(needed):
            raise BadChoice(f"{needed} is missing: make new NAME=late-flights DATA=data/flights.csv TARGET=delay")
    name, task = variables["NAME"], variables.get("TASK") or "regression"
    if not re.fullmatch(LABEL, name):
        raise BadChoice(f"NAME={name}: allowed are small letters, digits and dashes, first a letter")
    if task != "regression":
        raise BadChoice(f"TASK={task}: allowed is regression")
    key = [part.strip() for part in variables.get("KEY", "").split(",") if part.strip()]
    choices = Choices(name, variables["DATA"], variables["TARGET"], variables.get("TIME") or None, key)
    return rendering.of_new(create(choices, usecases, root), root)


def show_check(variables: Mapping[str, str], usecases: Path, root: Path) -> str:
    """Holds the use case USECASE against the data of its source SOURCE, or the first."""
    name = variables.get("USECASE")
    if not name:
        raise BadChoice("USECASE is missing: make check USECASE=late-flights")
    declaration = find(usecases, name)
    source = variables.get("SOURCE") or None
    if source is not None and source not in declaration.sources:
        raise BadChoice(f"SOURCE={source}: allowed is {' or '.join(declaration.sources)}")
    with TemporaryDirectory() as spill:
        return rendering.of_check(declaration, check(declaration, root, source, Path(spill)))


def show_schema(_variables: Mapping[str, str], _usecases: Path, _root: Path) -> str:
    """The JSON Schema of a use case's file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False)


COMMANDS: dict[str, Callable[[Mapping[str, str], Path, Path], str]] = {
    "new": new,
    "check": show_check,
    "schema": show_schema,
}


def main() -> int:
    """Exit code 0, or 1 with what is wrong."""
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        print(f"usage: python -m trainer.usecase {'|'.join(COMMANDS)}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        usecases = Path.cwd() / (os.environ.get(USECASES) or "usecases")
        told = COMMANDS[sys.argv[1]](os.environ, usecases, usecases.parent)
    except EXPECTED as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(told)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
