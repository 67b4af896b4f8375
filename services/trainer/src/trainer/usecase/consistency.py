"""What the parts of a declaration say of each other."""

import difflib
import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contract import Contract
from pydantic import ValidationError

from trainer.usecase.declaration import (
    WAYS,
    CategoryField,
    Cut,
    Declaration,
    Files,
    Generated,
    IntegerField,
    NumberField,
    TimestampField,
)
from trainer.usecase.expressions import SQL_TYPES, checked
from trainer.usecase.features import Learnt, TargetMean
from trainer.usecase.periods import PATTERNS

Path = tuple[str | int, ...]
Found = Iterator[tuple[Path, str]]

FITTING = {
    "number": {"number", "integer"},
    "integer": {"integer", "boolean"},
    "category": {"text", "integer", "boolean"},
    "timestamp": {"timestamp"},
}
"""Types of a column that a field of each type can be of."""

TAKEN = ("trip-duration", "trips", "predictions", "use-cases")
"""Names of deployments that the stack has anyway."""

OURS = re.compile(r"_(period|row|source|file_period|unreadable|reason|given_\d+)")
"""Columns that the warehouse's tables have beside those of the declaration."""


def check(declaration: Declaration) -> Found:
    """All that doesn't fit, each with the path of keys that leads there."""
    yield from _names(declaration)
    yield from _table(declaration)
    yield from _target(declaration)
    for name in declaration.fields:
        yield from _field(declaration, name)
    yield from _periods(declaration)
    yield from _slices(declaration)
    yield from _outcomes(declaration)
    yield from _expressions(declaration)
    yield from _features(declaration)
    yield from _hooks(declaration)


def _names(declaration: Declaration) -> Found:
    if declaration.name in TAKEN:
        yield ("name",), f"{declaration.name!r} is a name of the stack's own; choose another"
    columns = declaration.table.columns
    for name in columns:
        if OURS.fullmatch(name.lower()):
            yield ("table", "columns", name), "is a name of the warehouse's own; choose another and give `from`"
    # PostgreSQL tells them apart, DuckDB doesn't
    lower: dict[str, str] = {}
    for name in columns:
        other = lower.setdefault(name.lower(), name)
        if other != name:
            yield (
                ("table", "columns", name),
                f"differs from {other!r} by capitals alone; give one another name and `from`",
            )


