"""CSV with a header, as ``pandas.DataFrame.to_csv`` writes it."""

import math
from collections.abc import Iterable

import pyarrow as pa
from contract import Contract, InvalidInput
from contract.booster import LoadedModel
from contract.features import Matrix
from contract.fields import Category
from pyarrow import csv

from serving.errors import BadTable
from serving.protocols import tables
from serving.protocols.values import by_rows

MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
    *("N/A", "NA", "NULL", "NaN", "NaT", "None", "n/a", "nan", "null"),
)
"""Spellings of a missing value that pandas knows by itself."""


def features(model: LoadedModel, body: bytes, most_rows: int) -> Matrix:
    """Features of a CSV table; columns that are no field are ignored.

    Raises:
        BadTable: the body is no such table.
        InvalidInput: the contract refuses a value, a column is missing, or there are too many rows.
    """
    contract = model.contract
    numbers = [name for name, field in contract.by_name.items() if not tables.is_text(field)]
    try:
        table = _read(contract, body, numbers)
        tables.check_length(table.num_rows, most_rows)
        return tables.matrix(contract, table)
    except (pa.ArrowInvalid, UnicodeDecodeError, InvalidInput):
        # once more as texts: the rows name every problem
        texts = _texts(contract, body)
    tables.check_length(texts.num_rows, most_rows)
    tables.require(contract, texts.column_names)
    return by_rows(model, [_row(row, numbers) for row in texts.to_pylist()])


def _texts(contract: Contract, body: bytes) -> pa.Table:
    try:
        return _read(contract, body, ())
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise BadTable(f"the body is not CSV with a header: {error}") from None


def _read(contract: Contract, body: bytes, numbers: Iterable[str]) -> pa.Table:
    kinds = dict.fromkeys(contract.by_name, pa.string()) | dict.fromkeys(numbers, pa.float64())
    words = {word for field in contract.fields if isinstance(field, Category) for word in field.values}
    table = csv.read_csv(
        pa.BufferReader(body),
        # one block: a value's line may be as long as the body
        csv.ReadOptions(use_threads=False, block_size=len(body) + 1),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types=kinds, null_values=[word for word in MISSING if word not in words], strings_can_be_null=True
        ),
    )
    known = [name for name in table.column_names if name in contract.by_name]
    if len(set(known)) < len(known):
        raise BadTable("a column is there twice")
    return table.select(known)


def _row(texts: dict[str, str | None], numbers: Iterable[str]) -> dict[str, str | float | None]:
    return texts | {name: _number(texts[name]) for name in numbers if name in texts}


def _number(text: str | None) -> str | float | None:
    try:
        number = math.nan if text is None else float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
