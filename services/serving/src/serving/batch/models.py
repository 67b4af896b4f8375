"""The models of a batch process."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from serving.predictions import Served
from serving.store import ModelStore

KEPT = 2
"""The version that is served, and the one before for requests that had begun with it."""

FindModel = Callable[[str], Served]
"""By the key in the store. Raises DamagedBundle."""


class Models:
    """Loads a version when the first request for it comes."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._loaded: dict[str, Served] = {}

    def find(self, key: str) -> Served:
        """Raises DamagedBundle."""
        with self._lock:
            served = self._loaded.pop(key, None) or self._load(key)
            self._loaded[key] = served
            while len(self._loaded) > KEPT:
                del self._loaded[next(iter(self._loaded))]
            return served

    def _load(self, key: str) -> Served:
        model, record = self._store.load(key)
        return Served(model, record, key, generation=0, loaded_at=datetime.now(UTC))