def _known(declaration: Declaration, name: str, path: Path) -> Found:
    columns = declaration.table.columns
    if name not in columns:
        near = difflib.get_close_matches(name, columns, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        yield path, f"{name!r} is no column of the table{hint}"


def _table(declaration: Declaration) -> Found:
    table = declaration.table
    for part in ("key", "group"):
        for position, name in enumerate(getattr(table, part)):
            yield from _known(declaration, name, ("table", part, position))
    if table.time is not None:
        yield from _known(declaration, table.time, ("table", "time"))
        column = table.columns.get(table.time)
        if column and column.type != "timestamp":
            yield ("table", "time"), f"{table.time!r} is a column of type {column.type}; a time is of type timestamp"
    if table.timezone is not None:
        try:
            ZoneInfo(table.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            yield ("table", "timezone"), f"{table.timezone!r} is no time zone such as Europe/Vienna"
    for name, column in table.columns.items():
        if column.sql is not None and column.spellings:
            yield ("table", "columns", name), "has both `sql` and `from`: its value comes from one of them"
        if column.format is not None and column.type != "timestamp":
            yield ("table", "columns", name, "format"), f"is for times; the column is of type {column.type}"


def _target(declaration: Declaration) -> Found:
    target = declaration.target
    yield from _known(declaration, target.column, ("target", "column"))
    column = declaration.table.columns.get(target.column)
    if column and column.type not in {"number", "integer"}:
        yield (
            ("target", "column"),
            f"{target.column!r} is of type {column.type}; a regression predicts a number or an integer",
        )
    if target.column in declaration.fields:
        yield ("fields", target.column), "is the target: a request can't have what is to be predicted"


def _field(declaration: Declaration, name: str) -> Found:
    field, column = declaration.fields[name], declaration.table.columns.get(name)
    path: Path = ("fields", name)
    if column is None:
        yield from _known(declaration, name, path)
        return
    if column.type not in FITTING[field.type]:
        yield (*path, "type"), f"is {field.type}, which no column of type {column.type} can be"
    if isinstance(field, CategoryField):
        yield from _category(declaration, name, field)
    if isinstance(field, NumberField | IntegerField | TimestampField):
        if field.minimum is not None and field.maximum is not None and field.minimum > field.maximum:  # type: ignore[operator]
            yield (*path, "minimum"), f"{field.minimum} lies above the maximum {field.maximum}"
        example, low, high = field.example, field.minimum, field.maximum
        if example is not None and (
            (low is not None and example < low) or (high is not None and example > high)  # type: ignore[operator]
        ):
            yield (*path, "example"), f"{example} lies outside of the field's range"


def _category(declaration: Declaration, name: str, field: CategoryField) -> Found:
    path: Path = ("fields", name)
    kind = declaration.table.columns[name].type
    of_numbers = isinstance(field.values[0], int)
    if of_numbers != (kind == "integer"):
        wanted = "whole numbers" if kind == "integer" else "texts"
        yield (*path, "values"), f"the column is of type {kind}: its values are {wanted}"
    if len(set(field.values)) < len(field.values):
        twice = next(value for value in field.values if field.values.count(value) > 1)  # type: ignore[arg-type]
        yield (*path, "values"), f"{twice!r} is there twice"
    if field.example is not None and field.example not in field.values and field.unknown == "reject":
        yield (*path, "example"), f"{field.example!r} is none of the values"


def _periods(declaration: Declaration) -> Found:
    table = declaration.table
    if table.period != "all" and table.time is None:
        yield ("table", "period"), f"is {table.period}, but the table has no time: give `time`, or `period: all`"
    for name, source in declaration.sources.items():
        if not isinstance(source, Files):
            continue
        several = [source.files] if isinstance(source.files, str) else source.files
        for each in several:
            if "{period}" in each and table.period == "all":
                yield ("sources", name, "files"), "has {period}, but the table's period is all"
            if "@" in each.partition("://")[2].partition("/")[0]:
                yield ("sources", name, "files"), "has a password or a user's name, which belong into no file"
        if source.first is not None and not re.fullmatch(PATTERNS[table.period], source.first, re.ASCII):
            yield ("sources", name, "first"), f"{source.first!r} is no {table.period}"


def _slices(declaration: Declaration) -> Found:
    for position, cut in enumerate(declaration.judge.slices):
        path: Path = ("judge", "slices", position)
        kind, name = ("category", cut) if isinstance(cut, str) else cut.way
        if kind == "hook":
            continue
        if name not in declaration.fields:
            near = difflib.get_close_matches(name, declaration.fields, n=1)
            yield path, f"{name!r} is no field" + (f"; did you mean {near[0]!r}?" if near else "")
        elif kind == "category" and not isinstance(declaration.fields[name], CategoryField):
            yield path, f"{name!r} is no category: rows are cut by a category's values, or by {', '.join(WAYS)}"
        elif kind == "bands" and not isinstance(declaration.fields[name], NumberField | IntegerField):
            yield path, f"{name!r} is no number: bands are of one"
        elif kind not in {"category", "bands"} and not isinstance(declaration.fields[name], TimestampField):
            yield path, f"{name!r} is no timestamp, so it has no {kind}"


def _hooks(declaration: Declaration) -> Found:
    named: dict[Path, str] = {
        ("sources", name, "hook"): source.hook
        for name, source in declaration.sources.items()
        if isinstance(source, Generated)
    }
    if declaration.features != "auto":
        learnt = ((at, feature) for at, feature in enumerate(declaration.features) if isinstance(feature, Learnt))
        named |= {("features", at, "hook"): feature.hook for at, feature in learnt}
    cuts = ((at, cut) for at, cut in enumerate(declaration.judge.slices) if isinstance(cut, Cut) and cut.hook)
    named |= {("judge", "slices", at, "hook"): str(cut.hook) for at, cut in cuts}
    named |= {("judge", "baselines", at): name for at, name in enumerate(declaration.judge.baselines)}
    if not named:
        return
    try:
        there = declaration.hooks.names()
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        yield next(iter(named)), f"is in hooks.py, which is no Python{line}: {getattr(error, 'msg', error)}"
        return
    for path, name in named.items():
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            said = f"there is {', '.join(there)}" if there else "there is no hooks.py beside this file, or none in it"
            yield path, f"hooks.py has no function {name!r}: {said}{hint}"


def _outcomes(declaration: Declaration) -> Found:
    if declaration.outcomes is None:
        return
    for position, name in enumerate(declaration.outcomes.match_on):
        if name not in declaration.fields:
            near = difflib.get_close_matches(name, declaration.fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield ("outcomes", "match_on", position), f"{name!r} is no field: a request doesn't have it{hint}"


def _expressions(declaration: Declaration) -> Found:
    table = declaration.table
    plain = {name: SQL_TYPES[column.type] for name, column in table.columns.items() if column.sql is None}
    every = {name: SQL_TYPES[column.type] for name, column in table.columns.items()}
    if not plain:
        yield ("table", "columns"), "every column has `sql`: what it is computed from must be a column, too"
        return
    computed: dict[Path, tuple[str, str | None]] = {
        ("table", "columns", name, "sql"): (column.sql, None)
        for name, column in table.columns.items()
        if column.sql is not None
    }
    yield from checked(plain, computed)
    conditions: dict[Path, tuple[str, str | None]] = {
        ("table", part, reason): (expression, "BOOLEAN")
        for part in ("reject", "leave_out")
        for reason, expression in getattr(table, part).items()
    }
    yield from checked(every, conditions)


def _features(declaration: Declaration) -> Found:
    if declaration.features == "auto":
        return
    # here, since it needs the fields to be sound
    from trainer.usecase.contracts import fields_of, output_of

    names = set(declaration.fields)
    for position, feature in enumerate(declaration.features):
        absent = [name for name in feature.inputs if name not in names]
        for name in absent:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield ("features", position), f"{name!r} is no field{hint}"
        if absent:
            continue
        if isinstance(feature, TargetMean | Learnt):
            if not isinstance(declaration.fields[feature.field], CategoryField):
                yield ("features", position), f"{feature.op} doesn't work on {feature.field!r}, which is no category"
            continue
        try:
            Contract(
                name=declaration.name,
                fields=list(fields_of(declaration)),
                features=[feature],
                output=output_of(declaration),
            )
        except ValidationError as error:
            yield ("features", position), error.errors()[0]["msg"].removeprefix("Value error, ")
