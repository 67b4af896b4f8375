"""Bundles that must not be served: every damage is found and named."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xgboost
from contract import Contract, bundle, pyfunc
from contract.booster import load
from contract.errors import (
    GoldenMismatch,
    HashMismatch,
    MalformedContract,
    MalformedGolden,
    MissingFile,
    UnusableModel,
)


@pytest.fixture
def copy(bike_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bike_bundle, tmp_path / "bundle"))


def reseal(folder: Path) -> None:
    """Makes the hashes right again, as an attacker or an honest mistake upstream could."""
    contract = Contract.from_json((folder / bundle.CONTRACT).read_bytes())
    files = {name: bundle.sha256((folder / name).read_bytes()) for name in contract.files}
    (folder / bundle.CONTRACT).write_bytes(contract.sealed(files).to_json())


def test_a_whole_bundle_loads_and_predicts_what_training_predicted(bike_bundle: Path, bike_rows: pa.Table) -> None:
    model = load(bike_bundle)
    golden = json.loads((bike_bundle / bundle.GOLDEN).read_bytes())

    assert model.predict(model.contract.matrix(bike_rows)).tolist() == golden["predictions"]


@pytest.mark.parametrize("name", [bundle.CONTRACT, bundle.MODEL, bundle.GOLDEN])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(MissingFile, match=name):
        load(copy)


@pytest.mark.parametrize("name", [bundle.MODEL, bundle.GOLDEN])
@pytest.mark.parametrize("position", [0, 0.5, -1])
def test_one_flipped_byte_is_found_and_its_file_named(copy: Path, name: str, position: float) -> None:
    content = bytearray((copy / name).read_bytes())
    content[-1 if position < 0 else int(position * len(content))] ^= 0x40
    (copy / name).write_bytes(content)
    with pytest.raises(HashMismatch, match=name):
        load(copy)


def test_a_truncated_model_that_is_sealed_again_is_unusable(copy: Path) -> None:
    (copy / bundle.MODEL).write_bytes((copy / bundle.MODEL).read_bytes()[:200])
    reseal(copy)
    with pytest.raises(UnusableModel, match="has a length of 16"):
        load(copy)


def test_a_pickle_in_the_model_s_place_is_not_executed(copy: Path, tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    (copy / bundle.MODEL).write_bytes(f"cposix\nsystem\n(S'touch {proof}'\ntR.".encode())
    reseal(copy)
    with pytest.raises(UnusableModel):
        load(copy)
    assert not proof.exists()


def test_a_model_with_another_number_of_features_is_unusable(copy: Path) -> None:
    features = np.zeros((4, 3), dtype=np.float32)
    booster = xgboost.train({}, xgboost.DMatrix(features, np.zeros(4)), 1)
    (copy / bundle.MODEL).write_bytes(booster.save_raw("ubj"))
    reseal(copy)
    with pytest.raises(UnusableModel, match="takes 3 features, the contract has 14"):
        load(copy)


def test_golden_rows_that_do_not_reproduce_are_refused_with_both_numbers(copy: Path) -> None:
    golden = json.loads((copy / bundle.GOLDEN).read_bytes())
    golden["predictions"][5] += 0.01
    (copy / bundle.GOLDEN).write_text(json.dumps(golden))
    reseal(copy)
    with pytest.raises(GoldenMismatch, match="row 5"):
        load(copy)


@pytest.mark.parametrize(("by", "loads"), [(0.9e-6, True), (-0.9e-6, True), (1.1e-6, False), (-1.1e-6, False)])
def test_golden_rows_may_differ_by_a_millionth_and_by_no_more(copy: Path, by: float, loads: bool) -> None:
    golden = json.loads((copy / bundle.GOLDEN).read_bytes())
    assert golden["predictions"][-1] > 10  # so that no absolute difference of 1e-6 lets it through
    golden["predictions"][-1] *= 1 + by
    (copy / bundle.GOLDEN).write_text(json.dumps(golden))
    reseal(copy)
    with nullcontext() if loads else pytest.raises(GoldenMismatch, match=f"row {len(golden['rows']) - 1}"):
        load(copy)


def test_features_that_changed_since_training_do_not_reproduce(copy: Path) -> None:
    contract = json.loads((copy / bundle.CONTRACT).read_bytes())
    hour, minute = contract["features"][3], contract["features"][4]
    hour["op"], minute["op"] = minute["op"], hour["op"]
    temperature = contract["features"][0]
    temperature.update(op="difference", left="temperature", right="felt")
    del temperature["field"]
    (copy / bundle.CONTRACT).write_text(json.dumps(contract))
    with pytest.raises(GoldenMismatch):
        load(copy)


@pytest.mark.parametrize(
    "content", [b"{", b'{"rows": [], "predictions": []}', b'{"rows": [{}], "predictions": []}', b'{"rows": 1}']
)
def test_malformed_golden_rows_are_refused(copy: Path, content: bytes) -> None:
    (copy / bundle.GOLDEN).write_bytes(content)
    reseal(copy)
    with pytest.raises(MalformedGolden):
        load(copy)


def test_a_golden_row_that_the_contract_refuses_is_named(copy: Path) -> None:
    golden = json.loads((copy / bundle.GOLDEN).read_bytes())
    golden["rows"][2]["station"] = 99
    (copy / bundle.GOLDEN).write_text(json.dumps(golden))
    reseal(copy)
    with pytest.raises(MalformedGolden, match="row 2: station is 99"):
        load(copy)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "sub/file", "contract.json", ".."])
def test_files_outside_the_bundle_are_never_read(copy: Path, name: str) -> None:
    contract = json.loads((copy / bundle.CONTRACT).read_bytes())
    contract["files"][name] = "0" * 64
    (copy / bundle.CONTRACT).write_text(json.dumps(contract))
    with pytest.raises(MalformedContract, match="no plain file name"):
        load(copy)


def test_an_unsealed_contract_is_no_bundle(copy: Path, bikes: Contract) -> None:
    (copy / bundle.CONTRACT).write_bytes(bikes.to_json())
    with pytest.raises(MalformedContract, match="isn't sealed"):
        load(copy)


def test_mlflow_s_loader_gives_the_same_numbers_from_a_raw_frame(bike_bundle: Path, bike_rows: pa.Table) -> None:
    model = load(bike_bundle)
    expected = model.predict(model.contract.matrix(bike_rows))
    frame: pd.DataFrame = bike_rows.to_pandas()
    as_texts = frame.assign(at=frame["at"].dt.strftime("%Y-%m-%dT%H:%M:%S"))

    loaded = pyfunc._load_pyfunc(str(bike_bundle))
    assert loaded.predict(frame).tolist() == expected.tolist()
    assert loaded.predict(as_texts).tolist() == expected.tolist()
