"""What a version must answer, computed offline from its own bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

import pyarrow as pa
from contract import bundle
from contract.booster import load
from contract.golden import RELATIVE_TOLERANCE, requests_of

from trainer.rollout.errors import NotServed

PROBED_ROWS = 100
"""Beside the golden ones."""


@dataclass(frozen=True)
class Proof:
    """Rows with the predictions that a version gives for them."""

    version: str
    digest: str
    """Of the contract, which has the hashes of all other files."""
    rows: Sequence[Mapping[str, Any]]
    """Raw fields as JSON values."""
    predictions: Sequence[float]
    """In the outcome's unit."""

    @classmethod
    def of(cls, version: str, folder: Path, held_out: pa.Table | None = None) -> "Proof":
        """The bundle's golden rows, and the first ``PROBED_ROWS`` of a table with the contract's raw fields.

        Raises:
            ContractError: the bundle isn't whole, or doesn't give back its golden rows here.
        """
        model, golden = load(folder), bundle.read(folder).golden
        rows, predictions = list(golden.rows), list(golden.predictions)
        if held_out is not None:
            probed = held_out.slice(0, PROBED_ROWS)
            rows += requests_of(model.contract, probed)
            predictions += [float(value) for value in model.predict(model.contract.matrix(probed))]
        return cls(version, model.contract.digest, rows, predictions)

    def check(self, answered: Sequence[float]) -> None:
        """Raises NotServed at the first prediction that differs by more than ``RELATIVE_TOLERANCE``."""
        if len(answered) != len(self.predictions):
            raise NotServed(f"{len(answered)} predictions for {len(self.predictions)} rows")
        for row, offline, online in zip(self.rows, self.predictions, answered, strict=True):
            if not isclose(offline, online, rel_tol=RELATIVE_TOLERANCE, abs_tol=RELATIVE_TOLERANCE):
                raise NotServed(f"{dict(row)}: offline {offline!r}, online {online!r}")
