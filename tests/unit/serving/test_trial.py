"""What a version can do to the process that loads it first, it does to a copy of the trial process."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xgboost
from boosters import replaced, with_numbers
from contract import Contract, Golden, bundle
from serving.errors import DamagedBundle, StoreFailed
from serving.trial import TrialProcess

PROGRAM = """
import sys
from pathlib import Path
from serving import trial
from serving.batch.address import listen
trial.work(listen(Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrialProcess]:
    address = tmp_path_factory.mktemp("trial") / "socket"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(address)])
    yield TrialProcess(address)
    assert process.poll() is None, "the trial process itself has ended"
    process.kill()
    process.wait()


def of_another_kind(folder: Path, make_bundle: Callable[..., Contract]) -> bytes:
    """A bundle whose booster the walk leaves to XGBoost; the booster's bytes."""
    contract = make_bundle(folder)
    rows = Golden.from_json((folder / bundle.GOLDEN).read_bytes()).rows
    features = np.array([contract.row(_parsed(contract, row))[0] for row in rows])
    data = xgboost.DMatrix(features)
    data.set_info(label_lower_bound=np.arange(1.0, len(rows) + 1), label_upper_bound=np.arange(2.0, len(rows) + 2))
    booster = xgboost.train({"objective": "survival:aft", "max_depth": 3, "nthread": 1}, data, 4)
    predictions = [float(value) for value in booster.inplace_predict(features)]
    model = bytes(booster.save_raw("ubj"))
    bundle.write(folder, contract, model, Golden(rows=rows, predictions=predictions))
    return model


def _parsed(contract: Contract, row: dict[str, object]) -> dict[str, object]:
    from contract.rows import Rows

    found: dict[str, object] = Rows(contract).parse(json.dumps(row).encode())  # type: ignore[assignment]
    return found


def test_a_sound_version_passes(trial: TrialProcess, tmp_path: Path, make_bundle: Callable[..., Contract]) -> None:
    make_bundle(tmp_path)
    trial(tmp_path)


def test_a_sound_version_of_a_kind_that_the_walk_does_not_know_passes(
    trial: TrialProcess, tmp_path: Path, make_bundle: Callable[..., Contract]
) -> None:
    of_another_kind(tmp_path, make_bundle)
    trial(tmp_path)


@pytest.mark.parametrize("name", ["split_indices", "left_children", "right_children"])
def test_a_wrong_number_in_a_model_is_refused_whatever_it_does_to_the_process(
    trial: TrialProcess, tmp_path: Path, make_bundle: Callable[..., Contract], name: str
) -> None:
    model = of_another_kind(tmp_path, make_bundle)
    for number in (-(2**31), 2**31 - 1, 10**6):
        replaced(tmp_path, with_numbers(model, name, number))
        with pytest.raises(DamagedBundle, match=r"model\.ubj|golden\.json"):
            trial(tmp_path)


def test_what_only_an_explanation_reads_is_tried_too(
    trial: TrialProcess, tmp_path: Path, make_bundle: Callable[..., Contract]
) -> None:
    make_bundle(tmp_path)
    replaced(tmp_path, with_numbers((tmp_path / bundle.MODEL).read_bytes(), "parents", 2**31 - 1))
    with pytest.raises(DamagedBundle, match=r"model\.ubj: loading it ends the process"):
        trial(tmp_path)


def test_a_trial_has_bounded_memory_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # in a process with one thread, as the trial process is
    script = """
import sys, time
from pathlib import Path
from serving import trial
def take(folder):
    bytearray(1 << 30)
trial._problem = take
assert trial.outcome(Path(sys.argv[1])) == "it takes more memory than a version of its size may"
trial._problem = lambda folder: time.sleep(60)
assert trial.outcome(Path(sys.argv[1]), seconds=0.1) == "it can't be loaded within 0.1 s"
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=50)


def test_without_a_trial_process_nothing_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.trial.PATIENCE_SECONDS", 0.2)
    with pytest.raises(StoreFailed, match="the trial process doesn't answer"):
        TrialProcess(tmp_path / "nobody")(tmp_path)
