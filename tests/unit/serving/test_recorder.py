"""When the recorder sends on, when it gives way, and when it doesn't."""

import threading
from collections.abc import Callable
from pathlib import Path

import linering
import pytest
from programs import until
from serving.observe.metrics import RecorderMetrics
from serving.recorder import lines
from serving.recorder.collector import COLLECT_SECONDS, Collector
from serving.recorder.lines import ONE
from serving.recorder.process import (
    FIRST_RETRY_SECONDS,
    IDLE_SECONDS,
    LONGEST_RETRY_SECONDS,
    YIELDING_SECONDS,
    Recorder,
)
from serving.recorder.processor import Processor
from serving.recorder.shipper import Shipper
from serving.recorder.spool import PREDICTIONS, SegmentWriter, Spool
from serving.recorder.status import StatusFile
from serving.recorder.warehouse import Away


class Keeper:
    """A warehouse that may be away."""

    def __init__(self) -> None:
        self.away = False
        self.rows = 0

    def take(self, kind: str, lines: bytes) -> int:
        if self.away:
            raise Away("no connection")
        self.rows += lines.count(b"\n")
        return lines.count(b"\n")


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def schedule(tmp_path: Path) -> Callable[[int, int], None]:
    """``schedule(ran, waited)``: what the system says."""

    def write(ran: int, waited: int) -> None:
        (tmp_path / "schedstat").write_text(f"{ran} {waited} 7\n")

    return write


@pytest.fixture
def recorder(tmp_path: Path, keeper: Keeper, schedule: Callable[[int, int], None]) -> Recorder:
    schedule(0, 0)
    folder = tmp_path / "spool"
    folder.mkdir()
    spool = Spool(folder, "run")
    status = StatusFile(tmp_path / "status.json")
    processor = Processor(tmp_path / "schedstat")
    return Recorder(
        Collector([], spool), Shipper(spool, keeper), status, RecorderMetrics(), threading.Event(), 1_000, processor
    )


def say(recorder: Recorder, rows: int = 1) -> None:
    SegmentWriter(recorder.shipper.spool, PREDICTIONS, 10_000).write(
        lines.answers(ONE, [(0, 0.0, b"{}", b"{}")] * rows)
    )


def test_it_goes_on_at_once_while_there_is_more_and_then_waits(recorder: Recorder) -> None:
    say(recorder)
    recorder.step()
    assert recorder.pause == 0
    recorder.step()
    assert recorder.pause == IDLE_SECONDS


def test_what_is_said_is_on_its_way_within_a_third_of_a_second(recorder: Recorder, keeper: Keeper) -> None:
    pauses, arrived = [], []

    class Ticks(threading.Event):
        """Time that passes at once; in the second pause something gets into the spool, and the fourth is the last."""

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            pauses.append(timeout)
            arrived.append(keeper.rows)
            if len(pauses) == 2:
                say(recorder)
            return len(pauses) == 4

    recorder.ending = Ticks()
    recorder.run(lambda: False)
    assert arrived == [0, 0, 1, 1]
    assert COLLECT_SECONDS + max(pauses) < 1 / 3


def test_a_warehouse_that_does_not_answer_keeps_nothing_from_the_spool(recorder: Recorder) -> None:
    asked, answer = threading.Event(), threading.Event()

    class Silent(Keeper):
        def take(self, kind: str, lines: bytes) -> int:
            asked.set()
            assert answer.wait(30)
            return super().take(kind, lines)

    ring = linering.new(ONE, 10_000)
    assert ring is not None
    spool, silent = recorder.shipper.spool, Silent()
    recorder.collector, recorder.shipper = Collector([ring], spool), Shipper(spool, silent)
    running = threading.Thread(target=recorder.run, args=(lambda: False,), daemon=True)
    running.start()
    ring.add(0, b"first", b"{}")
    assert asked.wait(10)
    ring.add(0, b"second", b"{}")
    until(lambda: any(b"second" in path.read_bytes() for path in spool.folder.iterdir()), 10, "it is in the spool")
    answer.set()
    recorder.ending.set()
    running.join()
    assert silent.rows == 2


def test_it_gives_way_while_it_waits_for_the_processor(
    recorder: Recorder, schedule: Callable[[int, int], None]
) -> None:
    say(recorder)
    schedule(10, 11)
    recorder.step()
    assert recorder.pause == YIELDING_SECONDS
    say(recorder)
    schedule(20, 12)
    recorder.step()
    assert recorder.pause == 0


def test_it_stops_giving_way_when_the_spool_fills_up(recorder: Recorder, schedule: Callable[[int, int], None]) -> None:
    say(recorder, rows=201)
    schedule(10, 11)
    recorder.step()
    assert recorder.pause == 0


def test_it_ends_once_it_is_told_to_or_is_alone(recorder: Recorder, keeper: Keeper) -> None:
    say(recorder)
    recorder.run(lambda: True)
    assert keeper.rows == 1
    recorder.ending.set()
    recorder.run(lambda: False)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_it_ends_if_the_collector_fails(recorder: Recorder) -> None:
    class Broken(Collector):
        def collect(self) -> None:
            raise ValueError("the ring's memory is damaged")

    recorder.collector = Broken([], recorder.shipper.spool)
    recorder.run(lambda: False)


def test_where_the_system_does_not_tell_it_goes_on(tmp_path: Path) -> None:
    assert not Processor(tmp_path / "absent").is_short()


def test_it_tries_a_warehouse_that_is_away_again_and_again_and_says_so(recorder: Recorder, keeper: Keeper) -> None:
    say(recorder)
    keeper.away = True
    pauses = []
    for _ in range(6):
        recorder.step()
        pauses.append(recorder.pause)
    assert pauses[:3] == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]
    assert pauses[-1] == LONGEST_RETRY_SECONDS
    assert recorder.status.read().problem == "the warehouse: no connection"
    keeper.away = False
    recorder.step()
    assert (recorder.pause, recorder.status.read().problem) == (0, None)


def test_it_tells_of_the_collector_s_trouble_as_well(recorder: Recorder, keeper: Keeper) -> None:
    recorder.collector.problem = "the spool: full"
    recorder.step()
    assert recorder.status.read().problem == "the spool: full"
    say(recorder)
    keeper.away = True
    recorder.step()
    assert recorder.status.read().problem == "the warehouse: no connection; the spool: full"


def test_a_file_that_cannot_be_read_is_told_and_looked_at_again(recorder: Recorder, keeper: Keeper) -> None:
    unreadable = recorder.shipper.spool.folder / "other-1.000001.predictions"
    unreadable.mkdir()
    say(recorder)
    recorder.step()
    assert recorder.pause == LONGEST_RETRY_SECONDS
    assert recorder.status.read().problem == f"the spool: [Errno 21] Is a directory: '{unreadable}'"
    unreadable.rmdir()
    recorder.step()
    assert (keeper.rows, recorder.pause, recorder.status.read().problem) == (1, 0, None)
