"""YAML 1.2 as plain values, with the line of every key. ``no`` is a text here; a key that is there twice an error."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from trainer.usecase.problems import BadDeclaration, Problem

LONGEST = 4_000_000
"""Characters of a file. 300 columns with vocabularies of a thousand values each have fewer."""


@dataclass
class Lines:
    """Lines of a value and of what is in it."""

    line: int
    """From 1."""
    within: dict[str | int, "Lines"] = field(default_factory=dict)

    def of(self, path: Sequence[str | int]) -> int:
        """The line of what a path leads to, or of the last of it that is there.

        A path as pydantic has it: it also names the variant of a field that has several, which no key stands for.
        """
        found = self
        for step in path:
            found = found.within.get(step, found)
        return found.line


def parse(text: str, file: str) -> tuple[Any, Lines]:
    """A document's values and their lines.

    Raises:
        BadDeclaration: it is no YAML, or too long.
    """
    if len(text) > LONGEST:
        raise BadDeclaration(file, [Problem(1, "", f"has {len(text):,} characters; at most {LONGEST:,}")])
    try:
        # an alias may stand for a million others
        if any(event.__class__.__name__ == "AliasEvent" for event in _reader().parse(StringIO(text))):
            raise BadDeclaration(file, [Problem(1, "", "has aliases (*name); write what they stand for")])
        return _reader().load(StringIO(text)), _lines(_reader().compose(StringIO(text)))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise BadDeclaration(file, [Problem(line, "", _message(error))]) from None
    # a key may be a list in YAML
    except (YAMLError, TypeError, ValueError, RecursionError) as error:
        raise BadDeclaration(file, [Problem(1, "", f"is no YAML: {str(error).splitlines()[0]}")]) from None


def _reader() -> YAML:
    return YAML(typ="safe", pure=True)


def _message(error: MarkedYAMLError) -> str:
    said = (error.problem or error.context or "can't be read").strip()
    if said.startswith("found duplicate key"):
        name = said.split('"')[1] if said.count('"') > 1 else said
        return f"the key {name!r} is there twice"
    return f"is no YAML: {said}"


def _lines(node: Node | None, key: Node | None = None) -> Lines:
    first = key or node
    found = Lines(first.start_mark.line + 1 if first else 1)
    if isinstance(node, MappingNode):
        found.within = {name.value: _lines(value, name) for name, value in node.value}
    elif isinstance(node, SequenceNode):
        found.within = {position: _lines(value) for position, value in enumerate(node.value)}
    return found
