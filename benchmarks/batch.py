"""Ten thousand rows at once."""

import time
from dataclasses import dataclass
from statistics import median

from benchmarks.exchange import Client, Exchange, NotOffered

FEWEST_EXCHANGES = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """One encoding in one round."""

    rate: float | None
    """Rows a second; None if the server doesn't take this encoding."""


def measure(client: Client, exchange: Exchange, seconds: float) -> Outcome:
    """Sends the rows over and over on one connection, one after the other; the rate is by the median exchange.

    Raises:
        Failed: the predictions aren't those expected, or an answer wasn't a good one.
    """
    try:
        answer, headers, _ = client.send(exchange)
    except NotOffered:
        return Outcome(None)
    exchange.check(answer, headers)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < FEWEST_EXCHANGES:
        taken.append(client.send(exchange)[2])
    return Outcome(len(exchange.expected) / median(taken))


def of_rounds(outcomes: list[Outcome]) -> float | None:
    """The median rate."""
    rates = [outcome.rate for outcome in outcomes if outcome.rate is not None]
    return median(rates) if rates else None
