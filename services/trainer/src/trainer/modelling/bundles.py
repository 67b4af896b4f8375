"""Makes the bundle that is a model version."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import xgboost
from contract import Contract, Golden, bundle
from contract.booster import LoadedModel, load
from contract.golden import requests_of

GOLDEN_ROWS = 50


def seal(folder: Path, contract: Contract, booster: xgboost.Booster, rows: pa.Table) -> LoadedModel:
    """Writes the bundle, with golden rows spread over ``rows``, and loads it again as serving will.

    Args:
        folder: existing and empty.
        rows: clean rows with the contract's raw fields; at least one.

    Raises:
        ContractError: the bundle doesn't give back what the booster predicts.
    """
    chosen = rows.take(np.linspace(0, rows.num_rows - 1, min(GOLDEN_ROWS, rows.num_rows)).astype(np.int64))
    predictions = booster.inplace_predict(contract.matrix(chosen))
    golden = Golden(rows=requests_of(contract, chosen), predictions=[float(value) for value in predictions])
    bundle.write(folder, contract, bytes(booster.save_raw("ubj")), golden)
    return load(folder)
