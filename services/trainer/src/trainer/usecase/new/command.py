"""``make new``: writes a use case's folder from a table."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np

from trainer.usecase.database import identifier, opened
from trainer.usecase.declaration import Declaration, Files, Period
from trainer.usecase.files import FILE_PERIOD, DataFile, Located, columns_of, explained, find, format_of, relation
from trainer.usecase.new import decision, dialect
from trainer.usecase.new.decision import BadChoice, Decision, Relations
from trainer.usecase.new.profile import MARKERS, Measured, Profile, comma_decides
from trainer.usecase.new.writing import written
from trainer.usecase.periods import EVERYTHING
from trainer.usecase.reading import FILE, parse
from trainer.usecase.rows import opened_rows
from trainer.usecase.sources import is_elsewhere, locate

MOST_ROWS = 1_000_000
"""That are looked at; of a longer table the first."""
CORRELATED_ROWS = 100_000
CORRELATED_VALUES = 5_000_000
"""Of all numbers together: of a table with many columns fewer rows."""


@dataclass(frozen=True)
class Choices:
    """What a person gave."""

    name: str
    data: str
    target: str
    time: str | None = None
    key: Sequence[str] = ()


@dataclass(frozen=True)
class New:
    """A use case that was written."""

    file: Path
    decision: Decision
    rows: int
    cut: bool
    """Whether the table has more rows than were looked at."""
    left_out: Sequence[str]
    """Columns that no table can have: nested ones."""


def create(choices: Choices, usecases: Path, root: Path) -> New:
    """Writes ``usecase.yaml`` into a new folder.

    Args:
        usecases: the folder of all use cases.
        root: what a declaration's paths are relative to.

    Raises:
        BadChoice, DataError: nothing was written.
        BadDeclaration: a name isn't one.
    """
    folder = usecases / choices.name
    if folder.exists():
        raise BadChoice(f"NAME={choices.name}: {folder} is there already; nothing is overwritten")
    with TemporaryDirectory() as spill:
        named = _source(choices.data, root)
        located = locate(named, root, "all", EVERYTHING, Path(spill))
        source = _with_dialect(named.model_copy(update={"files": [str(each.path) for each in located]}), located)
        files = find(source, located)
        with opened((file.path for file in files), Path(spill)) as connection:
            rows = _sample(connection, files, source)
            profiles, source = _profiles(connection, files, source, rows)
        found = _decided(choices, profiles, source, root, Path(spill))
    text = written(choices.name, source.model_copy(update={"files": named.files}), found)
    parse(text, str(folder / FILE))
    folder.mkdir(parents=True)
    (folder / FILE).write_text(text, encoding="utf-8")
    left_out = sorted({name for file in files for name in file.left_out})
    return New(folder / FILE, found, min(rows, MOST_ROWS), rows > MOST_ROWS, left_out)


def _source(data: str, root: Path) -> Files:
    if is_elsewhere(data):
        return Files(files=data)
    if "://" in data:
        raise BadChoice(f"DATA={data}: a file, a folder, a glob, or an address of http, https or s3 is allowed")
    path = Path(os.path.abspath(Path(data).expanduser()))  # noqa: PTH100  (Path.resolve would follow links)
    inside = path.is_relative_to(root)
    return Files(files=str(path.relative_to(root)) if inside else str(path))


def _with_dialect(source: Files, located: Sequence[Located]) -> Files:
    first = next((each.path for each in located if format_of(each.path) == "csv"), None)
    if first is None:
        return source
    found = dialect.of(first)
    return source.model_copy(update={"delimiter": found.delimiter, "encoding": found.encoding})


def _sample(connection: duckdb.DuckDBPyConnection, files: Sequence[DataFile], source: Files) -> int:
    try:
        connection.execute(
            f"CREATE TEMP TABLE sample AS SELECT * EXCLUDE ({FILE_PERIOD})"
            f" FROM ({relation(files, source, connection)}) LIMIT {MOST_ROWS + 1}"
        )
        rows = connection.execute("SELECT count(*) FROM sample").fetchall()
    except duckdb.Error as error:
        raise explained(error, files) from None
    if not rows[0][0]:
        raise BadChoice(f"{files[0].path} has no rows")
    return int(rows[0][0])


def _profiles(
    connection: duckdb.DuckDBPyConnection, files: Sequence[DataFile], source: Files, rows: int
) -> tuple[list[Profile], Files]:
    columns = columns_of(files)
    texts = [name for name, kind in columns.items() if kind == "VARCHAR"]
    decimal = "," if comma_decides(connection, texts) else "."
    measured = Measured(connection, rows, decimal)
    profiles = [measured.column(name, kind) for name, kind in columns.items()]
    markers = {marker for profile in profiles for marker in profile.missing}
    # what only texts have may be a word of theirs, such as "none": it stands for no value where numbers are, too
    missing = [marker for marker in MARKERS if marker in markers]
    return profiles, source.model_copy(update={"decimal": decimal, "missing": missing or [""]})


def _decided(choices: Choices, profiles: Sequence[Profile], source: Files, root: Path, spill: Path) -> Decision:
    target = decision.find(profiles, choices.target, "TARGET")
    decision.check_target(target)
    time = decision.find_time(profiles, choices.time, target)
    key = decision.find_key(profiles, choices.key)
    relations = _relations(profiles, source, root, target, time, spill)
    return decision.decide(profiles, target, time, key, relations)


def _relations(
    profiles: Sequence[Profile], source: Files, root: Path, target: Profile, time: Profile | None, spill: Path
) -> Relations:
    """By the way that the rows will be read, so that what is written can be read."""
    numbers = [profile for profile in profiles if profile.type in {"number", "integer"} and profile is not target]
    times = [profile for profile in profiles if profile.type == "timestamp"]
    columns = {
        profile.name: {
            "type": profile.type,
            **({"format": profile.format} if profile.format else {}),
            **({"missing": list(profile.words)} if profile.words else {}),
        }
        for profile in (target, *numbers, *times)
    }
    declared = Declaration.model_validate(
        {
            "name": "sample",
            "sources": {"files": source},
            "table": {"columns": columns, "timezone": "UTC" if any(profile.offset for profile in profiles) else None},
            "target": {"column": target.name},
            "fields": {target.name: {"type": "number"}},
        }
    )
    later = [profile for profile in times if time is not None and profile is not time]
    with opened_rows(declared, source, root, spill) as rows:
        return Relations(
            telling=_correlations(
                rows.sampled(
                    min(CORRELATED_ROWS, CORRELATED_VALUES // (len(numbers) + 1)),
                    [target.name, *(each.name for each in numbers)],
                ),
                target.name,
            ),
            later={
                each.name: rows.share(f"{identifier(each.name)} > {identifier(time.name)}") for each in later if time
            },
            periods={kind: rows.periods(time.name, kind, decision.LEAST_ROWS) for kind in _KINDS} if time else {},
        )


_KINDS: tuple[Period, ...] = ("month", "week", "day")


def _correlations(columns: Mapping[str, Any], target: str) -> dict[str, float]:
    """The larger of Pearson's and Spearman's, of the rows that have both values."""
    actual = columns[target]
    found = {}
    for name, values in columns.items():
        known = np.isfinite(values) & np.isfinite(actual)
        if name == target or known.sum() < 3:
            continue
        found[name] = max(
            _correlation(values[known], actual[known]), _correlation(_ranks(values[known]), _ranks(actual[known]))
        )
    return found


def _correlation(one: Any, other: Any) -> float:
    if not one.std() or not other.std():
        return 0.0
    return abs(float(np.corrcoef(one, other)[0, 1]))


def _ranks(values: Any) -> Any:
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[position]
