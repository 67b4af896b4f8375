"""Golden rows: raw requests with the predictions that training computed, recomputed wherever the model is loaded.

Training computes them column by column; the check goes row by row, as a request does. So a loaded model has shown that
its features and its booster give here what they gave there.
"""

import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from contract.document import Contract
from contract.errors import GoldenMismatch, InvalidInput, MalformedGolden
from contract.fields import Document
from contract.rows import Row, Rows

if TYPE_CHECKING:
    import pyarrow as pa

Predict = Callable[[Row], float]
"""One validated row to its prediction."""

MOST_ROWS = 10_000
"""Half a second of checks wherever the model is loaded."""
RELATIVE_TOLERANCE = 1e-6
"""Eight units in the last place of float32: another processor may sum trees with other vector instructions."""


def requests_of(contract: Contract, table: "pa.Table") -> list[dict[str, Any]]:
    """Rows of a table as a client would send them: JSON values by field name, nulls left out."""
    names = [name for name in contract.by_name if name in table.column_names]
    return [
        {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in row.items()
            if value is not None
        }
        for row in table.select(names).to_pylist()
    ]


class Golden(Document):
    """golden.json."""

    rows: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_ROWS)
    """Raw fields as a client sends them."""
    predictions: list[float] = Field(max_length=MOST_ROWS)

    def to_json(self) -> bytes:
        return (json.dumps(self.model_dump(mode="json"), indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Golden":
        """Raises MalformedGolden."""
        try:
            golden = cls.model_validate_json(text)
        except ValidationError as error:
            raise MalformedGolden(_first(error)) from error
        if len(golden.rows) != len(golden.predictions):
            raise MalformedGolden(f"{len(golden.rows)} rows but {len(golden.predictions)} predictions")
        return golden

    def check(self, contract: Contract, predict: Predict) -> None:
        """Recomputes every row.

        Raises:
            GoldenMismatch: at the first prediction that differs by more than ``RELATIVE_TOLERANCE``.
            MalformedGolden: a row that the contract refuses.
        """
        rows = Rows(contract)
        for position, (row, expected) in enumerate(zip(self.rows, self.predictions, strict=True)):
            try:
                parsed = rows.parse(json.dumps(row).encode())
            except InvalidInput as error:
                raise MalformedGolden(f"row {position}: {error}") from error
            actual = predict(parsed)
            if not math.isclose(actual, expected, rel_tol=RELATIVE_TOLERANCE, abs_tol=RELATIVE_TOLERANCE):
                raise GoldenMismatch(position, expected, actual)


def _first(error: ValidationError) -> str:
    """The first thing wrong: a file may have thousands."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}"
