"""A use case's file, read: a declaration, or all that is wrong with it."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.fields import NAME
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainer.usecase import consistency, yaml
from trainer.usecase.declaration import CRON, LABEL, REASON, VARIABLE, Declaration
from trainer.usecase.hooks import Hooks
from trainer.usecase.problems import BadDeclaration, NoSuchUseCase, Problem

FILE = "usecase.yaml"

IN_WORDS = {
    LABEL: "small letters, digits and dashes, first a letter",
    REASON: "small letters, digits and underscores, first a letter",
    CRON: "a cron schedule in UTC, such as 0 3 * * *",
    VARIABLE: "the name of an environment variable: capitals, digits and underscores",
    NAME: "a text of 1 to 200 characters without control characters",
}
"""What the declaration's patterns mean."""

Path_ = Sequence[str | int]


def read(folder: Path) -> Declaration:
    """The declaration in a use case's folder.

    Raises:
        NoSuchUseCase: there is no such folder, or no file in it.
        BadDeclaration: with every problem that was found.
    """
    file = folder / FILE
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NoSuchUseCase(f"there is no {file}") from None
    except (UnicodeDecodeError, OSError) as error:
        raise BadDeclaration(str(file), [Problem(1, "", f"can't be read: {error}")]) from None
    declaration = parse(text, str(file), Hooks(folder))
    if declaration.name != folder.name:
        message = f"is {declaration.name!r}; a use case has the name of its folder, {folder.name!r}"
        raise BadDeclaration(str(file), [Problem(yaml.parse(text, str(file))[1].of(["name"]), "name", message)])
    return declaration


def parse(text: str, file: str, hooks: Hooks | None = None) -> Declaration:
    """A declaration from its text; raises as ``read`` does.

    Args:
        hooks: the Python beside the file; without, there is none.
    """
    document, lines = yaml.parse(text, file)
    if not isinstance(document, dict):
        raise BadDeclaration(file, [Problem(1, "", "isn't a mapping: it begins with `name: …`")])
    try:
        declaration = Declaration.model_validate(document).beside(hooks or Hooks(None))
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise BadDeclaration(file, [_problem(detail, document, lines) for detail in _plain(found)]) from None
    problems = [Problem(lines.of(path), _key(path), message) for path, message in consistency.check(declaration)]
    if problems:
        raise BadDeclaration(file, problems)
    return declaration


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    made = Declaration.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Roundhouse use case",
        **{name: part for name, part in made.items() if name != "title"},
    }


def _plain(details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """One for each place: of a value that may be of several kinds, each kind has its own complaint."""
    seen: set[tuple[Any, ...]] = set()
    for detail in details:
        place = tuple(step for step in detail["loc"] if not _names_a_kind(step))
        if place not in seen:
            seen.add(place)
            yield detail


def _names_a_kind(step: str | int) -> bool:
    return isinstance(step, str) and (step in {"str", "int"} or step.startswith(("list[", "literal[", "tagged-union")))


def _problem(detail: ErrorDetails, document: Any, lines: yaml.Lines) -> Problem:
    path = [step for step in detail["loc"] if not _names_a_kind(step)]
    place = list(_existing(path, document))
    shown = place if detail["type"] != "missing" else [*place, path[-1]]
    return Problem(lines.of(shown), _key(shown), _message(detail, place))


def _existing(path: Path_, document: Any) -> Iterator[str | int]:
    """The steps that stand for a key or an entry of the file."""
    here: Any = document
    for step in path:
        known = range(len(here)) if isinstance(here, list) else here if isinstance(here, Mapping) else ()
        if step in known:
            here = here[step]
            yield step


def _key(path: Path_) -> str:
    return ".".join(map(str, path))


def _message(detail: ErrorDetails, place: Path_) -> str:
    given = detail["input"]
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            name = str(place[-1])
            allowed = _allowed(detail["loc"])
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"is no key that is known here{hint} Allowed: {', '.join(allowed)}".replace("?  ", "? ")
        case "missing":
            return "is missing"
        case "literal_error":
            near = difflib.get_close_matches(str(given), _choices(context["expected"]), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"is {_shown(given)}; allowed is {context['expected']}{hint}"
        case "union_tag_invalid":
            near = difflib.get_close_matches(str(context["tag"]), _choices(context["expected_tags"]), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            name = context["discriminator"].strip("'")
            return f"{name} is {context['tag']!r}; allowed is {context['expected_tags']}{hint}"
        case "union_tag_not_found":
            name = context["discriminator"].strip("'")
            return f"{name} is missing"
        case "string_pattern_mismatch":
            wanted = IN_WORDS.get(context["pattern"], f"what matches {context['pattern']}")
            # who writes a URL there may have written a password
            shown = "another text" if context["pattern"] == VARIABLE else _shown(given)
            return f"is {shown}; allowed is {wanted}"
        case "value_error":
            return str(context["error"])
        case _:
            return f"is {_shown(given)}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _choices(expected: str) -> list[str]:
    return [part.strip(" '") for part in expected.replace(" or ", ",").split(",")]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _allowed(path: Path_) -> list[str]:
    """Keys that the place of an unknown one may have, by the schema."""
    made = schema()
    here: Any = made
    for step in path[:-1]:
        here = _within(_resolved(here, made), step, made)
    return sorted(_resolved(here, made).get("properties", {}))


def _within(here: Any, step: str | int, made: Any) -> Any:
    if step in here.get("properties", {}):
        return here["properties"][step]
    kinds = here.get("discriminator", {}).get("mapping", {})
    if step in kinds:
        return {"$ref": kinds[step]}
    for variant in (*here.get("anyOf", ()), *here.get("oneOf", ())):
        if variant.get("$ref", "").endswith(f"/{step}"):
            return variant
        found = _within(_resolved(variant, made), step, made)
        if found:
            return found
    if isinstance(step, int):
        return here.get("items", {})
    extra = here.get("additionalProperties")
    if isinstance(extra, dict):
        return extra
    patterns = here.get("patternProperties")
    return next(iter(patterns.values())) if patterns else {}


def _resolved(here: Any, made: Any) -> Any:
    while "$ref" in here:
        here = made["$defs"][here["$ref"].rpartition("/")[2]]
    return here
