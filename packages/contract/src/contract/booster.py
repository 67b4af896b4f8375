"""A bundle's booster, ready to predict. Needs the extra ``xgboost``."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xgboost
from numpy.typing import NDArray

from contract import bundle
from contract.document import Contract
from contract.errors import UnusableModel
from contract.rows import Rows


@dataclass(frozen=True)
class LoadedModel:
    """A bundle that has shown, by its golden rows, that it predicts here what it predicted in training."""

    contract: Contract
    booster: xgboost.Booster

    @cached_property
    def rows(self) -> Rows:
        return Rows(self.contract)

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Feature matrix of shape (n, k), float32, to predictions of shape (n,) in the output's unit. Thread-safe."""
        predictions: NDArray[np.float32] = self.booster.inplace_predict(features)
        return predictions


def load(folder: Path, *, threads: int = 1) -> LoadedModel:
    """Reads, checks and warms up the bundle in a folder.

    Args:
        threads: XGBoost's; 1 for a server, whose single rows are slowed by more.

    Raises:
        ContractError: whatever is wrong with the bundle, as the error that names it.
    """
    found = bundle.read(folder)
    booster = xgboost.Booster({"nthread": threads})
    try:
        booster.load_model(bytearray(found.model))
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise UnusableModel(
            f"{bundle.MODEL}: XGBoost {xgboost.__version__} can't load it: {str(error).splitlines()[0]}"
        ) from error
    expected = len(found.contract.features)
    if booster.num_features() != expected:
        raise UnusableModel(f"{bundle.MODEL} takes {booster.num_features()} features, the contract has {expected}")
    model = LoadedModel(found.contract, booster)
    found.golden.check(found.contract, model.predict)
    return model
