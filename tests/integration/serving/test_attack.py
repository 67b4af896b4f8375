"""What a hostile client does to a service that has the 1 GiB of its container: nothing."""

from collections.abc import Callable
from typing import Any

import attack
import pytest
from attack import Service
from programs import EXAMPLE

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(200)]

MODEL = "funicular-demand"
AWAY = "postgresql://nobody@127.0.0.1:9/warehouse"
"""A warehouse that isn't there: what is predicted and told waits in the spool."""

MOST = 600 << 20
"""Bytes that are resident at most, of any process. Beside the one that does batches the worker has 300 MB, and the
others little."""

ANOTHER_HOST = "another host in the target"
"""There is one service behind all names: it answers as under its own."""


@pytest.fixture(scope="module")
def replica(start_serving: Callable[..., Any]) -> Any:
    return start_serving(MODEL, SERVING_WAREHOUSE_URL=AWAY)


@pytest.fixture(scope="module")
def service(replica: Any) -> Service:
    return Service(replica.address, MODEL, EXAMPLE)


@pytest.mark.parametrize("kind", attack.heads())
def test_nothing_is_read_as_a_request_that_another_program_reads_as_a_body(kind: str, service: Service) -> None:
    (status,) = attack.misread(service, kind)

    assert status == 404 if kind == ANOTHER_HOST else status in (400, 403, 405, 431)


@pytest.mark.parametrize(
    ("kind", "route"),
    [
        ("a field again and again", "/predict"),
        ("empty rows of a batch", "/predict"),
        ("unknown keys", "/predict/batch"),
        ("rows again and again", "/predict/batch"),
        ("unknown keys", "/feedback"),
        ("outcomes of nothing", "/feedback"),
        ("records", "/invocations"),
        ("rows without columns", "/invocations"),
        ("lines of CSV", "/invocations"),
        ("tensors", "/v2/models/{model}/infer"),
        ("one tensor of lists", "/v2/models/{model}/infer"),
    ],
)
def test_the_costliest_bodies_kill_nobody_and_keep_nobody_waiting(
    kind: str, route: str, replica: Any, service: Service
) -> None:
    before = {process.pid for process in replica.processes()}
    replica.peaks(reset=True)

    statuses, others = attack.flood(service, kind, route)

    assert statuses <= {400, 413, 422}
    assert others.refused == 0
    assert others.longest < 10, "seconds; on a quiet machine a tenth of one"
    peaks = replica.peaks()
    assert peaks.keys() == before, "none has died"
    assert max(peaks.values()) < MOST
