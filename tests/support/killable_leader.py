"""A worker that leads a swap, as a process of its own, which a test kills:
``killable_leader.py <run folder> <store> <bundle> <version> <step>``.

It says when it has come to the step, and never goes on. It has no socket: the workers that it leads are the test's.
"""

import asyncio
import shutil
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from serving.coordinator import Coordinator
from serving.errors import FileNotInRegistry, NoChampion, WorkerSilent
from serving.observe.metrics import Metrics
from serving.peers import Peers
from serving.registry import ModelVersion
from serving.replica import Replica
from serving.state import STATE, State, StateFile
from serving.store import ModelStore
from serving.trial import try_here
from serving.wire import Call, Reply

MODEL = "bike-demand"


@dataclass(frozen=True)
class OneBundle:
    """A registry that has one version, and no alias."""

    folder: Path

    def champion(self) -> ModelVersion:
        raise NoChampion(MODEL, "champion")

    def version(self, number: str) -> ModelVersion:
        return ModelVersion(MODEL, number, f"run-{number}", f"runs:/run-{number}/bundle", 0)

    def metrics(self, version: ModelVersion) -> Mapping[str, float]:
        return {}

    def download(self, version: ModelVersion, file: str, target: Path, most: int) -> None:
        if not (self.folder / file).exists():
            raise FileNotInRegistry(file, version.version)
        shutil.copyfile(self.folder / file, target)


@dataclass(frozen=True)
class Stop:
    """The step at which it stops."""

    at: str

    def reached(self, step: str) -> None:
        if step == self.at:
            sys.stdout.write(f"{step}\n")
            sys.stdout.flush()
            threading.Event().wait()


class StoppingPeers(Peers):
    def __init__(self, run_dir: Path, stop: Stop) -> None:
        super().__init__(run_dir)
        self._stop = stop

    async def ask(self, call: Call, seconds: float) -> dict[int, Reply | WorkerSilent]:
        if call.what == "stage":
            self._stop.reached("nobody has staged")
        if call.what == "converge":
            self._stop.reached("it is written")
            await self._ask(self.pids()[0], call, seconds)
            self._stop.reached("one is told")
        return await super().ask(call, seconds)


class StoppingState(StateFile):
    def __init__(self, path: Path, stop: Stop) -> None:
        super().__init__(path)
        self._stop = stop

    def write(self, state: State) -> None:
        self._stop.reached("all have staged")
        super().write(state)


def main() -> None:
    run_dir, store, bundle = map(Path, sys.argv[1:4])
    version, step = sys.argv[4:]
    stop = Stop(step)
    peers, state = StoppingPeers(run_dir, stop), StoppingState(store / STATE, stop)
    replica = replace(Replica.of(run_dir, store), peers=peers, state=state)
    models = ModelStore(store, MODEL, 3, try_here, most_bytes=1 << 20)
    coordinator = Coordinator(OneBundle(bundle), models, replica, Metrics(), seconds=30)
    asyncio.run(coordinator.serve_version(version))


if __name__ == "__main__":
    main()
