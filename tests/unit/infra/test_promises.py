"""docs/promises.md names tests that are there, and has a section for each decision."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/promises.md").read_text()
ROWS = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
TESTS = sorted({(file, name) for _, tests, _ in ROWS for file, name in re.findall(r"`([\w/]+\.py)::(\w+)`", tests)})


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("file", "name"), TESTS, ids=lambda part: part)
def test_a_test_that_holds_a_promise_is_there(file: str, name: str) -> None:
    assert name in functions(file)


def test_a_promise_names_its_tests_levels() -> None:
    for promise, tests, level in ROWS:
        folders = {file.partition("/")[0] for file, _ in re.findall(r"`([\w/]+\.py)::(\w+)`", tests)}
        assert folders <= set(re.findall(r"\w+", level)), promise


def test_each_decision_has_its_section() -> None:
    for page in (ROOT / "docs/decisions").glob("*.md"):
        assert page.name == "README.md" or f"(decisions/{page.name})" in PAGE, page.name
