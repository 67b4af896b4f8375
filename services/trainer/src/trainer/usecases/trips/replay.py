"""Trips as events: asked for when they began, known when they ended."""

import json
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa

from trainer.replay.player import Event
from trainer.usecases.trips.fields import FIELDS, OUTPUT

ROWS_AT_ONCE = 10_000


def sample(trips: pa.Table, share: float, seed: int) -> pa.Table:
    """A share of the clean trips, in their order."""
    if share >= 1:
        return trips
    chosen = np.random.default_rng(seed).random(trips.num_rows) < share
    return trips.filter(pa.array(chosen))


def events(trips: pa.Table) -> Iterator[Event]:
    """Clean trips in the order of their pick-ups, see ``clean``."""
    names = [field.name for field in FIELDS]
    for batch in trips.to_batches(ROWS_AT_ONCE):
        for trip in batch.to_pylist():
            fields = {name: trip[name] for name in names if trip[name] is not None}
            began, minutes = trip["pickup_at"], float(trip[OUTPUT.name])
            fields["pickup_at"] = began.isoformat()
            yield Event(began, json.dumps(fields).encode(), began + timedelta(minutes=minutes), minutes)
