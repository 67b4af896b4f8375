"""Raw fields and features of many rows as numbers, by the model's own contract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from contract import Contract
from contract.columns import encode_column
from contract.fields import Category, RawField, Timestamp
from contract.operations import CategoryCode, Cross, Hour, Identity, MinuteOfDay, Month, Operation, Weekday

from trainer.monitoring.binning import Values

Kind = Literal["field", "feature", "prediction"]

PERIODS: dict[type[Operation], float] = {Hour: 1, MinuteOfDay: 1, Weekday: 7, Month: 366}
"""Days after which what the operation gives comes round again: rows of less time differ by nature."""
MOST_OF_A_PERIOD = 0.9


@dataclass(frozen=True)
class Column:
    """One field, or feature, of all rows."""

    name: str
    kind: Kind
    values: Values
    """Shape (n,); NaN is missing. Of a category its code."""
    category: bool = False
    may_miss: bool = False
    same_as: str | None = None
    """The field that the feature is, as it stands."""
    partial: bool = False
    """Whether the rows span too little time to show all that it can be."""
    vocabulary: Sequence[str | int] = ()
    """The category's values, by code."""

    @property
    def present(self) -> Values:
        return self.values[~np.isnan(self.values)]


def as_table(contract: Contract, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Validated rows (``contract.rows``) with the raw fields as columns; an absent value is null."""
    return pa.table(
        {field.name: pa.array([row.get(field.name) for row in rows], _type(field)) for field in contract.fields}
    )


def _type(field: RawField) -> pa.DataType:
    match field:
        case Timestamp():
            return pa.timestamp("us")
        case Category(of_numbers=True):
            return pa.int64()
        case Category():
            return pa.string()
        case _:
            return pa.float64()


def columns_of(contract: Contract, table: pa.Table) -> list[Column]:
    """Every field but times, which move by nature and count by the features made of them; then every feature.

    Raises:
        InvalidInput: a row that the contract refuses.
    """
    matrix = contract.matrix(table)
    fields = [_field(field, table) for field in contract.fields if not isinstance(field, Timestamp)]
    features = [
        _feature(contract, operation, matrix[:, position].astype(np.float64), table)
        for position, operation in enumerate(contract.features)
    ]
    return [*fields, *features]


def _field(field: RawField, table: pa.Table) -> Column:
    category = isinstance(field, Category)
    if field.name not in table.column_names:
        values = np.full(table.num_rows, np.nan)
    else:
        encoded = encode_column(field, table[field.name])
        # a default stands in for what is missing all the same
        values = np.where(np.asarray(pc.is_null(table[field.name], nan_is_null=True)), np.nan, encoded)
    may_miss = not field.required or (isinstance(field, Category) and field.unknown == "missing")
    vocabulary = field.values if isinstance(field, Category) else ()
    return Column(field.name, "field", values, category, may_miss, vocabulary=vocabulary)


def _feature(contract: Contract, operation: Operation, values: Values, table: pa.Table) -> Column:
    plain = isinstance(operation, Identity | CategoryCode)
    same_as = operation.inputs[0] if plain else None
    return Column(
        operation.name,
        "feature",
        values,
        category=isinstance(operation, CategoryCode | Cross),
        same_as=same_as,
        partial=_days(operation, contract, table) < PERIODS.get(type(operation), 0) * MOST_OF_A_PERIOD,
    )


def _days(operation: Operation, contract: Contract, table: pa.Table) -> float:
    """That the rows span, by the time that the feature is made of; infinite without one."""
    name = operation.inputs[0]
    if not isinstance(contract.by_name[name], Timestamp) or type(operation) not in PERIODS:
        return float("inf")
    seconds = encode_column(contract.by_name[name], table[name])
    known = seconds[~np.isnan(seconds)]
    return float(np.ptp(known)) / 86_400 if len(known) else 0.0
