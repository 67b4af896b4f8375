"""What replicas have counted, from one monitoring to the next."""

from prometheus_client import CollectorRegistry, Counter, generate_latest
from trainer.monitoring.traffic import Series, Traffic, read_counters, since


def scraped(requests: dict[tuple[str, str], int], refused: dict[str, int], rows: int) -> str:
    """What a replica's ``/metrics`` says, by the library that it uses itself."""
    registry = CollectorRegistry()
    answers = Counter("serving_requests", "Requests", ["route", "status"], registry=registry)
    reasons = Counter("serving_refused", "Refused", ["reason"], registry=registry)
    for (route, status), count in requests.items():
        answers.labels(route, status).inc(count)
    for reason, count in refused.items():
        reasons.labels(reason).inc(count)
    Counter("serving_rows", "Rows", ["route"], registry=registry).labels("/predict").inc(rows)
    Counter("serving_swaps", "Swaps", ["outcome"], registry=registry).labels("done").inc(7)
    return generate_latest(registry).decode()


FIRST = {("/predict", "200"): 90, ("/predict", "422"): 10, ("/predict/batch", "503"): 2, ("/metrics", "200"): 500}


def test_the_counters_of_all_replicas_add_up() -> None:
    counted: dict[Series, float] = {}
    for replica in ("10.0.0.1", "10.0.0.2"):
        counted |= read_counters(replica, scraped(FIRST, {"invalid-input": 10}, 90))

    assert Traffic.of(counted) == Traffic(requests=204, refused=20, failed=4, rows=180, reasons={"invalid-input": 20})


def test_only_what_came_since_the_last_time_counts() -> None:
    before = read_counters("a", scraped(FIRST, {"invalid-input": 10}, 90))
    now = read_counters("a", scraped({**FIRST, ("/predict", "200"): 95}, {"invalid-input": 10}, 95))

    assert Traffic.of(since(before, now)) == Traffic(requests=5, refused=0, failed=0, rows=5, reasons={})


def test_a_replica_that_began_anew_and_a_new_one_count_from_zero() -> None:
    before = read_counters("a", scraped(FIRST, {}, 90))
    now = read_counters("a", scraped({("/predict", "200"): 3}, {}, 3))
    now |= read_counters("b", scraped({("/predict", "200"): 4}, {}, 4))

    assert Traffic.of(since(before, now)).requests == 7


def test_a_replica_that_has_gone_takes_nothing_away() -> None:
    before = {Series("a", "serving_requests", "/predict", "200"): 50.0}

    assert since(before, {}) == {}
    share = {m.name: m.value for m in Traffic.of({}).measurements() if m.measure == "share"}
    assert share == {"refused": None}
