"""The swap over real sockets: all workers take the model, or none does."""

import asyncio
import sys
import threading
from asyncio.subprocess import PIPE
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import killable_leader
import pytest
from programs import until
from serving.chores import Chores
from serving.errors import DamagedBundle, NoChampion, RegistryUnreachable, SwapFailed, SwapInProgress, VersionNotFound
from serving.files import lock
from serving.follower import Follower
from serving.life import living
from serving.listener import listening
from serving.slot import Slot
from serving.sockets import address
from serving.state import State
from serving.wire import Status


def ears(run_dir: Path, slot: Slot, follower: Follower) -> AbstractAsyncContextManager[None]:
    """A worker's life, without a supervisor."""
    return living(run_dir, slot, follower, Chores(), lambda: None, parent=None)


async def test_all_workers_take_the_version(workers: Any) -> None:
    swapped = await workers.coordinator.serve_version("1")
    assert workers.versions == ["1", "1", "1"]
    assert workers.generations == [1, 1, 1]
    assert (swapped.before.version, swapped.after.version, swapped.after.generation) == (None, "1", 1)
    assert sorted(status.pid for status in swapped.workers) == sorted(slot.pid for slot in workers.slots)


async def test_the_version_that_is_served_already_is_no_new_generation(workers: Any) -> None:
    await workers.coordinator.serve_version("1")
    loaded = workers.slots[0].served.loaded_at
    swapped = await workers.coordinator.serve_version("1")
    assert (swapped.before.generation, swapped.after.generation) == (1, 1)
    assert workers.slots[0].served.loaded_at == loaded


async def test_a_refused_candidate_leaves_everything_as_it_was(workers: Any, registry: Any, damaged: Path) -> None:
    await workers.coordinator.serve_version("1")
    state = workers.replica.state.read()
    registry.folders["4"] = damaged
    with pytest.raises(DamagedBundle, match=r"model\.ubj: sha256"):
        await workers.coordinator.serve_version("4")
    with pytest.raises(VersionNotFound):
        await workers.coordinator.serve_version("9")
    with pytest.raises(NoChampion):
        await workers.coordinator.serve_champion()
    registry.reachable = False
    with pytest.raises(RegistryUnreachable):
        await workers.coordinator.serve_version("2")
    assert workers.replica.state.read() == state
    assert workers.versions == ["1", "1", "1"]


