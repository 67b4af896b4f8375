"""The model that every server serves, and the rows that it is asked about.

It is made by the trainer's own code from its generated trips: 150 trees of depth 8 on the taxi contract, as training
makes them but for the fixed number of trees.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xgboost
from contract import bundle
from contract.booster import LoadedModel
from contract.golden import requests_of
from numpy.typing import NDArray
from serving.state import State
from serving.store import BUNDLE, RECORD, Record
from trainer.data.months import Month
from trainer.modelling.bundles import seal
from trainer.modelling.evaluation import Predicted, calibrate
from trainer.modelling.examples import featurise
from trainer.modelling.fit import fit
from trainer.modelling.parameters import Boosting
from trainer.usecases.trips.clean import clean
from trainer.usecases.trips.columns import normalise
from trainer.usecases.trips.features import fit_contract
from trainer.usecases.trips.fields import MODEL_NAME
from trainer.usecases.trips.synthetic import generate

SEED = 1
TREES = 150
DEPTH = 8
BATCH_ROWS = 10_000
ROWS_IN_TURN = 1_000
"""Different one-row requests, over and over: no server is asked the same twice in a row."""
COVERAGE = 0.9
TRAINING_MONTH, REQUEST_MONTH = Month(2021, 1), Month(2021, 2)


@dataclass(frozen=True)
class Subject:
    """The model and its questions, with the answers that XGBoost gives in this process."""

    folder: Path
    """The bundle's."""
    model: LoadedModel
    trips: pa.Table
    """``BATCH_ROWS`` clean trips without a missing value."""

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Raw fields, as a client sends them."""
        return requests_of(self.model.contract, self.trips)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Shape (n, k)."""
        return self.model.contract.matrix(self.trips)

    @cached_property
    def feature_lists(self) -> list[list[float]]:
        """The same as numbers that print as shortly as float32 allows."""
        return [[float(str(value)) for value in row] for row in self.features]

    @property
    def feature_names(self) -> list[str]:
        return self.model.contract.compiled.names

    @cached_property
    def predictions(self) -> NDArray[np.float32]:
        """Shape (n,), by XGBoost itself."""
        found: NDArray[np.float32] = xgboost_booster(self.folder).inplace_predict(self.features)
        return found

    @property
    def booster(self) -> Path:
        return self.folder / bundle.MODEL


def make(folder: Path) -> Subject:
    """Trains the model and writes its bundle into the empty folder."""
    training, requests = _trips(TRAINING_MONTH), _trips(REQUEST_MONTH)
    contract = fit_contract(training)
    boosting = Boosting(max_depth=DEPTH, max_rounds=TREES)
    booster = fit(featurise(contract, training), boosting.for_xgboost(SEED), TREES)
    judged = Predicted.by(booster, featurise(contract, requests))
    promising = contract.promising(calibrate(judged.actual, judged.predicted, COVERAGE))
    return Subject(folder, seal(folder, promising, booster, requests), _spread(requests, BATCH_ROWS))


def put_into_store(subject: Subject, store: Path) -> None:
    """Makes the model what a service with this store serves when it can't reach its registry."""
    content = (subject.folder / bundle.CONTRACT).read_bytes()
    key = f"1-{hashlib.sha256(content).hexdigest()[:16]}"
    entry = store / MODEL_NAME / key
    (entry / BUNDLE).mkdir(parents=True)
    for file in subject.folder.iterdir():
        (entry / BUNDLE / file.name).write_bytes(file.read_bytes())
    record = Record(name=MODEL_NAME, version="1", run_id="benchmark", metrics={})
    (entry / RECORD).write_text(record.model_dump_json())
    state = State(generation=1, entry=key, version="1", followed=key)
    (store / MODEL_NAME / "state.json").write_text(state.model_dump_json())


def xgboost_booster(folder: Path) -> xgboost.Booster:
    """A bundle's booster in the library that trained it, with one thread."""
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(folder / bundle.MODEL)
    return booster


def as_json(value: object) -> bytes:
    """As compact as clients send it."""
    return json.dumps(value, separators=(",", ":")).encode()


def _trips(month: Month) -> pa.Table:
    raw = generate(SEED, "green", month)
    return clean(normalise(raw, f"synthetic:{month}"))[0]


def _spread(trips: pa.Table, count: int) -> pa.Table:
    """So many trips from all of them, without gaps: JSON has no NaN for the servers that take features."""
    whole = trips.filter(pc.is_valid(trips["passenger_count"]))
    return whole.take(np.random.default_rng(SEED).permutation(whole.num_rows)[:count]).combine_chunks()
