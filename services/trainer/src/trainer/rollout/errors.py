"""Why a rollout doesn't begin, or doesn't come to its end."""


class RolloutError(Exception):
    """Asking again changes nothing."""


class RolloutInProgress(RolloutError):
    """Another rollout of the model holds the lock."""

    def __init__(self, model: str, seconds: float) -> None:
        waited = f", also after {seconds:g} s" if seconds else ""
        super().__init__(f"another rollout of {model} is under way{waited}")


class ChampionChanged(RolloutError):
    """The alias isn't where it was when the rollout was decided: that was about another champion."""

    def __init__(self, decided: str | None, found: str | None) -> None:
        super().__init__(
            f"the champion has changed since this was decided, from {_name(decided)} to {_name(found)}; start it again"
        )


class AlreadyChampion(RolloutError):
    """There is nothing to roll out."""

    def __init__(self, version: str) -> None:
        super().__init__(f"version {version} is champion already")


class NothingToRollBackTo(RolloutError):
    """The ledger knows no earlier version that was served and not taken back."""

    def __init__(self, served: str | None) -> None:
        super().__init__(f"the ledger has no good version before {_name(served)}; name one")


class Refused(RolloutError):
    """A replica won't: the version didn't pass its checks, the lease isn't there, or the token isn't its own."""


class NotServed(RolloutError):
    """A replica doesn't serve, or doesn't answer, what it should."""


class Unavailable(Exception):
    """A replica, or the registry behind it, can't be reached; a later try may succeed."""


def _name(version: str | None) -> str:
    return "none" if version is None else f"version {version}"