async def test_a_worker_that_cannot_stage_keeps_all_at_the_old_version(
    workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workers.coordinator.serve_version("1")

    async def fail(_: str) -> Status:
        raise DamagedBundle("this processor adds differently")

    monkeypatch.setattr(workers.slots[1], "stage", fail)
    with pytest.raises(SwapFailed, match=f"worker {workers.slots[1].pid}: this processor adds differently"):
        await workers.coordinator.serve_version("2")
    assert workers.versions == ["1", "1", "1"]
    assert workers.generations == [1, 1, 1]
    assert workers.replica.state.read().version == "1"


async def test_a_worker_that_stages_but_cannot_swap_brings_all_back(
    workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workers.coordinator.serve_version("1")
    stuck: Slot = workers.slots[1]
    converge = stuck.converge

    async def never_forward() -> Status:
        return stuck.status() if workers.replica.state.read().version == "2" else await converge()

    monkeypatch.setattr(stuck, "converge", never_forward)
    workers.hurry()
    with pytest.raises(SwapFailed):
        await workers.coordinator.serve_version("2")
    assert workers.versions == ["1", "1", "1"]
    assert workers.generations == [3, 3, 3]


async def test_a_first_model_that_one_worker_cannot_take_is_taken_back_from_all(
    workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck: Slot = workers.slots[2]

    async def never() -> Status:
        return stuck.status()

    monkeypatch.setattr(stuck, "converge", never)
    workers.hurry()
    with pytest.raises(SwapFailed):
        await workers.coordinator.serve_version("1")
    assert workers.versions == [None, None, None]


async def test_a_worker_that_never_answers_is_named(workers: Any, run_dir: Path) -> None:
    let_go = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side gives up
        writer.close()
        let_go.set()

    silent = workers.slots[2].pid
    (run_dir / f"{silent}.sock").unlink()
    server = await asyncio.start_unix_server(hold, address(run_dir / f"{silent}.sock"))
    workers.hurry()
    with pytest.raises(SwapFailed, match=f"worker {silent} doesn't answer"):
        await workers.coordinator.serve_version("1")
    assert workers.versions == [None, None, None]
    await let_go.wait()
    server.close()


async def test_sockets_of_dead_workers_are_removed(workers: Any, run_dir: Path) -> None:
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    left = run_dir / f"{ended.pid}.sock"
    left.touch()
    swapped = await workers.coordinator.serve_version("1")
    assert len(swapped.workers) == 3
    assert not left.exists()


async def test_a_worker_that_starts_later_takes_what_the_state_says(workers: Any) -> None:
    await workers.coordinator.serve_version("2")
    late = Slot(77, workers.store, workers.replica.state, lambda _: None)
    assert (await late.converge()).version == "2"


async def test_a_worker_whose_socket_opens_during_the_swap_is_swapped_too(
    workers: Any, run_dir: Path, pids: list[int]
) -> None:
    await workers.coordinator.serve_version("1")
    late = Slot(pids[3], workers.store, workers.replica.state, lambda _: None)
    async with listening(run_dir, late):
        swapped = await workers.coordinator.serve_version("2")
        assert len(swapped.workers) == 4
        assert late.status().version == "2"


async def test_a_lost_state_file_neither_drops_the_model_nor_blocks_the_next_swap(workers: Any, tmp_path: Path) -> None:
    await workers.coordinator.serve_version("1")
    await workers.coordinator.serve_version("2")
    (tmp_path / "store" / "state.json").unlink()
    assert [(await slot.converge()).version for slot in workers.slots] == ["2", "2", "2"]
    await workers.coordinator.serve_version("3")
    assert workers.versions == ["3", "3", "3"]
    assert workers.generations == [3, 3, 3]


async def test_one_swap_at_a_time(workers: Any) -> None:
    with lock(workers.replica.swap_lock) as free:
        assert free
        workers.hurry()
        with pytest.raises(SwapInProgress):
            await workers.coordinator.serve_version("1")


async def test_swaps_asked_for_at_once_come_one_after_the_other(workers: Any) -> None:
    answers = await asyncio.gather(*[workers.coordinator.serve_version(str(1 + n % 3)) for n in range(6)])
    assert [answer.after.generation for answer in sorted(answers, key=lambda a: a.after.generation)] == [*range(1, 7)]
    assert len(set(workers.versions)) == 1


async def test_a_bundle_damaged_on_the_disk_is_fetched_again(workers: Any, tmp_path: Path) -> None:
    swapped = await workers.coordinator.serve_version("1")
    (tmp_path / "store" / swapped.after.entry / "bundle" / "model.ubj").write_bytes(b"rust")
    late = Slot(77, workers.store, workers.replica.state, lambda _: None)
    with pytest.raises(DamagedBundle):
        await late.converge()
    await workers.coordinator.repair()
    assert (await late.converge()).version == "1"


@pytest.mark.parametrize(
    ("step", "version"),
    [("nobody has staged", "1"), ("all have staged", "1"), ("it is written", "2"), ("one is told", "2")],
)
async def test_a_leader_that_dies_within_a_swap_leaves_all_at_one_version(
    workers: Any, run_dir: Path, tmp_path: Path, bundles: dict[str, Path], step: str, version: str
) -> None:
    await workers.coordinator.serve_version("1")
    arguments = (run_dir, tmp_path / "store", bundles["2"], "2", step)
    leader = await asyncio.create_subprocess_exec(sys.executable, killable_leader.__file__, *arguments, stdout=PIPE)
    assert leader.stdout is not None
    assert (await leader.stdout.readline()).decode().strip() == step
    assert workers.versions.count("2") == (step == "one is told")
    leader.kill()
    await leader.wait()

    async with AsyncExitStack() as lives:
        for slot in workers.slots:
            await lives.enter_async_context(ears(run_dir, slot, workers.follower))
        assert workers.versions == [version] * 3
        assert len(set(workers.generations)) == 1
        await workers.coordinator.serve_version("3")
        assert workers.versions == ["3", "3", "3"]


async def test_workers_compare_themselves_with_the_state_again_and_again(
    workers: Any, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.life.CONVERGE_SECONDS", 0.01)
    await workers.coordinator.serve_version("1")
    await workers.coordinator.serve_version("2")
    state = workers.replica.state.read()
    async with AsyncExitStack() as lives:
        for slot in workers.slots:
            await lives.enter_async_context(ears(run_dir, slot, workers.follower))
        # as a leader that died before it told anyone
        workers.replica.state.write(state.next(state.generation + 1, state.previous, "1", state.followed))
        await asyncio.to_thread(until, lambda: workers.versions == ["1", "1", "1"], 10, "all follow")


async def test_no_request_waits_for_the_disk_that_keeps_the_state(
    workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests_went_on = threading.Event()
    write = workers.replica.state.write

    def slowly(state: State) -> None:
        assert requests_went_on.wait(30)
        write(state)

    monkeypatch.setattr(workers.replica.state, "write", slowly)
    swap = asyncio.create_task(workers.coordinator.serve_version("1"))
    # runs only if the event loop is free
    asyncio.get_running_loop().call_later(0.05, requests_went_on.set)
    await swap
    assert workers.versions == ["1", "1", "1"]


async def test_a_swap_that_is_cancelled_while_the_state_is_written_lets_no_other_in_before(
    workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    write = workers.replica.state.write

    def slowly(state: State) -> None:
        begun.set()
        assert go_on.wait(30)
        write(state)

    monkeypatch.setattr(workers.replica.state, "write", slowly)
    swap = asyncio.create_task(workers.coordinator.serve_version("1"))
    await asyncio.to_thread(begun.wait, 30)
    swap.cancel()
    await asyncio.sleep(0)
    with lock(workers.replica.swap_lock) as free:
        assert not free
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await swap
    assert workers.replica.state.read().version == "1"
    with lock(workers.replica.swap_lock) as free:
        assert free


async def test_outcomes_are_counted(workers: Any) -> None:
    for number in ("1", "1", "9"):
        try:
            await workers.coordinator.serve_version(number)
        except VersionNotFound:
            continue
    text = workers.metrics.text().decode()
    for outcome in ("done", "unchanged", "refused"):
        assert f'serving_swaps_total{{outcome="{outcome}"}} 1.0' in text


def test_a_state_that_cannot_be_read_is_the_initial_one(workers: Any, tmp_path: Path) -> None:
    (tmp_path / "store" / "state.json").write_text('{"generation": ')
    assert workers.replica.state.read() == State()
