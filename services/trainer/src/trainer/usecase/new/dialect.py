"""How a CSV is written: its encoding and its delimiter."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainer.usecase.files import unpacked

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 256 * 1024

Encoding = Literal["utf-8", "latin-1", "utf-16"]


@dataclass(frozen=True)
class Dialect:
    encoding: Encoding
    delimiter: str


def of(path: Path) -> Dialect:
    """Of a file that is CSV, by its beginning."""
    with unpacked(path) as file:
        sample = file.read(SAMPLE_BYTES)
    encoding = _encoding(sample, cut=len(sample) == SAMPLE_BYTES)
    text = sample.decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="ignore")
    lines = text.splitlines(keepends=True)
    # the last line may be cut off
    whole = lines[:-1] if len(sample) == SAMPLE_BYTES and len(lines) > 1 else lines
    return Dialect(encoding, max(DELIMITERS, key=lambda delimiter: _fit(whole, delimiter)))


def _encoding(sample: bytes, *, cut: bool) -> Encoding:
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        # a letter of several bytes may be cut off at the end
        return "utf-8" if cut and error.start > len(sample) - 4 else "latin-1"
    return "utf-8"


def _fit(lines: list[str], delimiter: str) -> tuple[float, int]:
    """The share of rows that have as many cells as most, if these are several; and how many."""
    try:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
    except csv.Error:
        return 0.0, 0
    if not counts:
        return 0.0, 0
    cells, rows = counts.most_common(1)[0]
    return (rows / counts.total() if cells > 1 else 0.0), cells
