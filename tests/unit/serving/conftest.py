"""A registry of folders, and replicas whose workers live in the test's own process and talk over real sockets."""

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import xgboost
from contract import Contract, Golden, Output, Rows, booster, bundle
from contract.fields import Category, Number, Timestamp
from contract.operations import Cross, Difference, Identity, Ratio
from pydantic_core import to_json
from serving.coordinator import Coordinator
from serving.errors import FileNotInRegistry, NoChampion, RegistryUnreachable, TooLarge, VersionNotFound
from serving.follower import Follower
from serving.listener import listening
from serving.observe.metrics import Metrics
from serving.predictions import Served
from serving.registry import ModelVersion
from serving.replica import Replica
from serving.slot import Slot
from serving.store import ModelStore, Record
from serving.trial import try_here

MODEL = "bike-demand"


@dataclass
class FolderRegistry:
    """``serving.registry.Registry`` over folders."""

    folders: dict[str, Path] = field(default_factory=dict)
    alias: str | None = None
    born: int = 0
    reachable: bool = True
    downloads: list[str] = field(default_factory=list)
    looks: int = 0
    """How often it was asked where the alias points."""
    breaks_at: str | None = None
    """The download of this file ends in the middle."""

    def champion(self) -> ModelVersion:
        self.looks += 1
        self._reach()
        if self.alias is None:
            raise NoChampion(MODEL, "champion")
        return self.version(self.alias)

    def version(self, number: str) -> ModelVersion:
        self._reach()
        if number not in self.folders:
            raise VersionNotFound(MODEL, number)
        return ModelVersion(MODEL, number, f"run-{number}", f"runs:/run-{number}/bundle", self.born)

    def metrics(self, version: ModelVersion) -> Mapping[str, float]:
        self._reach()
        return {"holdout_rmse": float(version.version)}

    def download(self, version: ModelVersion, file: str, target: Path, most: int) -> None:
        self._reach()
        self.downloads.append(file)
        source = self.folders[version.version] / file
        if not source.exists():
            raise FileNotInRegistry(file, version.version)
        content = source.read_bytes()
        if len(content) > most:
            raise TooLarge(file, version.version, most)
        if file == self.breaks_at:
            target.write_bytes(content[: len(content) // 2])
            raise RegistryUnreachable("the connection broke")
        target.write_bytes(content)

    def _reach(self) -> None:
        if not self.reachable:
            raise RegistryUnreachable("the registry: no connection")


@dataclass
class Workers:
    """A replica with several workers in this process."""

    replica: Replica
    slots: list[Slot]
    coordinator: Coordinator
    follower: Follower
    store: ModelStore
    metrics: Metrics

    def hurry(self) -> None:
        """From now on a worker that can't follow is soon given up."""
        self.coordinator._seconds = 0.3

    @property
    def versions(self) -> list[str | None]:
        return [slot.status().version for slot in self.slots]

    @property
    def generations(self) -> list[int]:
        return [slot.status().generation for slot in self.slots]


@pytest.fixture(scope="session")
def bundles(make_bundle: Callable[..., Contract], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three good versions; a test that damages one copies it first."""
    folder = tmp_path_factory.mktemp("bundles")
    for number in (1, 2, 3):
        make_bundle(folder / str(number), offset=100 * number)
    return {str(number): folder / str(number) for number in (1, 2, 3)}


@pytest.fixture
def registry(bundles: dict[str, Path]) -> FolderRegistry:
    return FolderRegistry(dict(bundles))


@pytest.fixture
def damaged(bundles: dict[str, Path], tmp_path: Path) -> Path:
    """A bundle with one flipped byte."""
    copy = tmp_path / "damaged"
    shutil.copytree(bundles["3"], copy)
    content = bytearray((copy / "model.ubj").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "model.ubj").write_bytes(content)
    return copy


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    # a longer path than a socket's may be
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def pids() -> Iterator[list[int]]:
    """Processes that live while the tests run. Workers are known by theirs; here they only lend their numbers."""
    idle = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(4)]
    yield [process.pid for process in idle]
    for process in idle:
        process.communicate(b"\n")


@pytest.fixture
async def workers(pids: list[int], registry: FolderRegistry, run_dir: Path, tmp_path: Path) -> AsyncIterator[Workers]:
    folder = tmp_path / "store"
    folder.mkdir()
    replica, metrics = Replica.of(run_dir, folder), Metrics()
    store = ModelStore(folder, MODEL, 3, try_here, most_bytes=1 << 20)
    slots = [Slot(pid, store, replica.state, metrics.serving) for pid in pids[:3]]
    coordinator = Coordinator(registry, store, replica, metrics, seconds=30)
    follower = Follower(registry, coordinator, replica, metrics, poll_seconds=0.01)
    async with AsyncExitStack() as stack:
        for slot in slots:
            await stack.enter_async_context(listening(run_dir, slot))
        yield Workers(replica, slots, coordinator, follower, store, metrics)


@pytest.fixture(scope="session")
def bikes(bundles: dict[str, Path]) -> Served:
    """The first version, served."""
    return _served(booster.load(bundles["1"]), "1")


@pytest.fixture(scope="session")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A model with what ``bikes`` lacks: texts, features of several fields, and no interval."""
    contract = Contract(
        name="parcel-price",
        fields=[
            Category(name="carrier", description="Carrier", example="post", values=["post", "bike", "drone"]),
            Category(name="size", description="Size", example=3, values=[1, 3, 9], unknown="missing"),
            Number(name="weight", description="Weight", example=2.5, minimum=0),
            Number(name="volume", description="Volume", example=4.0, required=False, default=1.0),
            Timestamp(name="sent_at", description="Sent", example="2024-05-01T08:00:00"),
            Timestamp(name="due_at", description="Due", example="2024-05-02T08:00:00", required=False),
        ],
        features=[
            Cross(name="carrier_size", left="carrier", right="size"),
            Ratio(name="density", left="weight", right="volume"),
            Difference(name="seconds", left="due_at", right="sent_at"),
            Identity(name="weight", field="weight"),
        ],
        output=Output(name="price", unit="euro"),
    )
    rows = [
        {
            "carrier": ["post", "bike", "drone"][n % 3],
            "size": [1, 3, 9, 7][n % 4],
            "weight": n / 7,
            "volume": None if n % 5 == 0 else float(n % 4),
            "sent_at": f"2024-05-{1 + n % 28:02}T{n % 24:02}:00:00",
            "due_at": None if n % 6 == 0 else f"2024-05-{1 + (n * 7) % 28:02}T12:30:00.250000",
        }
        for n in range(80)
    ]
    features = contract.compiled.rows(Rows(contract).parse_batch(to_json({"rows": rows})))
    outcome = np.array([n % 11 for n in range(80)], dtype=np.float32)
    trained = xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(features, outcome), num_boost_round=10)
    folder = tmp_path_factory.mktemp("parcels")
    golden = Golden(rows=rows, predictions=[float(value) for value in trained.inplace_predict(features)])
    bundle.write(folder, contract, bytes(trained.save_raw("ubj")), golden)
    return _served(booster.load(folder), "7")


def _served(model: booster.LoadedModel, version: str) -> Served:
    record = Record(name=model.contract.name, version=version, run_id=f"run-{version}", metrics={})
    return Served(model, record, version, 1, datetime.now(UTC))
