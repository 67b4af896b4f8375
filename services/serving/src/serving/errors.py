"""What can go wrong in the service; each error says what and where. ``problems`` maps them to HTTP."""


class ServingError(Exception):
    """Anything that this service raises on purpose."""


class NoModel(ServingError):
    """No model is loaded, so there is nothing to answer with."""


class RegistryUnreachable(ServingError):
    """The registry doesn't answer, or answers that it is out of order."""


class LedgerUnreachable(ServingError):
    """The warehouse with the ledger of rollouts can't be read; predictions don't need it."""


class NotRecorded(ServingError):
    """What came true can't be kept: there is no warehouse, or the spool is full or can't be written."""


class StoreFailed(ServingError):
    """The local store can't be written: full, read-only or taken."""


class Refused(ServingError):
    """A candidate that won't be served; what was served before still is."""


class NoChampion(Refused):
    """The registry has no such model, or the model has no such alias."""

    def __init__(self, model: str, alias: str) -> None:
        super().__init__(f"the registry names no {alias} of {model}")


class VersionNotFound(Refused):
    """The registry has no such version."""

    def __init__(self, model: str, version: str) -> None:
        super().__init__(f"the registry has no version {version} of {model}")


class UnreadableLocation(Refused):
    """The version's files lie where the tracking server doesn't hand them out."""


class FileNotInRegistry(Refused):
    """The version has no such file."""

    def __init__(self, file: str, version: str) -> None:
        self.file = file
        super().__init__(f"version {version} has no file {file}")


class TooLarge(Refused):
    """A file of the version is larger than this service takes."""

    def __init__(self, file: str, version: str, most: int) -> None:
        super().__init__(f"version {version}: {file} is larger than the {most} bytes that are left for it")


class NoContract(Refused):
    """The version was registered without contract.json."""

    def __init__(self, version: str) -> None:
        super().__init__(f"version {version} has no contract.json, so its input isn't known")


class DamagedBundle(Refused):
    """The bundle's contract, hashes, booster or golden rows don't hold."""


class WrongModel(Refused):
    """The bundle's contract is another model's."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"the contract is for {found!r}, this service serves {expected!r}")


class SwapFailed(Refused):
    """A worker couldn't take the candidate."""


class NoLease(Refused):
    """The version isn't served by a lease: it never was, the lease has ended, or the alias has come to point to it."""

    def __init__(self, version: str) -> None:
        super().__init__(f"there is no lease for version {version}")


class SwapInProgress(Refused):
    """Another swap didn't end within the time allowed."""


class BodyTooLarge(ServingError):
    """The request's body exceeds the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is longer than {limit} bytes")


class NotJson(ServingError):
    """The request declares another content type than JSON, or none."""

    def __init__(self, given: str) -> None:
        said = f"the content type is {given!r}" if given else "there is no content type"
        super().__init__(f"{said}; allowed: application/json")


class NotAuthorized(ServingError):
    """The bearer token is missing or wrong."""


class BadSignature(ServingError):
    """What is said to come from MLflow isn't signed by it, or was signed at another time."""


class WorkerSilent(ServingError):
    """A worker of this replica doesn't answer on its socket."""


class Overloaded(ServingError):
    """More is asked at once than the service takes on."""


class BatchFailed(ServingError):
    """The batch process didn't answer; asking again may help."""


class NotFinite(ServingError):
    """The booster gives a row a prediction that isn't a finite number, which JSON can't say."""

    def __init__(self, row: int, prediction: float) -> None:
        super().__init__(f"row {row}: the model predicts {prediction}, which is no finite number")


class BadArrow(ServingError):
    """The body isn't an Arrow IPC stream, or it is damaged or cut off."""


class BadTable(ServingError):
    """A scoring request of MLflow's that has no table of a known form."""


class BadTensor(ServingError):
    """An inference request whose tensors aren't as they say, or aren't the model's."""


class NoSuchModel(ServingError):
    """Another model or version than the served one is asked for."""

    def __init__(self, asked: str, served: str) -> None:
        super().__init__(f"there is no {asked}; served is {served}")


class UnknownMedia(ServingError):
    """The body is of a content type that the protocol hasn't."""
