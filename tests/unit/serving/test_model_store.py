"""What gets into the store, what doesn't, and what leaves it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contract import Contract
from serving.errors import (
    DamagedBundle,
    FileNotInRegistry,
    NoContract,
    Refused,
    RegistryUnreachable,
    StoreFailed,
    TooLarge,
    WrongModel,
)
from serving.store import ModelStore
from serving.trial import try_here

MOST_BYTES = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store", "bike-demand", 3, try_here, MOST_BYTES)


def entries(tmp_path: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (tmp_path / "store").iterdir())


def test_a_fetched_version_loads_without_the_registry(store: ModelStore, registry: Any) -> None:
    key = store.fetch(registry, registry.version("1"))
    registry.reachable = False
    model, record = store.load(key)
    assert model.contract.name == "bike-demand"
    assert (record.version, record.run_id, record.metrics) == ("1", "run-1", {"holdout_rmse": 1.0})


def test_a_version_in_the_store_is_not_downloaded_again(store: ModelStore, registry: Any) -> None:
    store.fetch(registry, registry.version("1"))
    registry.downloads.clear()
    store.fetch(registry, registry.version("1"))
    assert registry.downloads == []


@pytest.mark.parametrize("file", ["contract.json", "model.ubj", "golden.json"])
def test_an_interrupted_download_leaves_nothing(store: ModelStore, registry: Any, tmp_path: Path, file: str) -> None:
    registry.breaks_at = file
    with pytest.raises(RegistryUnreachable):
        store.fetch(registry, registry.version("1"))
    assert entries(tmp_path) == []
    registry.breaks_at = None
    store.load(store.fetch(registry, registry.version("1")))


def test_what_a_killed_download_left_is_cleared(store: ModelStore, registry: Any, tmp_path: Path) -> None:
    left = tmp_path / "store" / ".part-x"
    shutil.copytree(registry.folders["1"], left / "bundle")
    store.fetch(registry, registry.version("1"))
    assert not left.exists()


@pytest.mark.parametrize("file", ["model.ubj", "golden.json", "contract.json"])
def test_a_damaged_bundle_is_refused_and_not_kept(
    store: ModelStore, registry: Any, damaged: Path, tmp_path: Path, file: str
) -> None:
    registry.folders["4"] = damaged
    shutil.copy(registry.folders["3"] / "model.ubj", damaged)
    (damaged / file).write_bytes(b"no longer what it was")
    with pytest.raises(DamagedBundle, match=file):
        store.fetch(registry, registry.version("4"))
    assert entries(tmp_path) == []


def test_a_version_without_contract_is_refused(store: ModelStore, registry: Any, tmp_path: Path) -> None:
    registry.folders["4"] = tmp_path
    with pytest.raises(NoContract, match=r"version 4 has no contract\.json"):
        store.fetch(registry, registry.version("4"))


def test_a_file_missing_from_the_registry_is_named(store: ModelStore, registry: Any, damaged: Path) -> None:
    (damaged / "golden.json").unlink()
    registry.folders["4"] = damaged
    with pytest.raises(FileNotInRegistry, match=r"golden\.json"):
        store.fetch(registry, registry.version("4"))


def test_another_models_bundle_is_refused(
    store: ModelStore, registry: Any, make_bundle: Callable[..., Contract], tmp_path: Path
) -> None:
    make_bundle(tmp_path / "cars", name="car-demand")
    registry.folders["4"] = tmp_path / "cars"
    with pytest.raises(WrongModel, match="'car-demand'"):
        store.fetch(registry, registry.version("4"))


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "a\0b", "..", "x" * 5000])
def test_a_contract_cannot_name_files_elsewhere(
    store: ModelStore, registry: Any, damaged: Path, tmp_path: Path, name: str
) -> None:
    contract = json.loads((damaged / "contract.json").read_text())
    contract["files"][name] = "0" * 64
    (damaged / "contract.json").write_text(json.dumps(contract))
    registry.folders["4"] = damaged
    with pytest.raises((Refused, StoreFailed)):
        store.fetch(registry, registry.version("4"))
    assert entries(tmp_path) == []


def test_deeply_nested_json_is_refused(store: ModelStore, registry: Any, damaged: Path) -> None:
    (damaged / "contract.json").write_text("[" * 200_000)
    registry.folders["4"] = damaged
    with pytest.raises(DamagedBundle):
        store.fetch(registry, registry.version("4"))


def test_an_entry_damaged_on_the_disk_is_named_and_fetched_again(
    store: ModelStore, registry: Any, tmp_path: Path
) -> None:
    key = store.fetch(registry, registry.version("1"))
    (tmp_path / "store" / key / "bundle" / "golden.json").write_bytes(b"{}")
    with pytest.raises(DamagedBundle, match=f"{key}.*golden"):
        store.load(key)
    assert store.fetch(registry, registry.version("1")) == key
    store.load(key)


def test_version_1_of_another_registry_is_another_entry(store: ModelStore, registry: Any, tmp_path: Path) -> None:
    first = store.fetch(registry, registry.version("1"))
    registry.born = 1
    second = store.fetch(registry, registry.version("1"))
    assert first != second
    assert entries(tmp_path) == ["1", "1"]


def test_old_entries_leave_but_never_the_needed_ones(store: ModelStore, registry: Any, tmp_path: Path) -> None:
    keys = []
    for born in range(5):
        registry.born = born
        keys.append(store.fetch(registry, registry.version("1")))
    store.prune(keys[0], keys[1], None)
    kept = {path.name for path in (tmp_path / "store").iterdir()}
    assert kept == {keys[0], keys[1], keys[4]}


def test_a_store_that_cannot_be_written_says_so(registry: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match="the model store"):
        ModelStore(tmp_path / "file", "bike-demand", 3, try_here, MOST_BYTES).fetch(registry, registry.version("1"))


def test_a_version_that_is_larger_than_allowed_is_not_downloaded_whole(tmp_path: Path, registry: Any) -> None:
    size = sum((registry.folders["1"] / name).stat().st_size for name in ("model.ubj", "golden.json"))
    ModelStore(tmp_path / "store", "bike-demand", 3, try_here, size).fetch(registry, registry.version("1"))
    small = ModelStore(tmp_path / "other", "bike-demand", 3, try_here, size - 1)
    with pytest.raises(TooLarge, match="version 1: "):
        small.fetch(registry, registry.version("1"))
    assert list((tmp_path / "other").iterdir()) == []


def test_a_version_is_tried_before_it_is_in_the_store(tmp_path: Path, registry: Any) -> None:
    seen = []

    def refuse(folder: Path) -> None:
        seen.append((sorted(path.name for path in folder.iterdir()), (tmp_path / "store" / "trying.json").exists()))
        raise DamagedBundle("it ends the process")

    store = ModelStore(tmp_path / "store", "bike-demand", 3, refuse, MOST_BYTES)
    with pytest.raises(DamagedBundle, match="version 1 is damaged: it ends the process"):
        store.fetch(registry, registry.version("1"))
    assert seen == [(["contract.json", "golden.json", "model.ubj"], True)]
    assert entries(tmp_path) == []


def test_a_version_whose_trial_the_service_did_not_survive_is_tried_twice_and_no_more(
    tmp_path: Path, registry: Any
) -> None:
    class Killed(BaseException):
        """The end of the process, after which nothing is tidied up."""

    def end(folder: Path) -> None:
        shutil.copy(note, tmp_path)
        raise Killed

    note = tmp_path / "store" / "trying.json"
    store = ModelStore(tmp_path / "store", "bike-demand", 3, end, MOST_BYTES)
    for _ in range(2):
        with pytest.raises(Killed):
            store.fetch(registry, registry.version("1"))
        shutil.copy(tmp_path / "trying.json", note)
    with pytest.raises(DamagedBundle, match=r"ended 2 times while it was tried; remove .*trying\.json"):
        store.fetch(registry, registry.version("1"))
    # another version is none the worse for it
    with pytest.raises(Killed):
        store.fetch(registry, registry.version("2"))
