"""The registry as the service sees it."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class ModelVersion:
    """A registered version, with what tells it from the version of the same number in another registry.

    Raises:
        ValueError: the number is none. It becomes part of a path.
    """

    name: str
    version: str
    run_id: str
    source: str
    created: int
    """Milliseconds since 1970 UTC."""

    def __post_init__(self) -> None:
        if not _NUMBER.fullmatch(self.version):
            raise ValueError(f"{self.version[:100]!r} is no version's number")

    @cached_property
    def key(self) -> str:
        """Names the version for good: its number and a digest of its origin. Fit for a folder's name."""
        origin = json.dumps(asdict(self), sort_keys=True).encode()
        return f"{self.version}-{hashlib.sha256(origin).hexdigest()[:16]}"


class Registry(Protocol):
    """One registered model and its alias, in blocking calls. All raise RegistryUnreachable."""

    def champion(self) -> ModelVersion:
        """Where the alias points. Raises NoChampion."""

    def version(self, number: str) -> ModelVersion:
        """Raises VersionNotFound."""

    def metrics(self, version: ModelVersion) -> Mapping[str, float]:
        """Final metrics of the run that made the version; empty if the run is gone."""

    def download(self, version: ModelVersion, file: str, target: Path, most: int) -> None:
        """Writes one file of the version to a new file.

        Raises:
            FileNotInRegistry, UnreadableLocation: there is none, or it lies elsewhere.
            TooLarge: it has more than ``most`` bytes.
        """
