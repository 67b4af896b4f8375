"""Which engine predicts, and that both give the same; what a service that predicts needn't load."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xgboost
from contract import Contract, Golden, bundle, libxgboost
from contract import booster as booster_module
from contract.booster import LoadedModel, load
from contract.errors import UnusableModel
from contract.golden import requests_of
from contract.rows import Rows

RecordProperty = Callable[[str, object], None]

ROW = b'{"at": "2024-05-01T08:00", "station": 7, "sky": "rain", "season": "spring", "temperature": 3.5}'


def write(folder: Path, contract: Contract, rows: pa.Table, **parameters: object) -> xgboost.Booster:
    features = contract.matrix(rows)
    outcome = (np.arange(len(features)) % 3).astype(np.float32)
    data = xgboost.DMatrix(features, outcome)
    if parameters["objective"] == "survival:aft":
        data.set_info(label_lower_bound=outcome + 1, label_upper_bound=outcome + 2)
    booster = xgboost.train({"max_depth": 3, "nthread": 1, **parameters}, data, 5)
    predictions = booster.inplace_predict(features).reshape(len(features), -1)[:, 0]
    golden = Golden(rows=requests_of(contract, rows), predictions=predictions.tolist())
    bundle.write(folder, contract, bytes(booster.save_raw("ubj")), golden)
    return booster


@pytest.fixture
def walked(bike_bundle: Path) -> LoadedModel:
    return load(bike_bundle)


@pytest.fixture
def by_xgboost(bike_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    """The bundle as a machine without the compiled walk loads it."""
    monkeypatch.setattr("treewalk.forest.Walk", None)
    return load(bike_bundle)


def test_the_walk_predicts_and_nothing_else_is_loaded(bike_bundle: Path, record_property: RecordProperty) -> None:
    model = load(bike_bundle)
    assert (model.engine, model.fallback) == ("treewalk", None)
    assert model.objective == "reg:squarederror"
    assert "booster" not in vars(model)
    record_property("path", "engine: treewalk")


def test_without_the_walk_xgboost_predicts_the_same_and_the_reason_is_told(
    bike_bundle: Path,
    bike_rows: pa.Table,
    walked: LoadedModel,
    by_xgboost: LoadedModel,
    record_property: RecordProperty,
) -> None:
    assert (by_xgboost.engine, by_xgboost.fallback) == ("xgboost", "the compiled walk isn't installed")
    assert by_xgboost.objective == "reg:squarederror"
    matrix = walked.contract.matrix(bike_rows)
    row = walked.rows.parse(ROW)
    assert by_xgboost.predict(matrix).tobytes() == walked.predict(matrix).tobytes()
    assert by_xgboost.predict_row(row) == walked.predict_row(row)
    record_property("path", "engine: XGBoost, without the walk")


def test_a_row_and_a_matrix_give_the_same(bike_bundle: Path, bikes: Contract, bike_rows: pa.Table) -> None:
    model = load(bike_bundle)
    parsed = Rows(bikes).parse_batch(json.dumps({"rows": requests_of(bikes, bike_rows)}).encode())
    assert [model.predict_row(row) for row in parsed] == model.predict(bikes.matrix(bike_rows)).tolist()


def test_threads_share_a_large_batch_and_give_the_same(
    bike_bundle: Path, bike_rows: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booster_module, "ROWS_WORTH_A_THREAD", 5)
    matrix = load(bike_bundle).contract.matrix(bike_rows)
    assert load(bike_bundle, threads=3).predict(matrix).tolist() == load(bike_bundle).predict(matrix).tolist()


def test_contributions_are_xgboost_s_and_add_up(bike_bundle: Path, bike_rows: pa.Table) -> None:
    model = load(bike_bundle)
    matrix = model.contract.matrix(bike_rows)
    booster = xgboost.Booster(model_file=bike_bundle / bundle.MODEL)
    shares = model.explain(matrix)

    assert shares.dtype == np.float32
    assert shares.tolist() == booster.predict(xgboost.DMatrix(matrix), pred_contribs=True).tolist()
    np.testing.assert_allclose(shares.sum(axis=1), model.predict(matrix), rtol=1e-5)


def test_a_model_that_the_walk_does_not_know_is_predicted_by_xgboost(
    tmp_path: Path, bikes: Contract, bike_rows: pa.Table
) -> None:
    booster = write(tmp_path, bikes, bike_rows, objective="survival:aft")
    model = load(tmp_path)
    assert model.engine == "xgboost"
    assert model.fallback == "the objective survival:aft isn't one that the walk knows"
    matrix = bikes.matrix(bike_rows)
    assert model.predict(matrix).tolist() == booster.inplace_predict(matrix).tolist()


@pytest.mark.filterwarnings("ignore:.*gblinear.*")
def test_a_model_that_xgboost_itself_cannot_predict_in_place_is_unusable(bike_bundle: Path, tmp_path: Path) -> None:
    contract = load(bike_bundle).contract
    features = np.zeros((4, len(contract.features)), dtype=np.float32)
    linear = xgboost.train({"booster": "gblinear", "verbosity": 0}, xgboost.DMatrix(features, np.zeros(4)), 1)
    golden = Golden.from_json((bike_bundle / bundle.GOLDEN).read_bytes())
    bundle.write(tmp_path, contract, bytes(linear.save_raw("ubj")), golden)
    with pytest.raises(UnusableModel, match="Inplace predict is not supported"):
        load(tmp_path)


def test_a_model_of_several_outputs_is_unusable(tmp_path: Path, bikes: Contract, bike_rows: pa.Table) -> None:
    write(tmp_path, bikes, bike_rows, objective="multi:softprob", num_class=3)
    with pytest.raises(UnusableModel, match="gives 3 predictions"):
        load(tmp_path)


def test_xgboost_s_words_are_passed_on() -> None:
    with pytest.raises(libxgboost.XGBoostError, match=r"^Expecting"):
        libxgboost.Booster(b"{nonsense")


def test_neither_contract_nor_prediction_loads_what_it_does_not_need(bike_bundle: Path) -> None:
    program = (
        "import sys, pathlib, contract; from contract.booster import load; "
        "model = load(pathlib.Path(sys.argv[1])); "
        "model.predict_row(model.rows.parse(sys.argv[2].encode())); "
        "print(sorted({'pyarrow', 'xgboost', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(bike_bundle), ROW.decode()], check=True, capture_output=True, text=True
    )
    assert answer.stdout == "[]\n"
