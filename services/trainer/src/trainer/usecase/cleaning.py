"""Rows of the table that a model can learn from, and be judged on."""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from contract.columns import encode_column
from contract.errors import InvalidInput
from contract.fields import Category, RawField

from trainer.usecase.contracts import fields_of
from trainer.usecase.database import opened, text
from trainer.usecase.declaration import CategoryField, Declaration
from trainer.usecase.rows import slug


def clean_parts(
    declaration: Declaration, parts: Iterable[pa.Table], schema: pa.Schema
) -> Iterator[tuple[pa.Table, Counter[str]]]:
    """As ``clean``, part by part; at least one part, which may have no rows.

    Args:
        schema: of the parts.
    """
    empty = True
    for part in parts:
        empty = False
        yield clean(declaration, part)
    if empty:
        yield clean(declaration, schema.empty_table())


def clean(declaration: Declaration, rows: pa.Table) -> tuple[pa.Table, Counter[str]]:
    """The rows that are used, with columns as the contract takes them, and how many are left out, by reason.

    A row is left out for the first reason that holds: those of the declaration, a target that is missing, a field with
    a value that a request couldn't have.
    """
    typed = _as_fields(declaration, rows)
    reasons = _declared(declaration, typed)
    for reason, holds in _of_fields(declaration, typed):
        reasons = [
            old if old is not None else (reason if now else None) for old, now in zip(reasons, holds, strict=True)
        ]
    found = pa.array(reasons, pa.string())
    counted = Counter(reason for reason in reasons if reason is not None)
    return typed.filter(pc.is_null(found)), counted


def _as_fields(declaration: Declaration, rows: pa.Table) -> pa.Table:
    """Columns of yes and no as the numbers, or the texts, that their fields are."""
    for position, column in enumerate(rows.schema):
        if pa.types.is_boolean(column.type):
            field = declaration.fields.get(column.name)
            kind = pa.string() if isinstance(field, CategoryField) else pa.int64()
            rows = rows.set_column(position, column.name, rows[column.name].cast(kind))
    return rows


def _declared(declaration: Declaration, rows: pa.Table) -> list[str | None]:
    conditions = declaration.table.leave_out
    if not conditions:
        return [None] * rows.num_rows
    cases = " ".join(f"WHEN ({expression}\n) THEN {text(reason)}" for reason, expression in conditions.items())
    with opened() as connection:
        connection.register("rows_to_judge", rows)
        found = connection.sql(f"SELECT CASE {cases} END AS reason FROM rows_to_judge").to_arrow_table()
    reasons: list[str | None] = found["reason"].to_pylist()
    return reasons


def _of_fields(declaration: Declaration, rows: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    target = rows[declaration.target.column].cast(pa.float64())
    yield "target_missing", np.asarray(pc.is_null(target, nan_is_null=True))
    if declaration.target.minimum is not None:
        low = pc.less(target, declaration.target.minimum)
        yield "target_below_minimum", np.asarray(low.fill_null(False))
    for field in fields_of(declaration):
        yield f"{slug(field.name)}_not_allowed", refused(field, rows[field.name])


def refused(field: RawField, column: pa.ChunkedArray) -> np.ndarray:
    """Which rows have a value that the field doesn't take; boolean, shape (n,)."""
    null = np.asarray(pc.is_null(column, nan_is_null=True))
    if isinstance(field, Category) and field.unknown == "missing":
        return null & field.required
    try:
        encode_column(field, column)
    except InvalidInput:
        pass
    else:
        return np.zeros(len(column), dtype=bool)
    # one after the other only where there is something to find
    whole = column.combine_chunks()
    bad = null & field.required
    for position in np.flatnonzero(~null):
        bad[position] = not _takes(field, whole.slice(int(position), 1))
    return bad


def _takes(field: RawField, value: pa.Array) -> bool:
    try:
        encode_column(field, value)
    except InvalidInput:
        return False
    return True
