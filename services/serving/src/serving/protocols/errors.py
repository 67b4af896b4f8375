"""What can be wrong with a call beyond its values; ``serving.problems`` gives each its status."""

from serving.errors import ServingError


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
