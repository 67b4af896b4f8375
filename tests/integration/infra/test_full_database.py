"""A database whose disk is full: what was predicted waits, and arrives once there is room."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg2
import pytest
from embedded import postgres
from serving.recorder import lines
from serving.recorder.lines import ONE
from serving.recorder.shipper import Shipper
from serving.recorder.spool import PREDICTIONS, SegmentWriter, Spool
from serving.recorder.warehouse import Away, Warehouse
from small_disks import fill, small_disk

pytestmark = pytest.mark.thorough

DISK_BYTES = 200 * 1024 * 1024
ROWS = 500
SMALL_WAL = {"max_wal_size": "32MB", "min_wal_size": "32MB"}


@pytest.fixture
def disk() -> Iterator[Path]:
    # where the server's own user gets to, whoever runs the tests
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with small_disk(Path(folder) / "disk", DISK_BYTES) as found:
            found.chmod(0o755)
            yield found


def said(first: int) -> bytes:
    """Lines of so many answers, with much text in each."""
    model = {"name": "m", "version": "1"}
    answers = [
        {"prediction_id": f"{number:032x}", "prediction": 4.5, "interval": None, "model": model}
        for number in range(first, first + ROWS)
    ]
    request = json.dumps({"text": f"{first:x}" * 200}).encode()
    return lines.answers(ONE, [(time.time_ns(), 0.1, request, json.dumps(answer).encode()) for answer in answers])


def test_what_a_full_disk_does_not_take_waits_and_arrives_once(
    disk: Path, tmp_path: Path, migrate: Callable[..., None]
) -> None:
    server = postgres.start(disk, settings=SMALL_WAL)
    try:
        migrate(server.url("warehouse"), "upgrade", "head")
        spool = Spool(tmp_path, "run")
        writer = SegmentWriter(spool, PREDICTIONS)
        warehouse = Warehouse(server.url("serving", "warehouse"))
        shipper = Shipper(spool, warehouse)
        filler = fill(disk)
        begun = 0
        while begun < 400 * ROWS and not _is_refused(shipper):
            writer.write(said(begun))
            begun += ROWS
        assert _is_refused(shipper), "the disk had room for all"
        warehouse.close()
        filler.unlink()
        # it may have ended by itself: what runs it starts it again
        server.stop()
        server = postgres.start(disk, port=server.port, settings=SMALL_WAL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and spool.total_bytes() and _sends(shipper):
            pass
        with closing(psycopg2.connect(server.url("warehouse"))) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*), count(DISTINCT id) FROM predictions")
            assert cursor.fetchone() == (begun, begun)
        assert shipper.counts.refused == 0
        warehouse.close()
    finally:
        with suppress(Exception):
            server.stop()


def _is_refused(shipper: Shipper) -> bool:
    try:
        shipper.ship()
    except Away:
        return True
    return False


def _sends(shipper: Shipper) -> bool:
    with suppress(Away):
        return shipper.ship()
    return True
