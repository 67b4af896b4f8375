"""A small declaration and its file, which tests change."""

from collections.abc import Callable
from pathlib import Path

import pytest
from trainer.usecase.declaration import Declaration
from trainer.usecase.reading import parse

RENTALS = """\
name: rentals
sources:
  files:
    files: rentals.csv
    missing: ["", NA]
table:
  time: at
  timezone: Europe/Vienna
  period: month
  key: [id]
  columns:
    id: {type: integer}
    at: {type: timestamp}
    station: {type: text}
    temperature: {type: number}
    bikes: {type: integer}
    per_bike: {type: number, sql: temperature / bikes}
  reject: {too_hot: temperature > 60}
  leave_out: {closed: bikes = 0}
target: {column: bikes, unit: bike, minimum: 0}
fields:
  at: {type: timestamp}
  station: {type: category, values: [north, south, no]}
  temperature: {type: number, required: false, minimum: -40, maximum: 60}
"""

Change = Callable[..., Declaration]


@pytest.fixture
def rentals() -> str:
    return RENTALS


@pytest.fixture
def declare() -> Change:
    """``declare(old, new, ...)``: the declaration with texts replaced."""
    return declared


def declared(*changes: str, text: str = RENTALS) -> Declaration:
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return parse(text, "usecase.yaml")


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, name: str = "rentals.csv", encoding: str = "utf-8") -> Path:
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path

    return write
