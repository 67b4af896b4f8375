"""The folder that is a model version: ``contract.json``, ``model.ubj``, ``golden.json``. Data only, no code."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contract.document import Contract
from contract.errors import HashMismatch, MalformedContract, MissingFile
from contract.golden import Golden

CONTRACT = "contract.json"
MODEL = "model.ubj"
GOLDEN = "golden.json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose hashes have been checked."""

    contract: Contract
    model: bytes
    """The booster in XGBoost's UBJSON format."""
    golden: Golden


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(folder: Path, contract: Contract, model: bytes, golden: Golden) -> Contract:
    """Writes a bundle into an existing folder and returns the contract sealed with its files' hashes."""
    contents = {MODEL: model, GOLDEN: golden.to_json()}
    sealed = contract.sealed({name: sha256(content) for name, content in contents.items()})
    for name, content in {**contents, CONTRACT: sealed.to_json()}.items():
        (folder / name).write_bytes(content)
    return sealed


def check_names(contract: Contract) -> None:
    """Raises MalformedContract unless the sealed files are plain names and the two that every bundle has are there."""
    for name in (MODEL, GOLDEN):
        if name not in contract.files:
            raise MalformedContract(f"files.{name}", "is missing: the contract isn't sealed")
    for name in contract.files:
        if Path(name).name != name or name in {".", "..", CONTRACT}:
            raise MalformedContract(f"files.{name}", "is no plain file name")


def read(folder: Path) -> Bundle:
    """Reads a bundle and checks every hash.

    Raises:
        MissingFile, HashMismatch, MalformedContract, NewerFormat, MalformedGolden: what is wrong, and where.
    """
    contract = Contract.from_json(_content(folder, CONTRACT))
    check_names(contract)
    contents = check_hashes(folder, contract)
    return Bundle(contract, contents[MODEL], Golden.from_json(contents[GOLDEN]))


def check_hashes(folder: Path, contract: Contract) -> Mapping[str, bytes]:
    """The sealed files' contents by name. Raises MissingFile, HashMismatch."""
    contents = {name: _content(folder, name) for name in contract.files}
    for name, expected in contract.files.items():
        if (actual := sha256(contents[name])) != expected:
            raise HashMismatch(name, expected, actual)
    return contents


def _content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise MissingFile(name, folder) from None
