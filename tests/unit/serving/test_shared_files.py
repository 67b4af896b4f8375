"""Counters in a folder that is full: an error that says so, and no process dies of a page that isn't there."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving.observe.shared_files import FILE_BYTES, AllocatedDict
from small_disks import small_disk

COUNT = """
import errno, os, sys
from pathlib import Path
folder = Path(sys.argv[1])
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
from prometheus_client import CollectorRegistry, Counter, Gauge
from serving.observe import metrics
own = CollectorRegistry()
counter = Counter("asked", "", ["route"], registry=own)
counter.labels("/first").inc()
with (folder / "other").open("wb", buffering=0) as other:
    try:
        while True:
            other.write(bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC
for number in range(200):
    counter.labels(f"/{number}").inc()
print("counted", flush=True)
try:
    Gauge("held", "", registry=own, multiprocess_mode="livesum").set(1)
except OSError as error:
    assert error.errno == errno.ENOSPC
    print("said so", flush=True)
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder with room for two files of counters."""
    with small_disk(tmp_path / "small", FILE_BYTES * 2) as folder:
        yield folder


def test_a_folder_that_fills_up_stops_no_counter_and_is_told_of_where_a_new_file_is_wanted(small: Path) -> None:
    done = subprocess.run([sys.executable, "-c", COUNT, small], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split("\n")[:2]) == (0, ["counted", "said so"]), done.stderr


def test_a_file_has_its_space_and_grows_with_it(tmp_path: Path) -> None:
    file = tmp_path / "counter_1.db"
    counters = AllocatedDict(str(file))
    assert file.stat().st_blocks * 512 >= FILE_BYTES
    keys = [f"{number:0200d}" for number in range(2 * FILE_BYTES // 200)]
    for number, key in enumerate(keys):
        counters.write_value(key, number, 0)  # type: ignore[no-untyped-call]
    assert file.stat().st_blocks * 512 >= file.stat().st_size > FILE_BYTES
    counters.close()  # type: ignore[no-untyped-call]
    again = AllocatedDict(str(file))
    assert {key: value for key, value, _ in again.read_all_values()} == {key: n for n, key in enumerate(keys)}  # type: ignore[no-untyped-call]
    again.close()  # type: ignore[no-untyped-call]
