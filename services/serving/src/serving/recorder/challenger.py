"""Keeps the version with the alias ``challenger`` loaded, beside what the service answers with."""

import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from serving.errors import NoChampion, Refused, RegistryUnreachable, StoreFailed
from serving.predictions import Served
from serving.registry import ModelVersion, Registry
from serving.store import ModelStore

log = logging.getLogger(__name__)

RETRY_LOOKS = 30
"""Looks after which a version that was refused is tried again."""


@dataclass
class Challenger:
    """Follows the alias; what it finds may be read by another thread at any time."""

    registry: Registry
    """Whose champion is the challenger."""
    store: ModelStore
    """Of its own: the service's is for the workers."""
    served: Served | None = None
    """None while there is no challenger, or none that can be loaded."""
    _key: str | None = field(default=None, init=False)
    _refused: int = field(default=0, init=False)

    def follow(self, seconds: float, ending: threading.Event) -> None:
        """Looks every so many seconds, until the end."""
        while not ending.wait(seconds):
            self.look()

    def look(self) -> None:
        """Looks once; what was loaded stays while the registry is away."""
        try:
            version = self.registry.champion()
        except NoChampion:
            self._key, self.served = None, None
            return
        except RegistryUnreachable:
            return
        if version.key == self._key and (self.served is not None or self._refused % RETRY_LOOKS):
            self._refused += 1
            return
        self._load(version)

    def _load(self, version: ModelVersion) -> None:
        try:
            key = self.store.fetch(self.registry, version)
            model, record = self.store.load(key)
            self.store.prune(key)
        except RegistryUnreachable:
            return
        except (Refused, StoreFailed) as error:
            if version.key != self._key:
                log.warning("the challenger %s can't be loaded: %s", version.version, error)
            self._key, self.served, self._refused = version.key, None, 1
            return
        self._key = version.key
        self.served = Served(model, record, key, generation=0, loaded_at=datetime.now(UTC))
        log.info("challenger", extra={"version": version.version})
