"""From the fields of a declaration to the features of a model, and what they learn from training rows."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from contract.columns import encode_column
from contract.fields import Category, Document, RawField, Timestamp
from contract.operations import (
    AnyOperation,
    CategoryCode,
    Cross,
    Difference,
    Hour,
    Identity,
    Lookup,
    MinuteOfDay,
    Month,
    Ratio,
    Weekday,
)
from numpy.typing import NDArray
from pydantic import Field

from trainer.usecase.hooks import Hooks

PRIOR_ROWS = 5.0
"""Weight of the prior in a category's mean, in rows: a category with few rows lies close to the median of all."""
FEW_VALUES = 3
"""A vocabulary of so many values needs no learnt mean: a tree tells them apart by one or two splits."""
MIDNIGHT_SECONDS = 86_400

Values = NDArray[np.float64]


class TargetMean(Document):
    """The mean of the target for each category, learnt from the training rows."""

    op: Literal["target_mean"] = "target_mean"
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    field: str
    prior: float = Field(PRIOR_ROWS, ge=0)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.field,)


class Learnt(Document):
    """A number for each category, learnt from the training rows by a function of hooks.py."""

    op: Literal["learnt"] = "learnt"
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    field: str
    hook: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.field,)


AnyFeature = Annotated[
    Identity | CategoryCode | Hour | MinuteOfDay | Weekday | Month | Difference | Ratio | Cross | TargetMean | Learnt,
    Field(discriminator="op"),
]
"""A feature that a declaration may list."""


def learn(
    chosen: Literal["auto"] | Sequence[AnyFeature],
    fields: Sequence[RawField],
    rows: pa.Table,
    target: str,
    hooks: Hooks,
) -> list[AnyOperation]:
    """The operations of a contract, with the tables that they learn from ``rows``: training rows alone.

    Args:
        rows: has the fields and the target as columns.

    Raises:
        BadHook: a function that learns fails.
    """
    by_name = {field.name: field for field in fields}
    listed = list(automatic(fields, rows)) if chosen == "auto" else chosen
    actual = rows[target].to_numpy().astype(np.float64)
    return [
        _by_hook(feature, by_name, rows, target, hooks)
        if isinstance(feature, Learnt)
        else _learnt(feature, by_name, rows, actual)
        for feature in listed
    ]


def automatic(fields: Sequence[RawField], rows: pa.Table) -> Iterator[AnyFeature]:
    """Numbers as they are, times as parts, categories as codes and, unless they have few values, as target means."""
    unique = _unique_names()
    for field in fields:
        slug = unique(field.name)
        match field:
            case Timestamp():
                yield from _parts_of_time(field, slug, rows)
            case Category():
                yield CategoryCode(name=slug, field=field.name)
                if len(field.values) > FEW_VALUES:
                    yield TargetMean(name=unique(f"{slug}_mean"), field=field.name)
            case _:
                yield Identity(name=slug, field=field.name)


def _parts_of_time(field: Timestamp, slug: str, rows: pa.Table) -> Iterator[AnyFeature]:
    yield Month(name=f"{slug}_month", field=field.name)
    yield Weekday(name=f"{slug}_weekday", field=field.name)
    seconds = encode_column(field, rows[field.name])
    known = seconds[~np.isnan(seconds)]
    # dates have no hours
    if len(known) and (known % MIDNIGHT_SECONDS).any():
        yield MinuteOfDay(name=f"{slug}_minute", field=field.name)


def _by_hook(
    feature: Learnt, fields: Mapping[str, RawField], rows: pa.Table, target: str, hooks: Hooks
) -> AnyOperation:
    field = fields[feature.field]
    if not isinstance(field, Category):
        raise ValueError(f"feature {feature.name!r}: learnt doesn't work on {field.name!r}, which is no category")
    return Lookup(
        name=feature.name,
        description=feature.description or f"Learnt by {feature.hook}",
        field=feature.field,
        table=hooks.table(feature.hook, rows, target, field.values),
    )


def _learnt(feature: AnyFeature, fields: Mapping[str, RawField], rows: pa.Table, actual: Values) -> AnyOperation:
    if not isinstance(feature, TargetMean):
        assert not isinstance(feature, Learnt)
        return feature
    field = fields[feature.field]
    if not isinstance(field, Category):
        raise ValueError(f"feature {feature.name!r}: target_mean doesn't work on {field.name!r}, which is no category")
    codes = encode_column(field, rows[field.name])
    return Lookup(
        name=feature.name,
        description=f"Mean of the target by {field.name}, shrunk to the median of all",
        field=field.name,
        table=_means(codes, actual, len(field.values), feature.prior),
    )


def _means(codes: Values, actual: Values, size: int, prior: float) -> list[float | None]:
    """One for each code; None for one that no row has, if there is no prior."""
    known = ~np.isnan(codes)
    position = codes[known].astype(np.int64)
    counts = np.bincount(position, minlength=size)
    sums = np.bincount(position, weights=actual[known], minlength=size)
    center = float(np.median(actual))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (sums + prior * center) / (counts + prior)
    return [round(float(mean), 6) if np.isfinite(mean) else None for mean in means]


def _unique_names() -> Callable[[str], str]:
    """Names of features: XGBoost takes no brackets in them, and a column may have any name."""
    taken: set[str] = set()

    def unique(name: str) -> str:
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        slug = plain if re.match(r"[a-z]", plain) else f"f_{plain}".rstrip("_")
        number, found = 2, slug
        while found in taken:
            number, found = number + 1, f"{slug}_{number}"
        taken.add(found)
        return found

    return unique
