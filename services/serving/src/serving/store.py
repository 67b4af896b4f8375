"""The local model store: bundles that have been shown to work on this machine, by the key of their version.

An entry is a folder ``<key>`` with the bundle in ``bundle/`` and what the registry says of it in ``registry.json``.
It is made aside and renamed when it is whole and checked, so an interrupted download is never taken for an entry.
"""

import logging
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from contract import Contract, ContractError, booster, bundle
from pydantic import BaseModel, ConfigDict, ValidationError

from serving.errors import DamagedBundle, FileNotInRegistry, NoContract, StoreFailed, WrongModel
from serving.files import make_folder, sync, write_durably
from serving.registry import ModelVersion, Registry
from serving.trial import Trial

log = logging.getLogger(__name__)

BUNDLE = "bundle"
RECORD = "registry.json"
PART = ".part-"
TRYING = "trying.json"
MOST_INTERRUPTED = 2
MOST_DOCUMENT = 16 << 20
"""Bytes of contract.json. Of the other files together: the setting."""


class Record(BaseModel):
    """registry.json: what the registry says of an entry, kept for when it can't be asked."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    run_id: str
    metrics: Mapping[str, float]
    """Of the run that made the version."""


class Trying(BaseModel):
    """trying.json: the version that is on trial, or whose trial the service didn't survive."""

    model_config = ConfigDict(frozen=True)

    key: str
    begun: int
    """How often."""


class ModelStore:
    """Not for two writers at once: the replica's swap lock sees to that. Reading needs no lock.

    Args:
        folder: made when the first version is fetched.
        model_name: whose versions these are.
        keep: entries that stay.
        trial: shows that a version can be loaded, before anything else loads it.
        most_bytes: of a version; a larger one is refused.
    """

    def __init__(self, folder: Path, model_name: str, keep: int, trial: Trial, most_bytes: int) -> None:
        self._folder = folder
        self._model_name = model_name
        self._keep = keep
        self._trial = trial
        self._most_bytes = most_bytes

    def load(self, key: str) -> tuple[booster.LoadedModel, Record]:
        """An entry, checked once more. Raises DamagedBundle."""
        try:
            record = Record.model_validate_json((self._folder / key / RECORD).read_bytes())
            return booster.load(self._folder / key / BUNDLE), record
        except (ContractError, ValidationError, OSError) as error:
            raise DamagedBundle(f"the stored model {key} is damaged: {error}") from error

    def digest(self, key: str) -> str:
        """Of an entry's contract, which has the hashes of all its files. Raises DamagedBundle."""
        try:
            return Contract.from_json((self._folder / key / BUNDLE / bundle.CONTRACT).read_bytes()).digest
        except (ContractError, OSError) as error:
            raise DamagedBundle(f"the stored model {key} is damaged: {error}") from error

    def fetch(self, registry: Registry, version: ModelVersion) -> str:
        """Has the version in the store, from the registry if need be, and returns its key.

        Raises:
            NoContract, WrongModel, DamagedBundle, TooLarge, FileNotInRegistry, UnreadableLocation: the version can't be
                served.
            RegistryUnreachable, StoreFailed: it can't be had now.
        """
        record = Record(
            name=version.name, version=version.version, run_id=version.run_id, metrics=registry.metrics(version)
        )
        try:
            make_folder(self._folder)
            self._clear_parts()
            if self._is_whole(version.key):
                write_durably(self._folder / version.key / RECORD, _as_json(record))
            else:
                self._add(registry, version, record)
        except OSError as error:
            raise StoreFailed(f"the model store {self._folder}: {error}") from error
        return version.key

    def prune(self, *needed: str | None) -> None:
        """Removes all but the needed entries and the newest others."""
        try:
            self._remove_spare({key for key in needed if key})
        except OSError as error:
            log.warning("old models stay in the store: %s", error)

    def _remove_spare(self, needed: Collection[str]) -> None:
        entries = [path for path in self._folder.iterdir() if (path / BUNDLE).is_dir() and path.name not in needed]
        entries.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
        spare = max(0, self._keep - len(needed))
        for path in entries[spare:]:
            self._remove(path)

    def _add(self, registry: Registry, version: ModelVersion, record: Record) -> None:
        part = Path(tempfile.mkdtemp(dir=self._folder, prefix=PART))
        try:
            self._download(registry, version, part / BUNDLE)
            self._try(version, part / BUNDLE)
            (part / RECORD).write_bytes(_as_json(record))
            for path in [*part.rglob("*"), part]:
                sync(path)
            part.rename(self._folder / version.key)
            sync(self._folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _download(self, registry: Registry, version: ModelVersion, folder: Path) -> None:
        folder.mkdir()
        try:
            registry.download(version, bundle.CONTRACT, folder / bundle.CONTRACT, MOST_DOCUMENT)
        except FileNotInRegistry:
            raise NoContract(version.version) from None
        try:
            contract = Contract.from_json((folder / bundle.CONTRACT).read_bytes())
            if contract.name != self._model_name:
                raise WrongModel(self._model_name, contract.name)
            bundle.check_names(contract)
            left = self._most_bytes
            for name in contract.files:
                registry.download(version, name, folder / name, left)
                left -= (folder / name).stat().st_size
            bundle.check_hashes(folder, contract)
        except (ContractError, ValueError) as error:  # the last: names that no file has
            raise DamagedBundle(f"version {version.version} is damaged: {error}") from error

    def _try(self, version: ModelVersion, folder: Path) -> None:
        """Written down first: what ends the whole service is not tried for ever."""
        note = self._folder / TRYING
        begun = self._interrupted(version.key)
        if begun >= MOST_INTERRUPTED:
            raise DamagedBundle(
                f"version {version.version}: the service ended {begun} times while it was tried; "
                f"remove {note} to try it again"
            )
        write_durably(note, Trying(key=version.key, begun=begun + 1).model_dump_json().encode())
        try:
            self._trial(folder)
        except DamagedBundle as error:
            raise DamagedBundle(f"version {version.version} is damaged: {error}") from error
        finally:
            note.unlink(missing_ok=True)

    def _interrupted(self, key: str) -> int:
        """How often a trial of the version has begun and not ended."""
        try:
            found = Trying.model_validate_json((self._folder / TRYING).read_bytes())
        except (OSError, ValidationError):
            return 0
        return found.begun if found.key == key else 0

    def _is_whole(self, key: str) -> bool:
        """Whether there is such an entry; one that was damaged on the disk is removed."""
        folder = self._folder / key
        if not folder.exists():
            return False
        try:
            bundle.read(folder / BUNDLE)
        except ContractError:
            self._remove(folder)
            return False
        return True

    def _remove(self, folder: Path) -> None:
        # renamed first: half a removal leaves a part, not an entry
        part = folder.with_name(f"{PART}{folder.name}")
        folder.rename(part)
        shutil.rmtree(part)

    def _clear_parts(self) -> None:
        for part in self._folder.glob(f"{PART}*"):
            shutil.rmtree(part)


def _as_json(record: Record) -> bytes:
    return record.model_dump_json(indent=1).encode()
