"""A model's trees, ready to predict."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from treewalk import document, layout
from treewalk.errors import Malformed, Unsupported
from treewalk.objectives import Transform

try:
    from treewalk._walk import Walk
except ImportError:  # built on a machine without a compiler
    Walk = None  # type: ignore[assignment,misc]


_LIMITS_OF_THE_WALK = {"a number is out of range", "a tree is too broad"}


class Forest:
    """Predicts what ``xgboost.Booster.inplace_predict`` does, to the last bit. Immutable and thread-safe."""

    __slots__ = ("_walk", "features", "objective", "outputs", "row")

    features: int
    """Columns of a matrix, values of a row."""
    outputs: int
    """Predictions of a row."""
    objective: str
    """XGBoost's name of it."""
    row: Callable[[Sequence[float]], float]
    """One row, a list or tuple of ``features`` numbers, NaN missing, to its prediction.

    Raises:
        ValueError: the row has another length, or the model more than one output.
        TypeError: a value is no number, or the row neither list nor tuple.
    """

    def __init__(self, walk: "Walk", found: document.Model) -> None:
        self._walk = walk
        self.features = found.features
        self.outputs = 1 if found.objective.transform == Transform.ARGMAX else found.outputs
        self.objective = found.name
        # the compiled function itself: a method of this class would double the time of a call
        self.row = walk.row

    @property
    def ranked(self) -> int:
        """How many of the trees batches are walked down by ranks, several times as fast."""
        return self._walk.ranked()

    @classmethod
    def of(cls, model: bytes, *, ranks: bool = True) -> "Forest":
        """Reads a booster in XGBoost's UBJSON format.

        Args:
            ranks: Batches go by ranks of values where processor and trees allow it; the predictions are the same.

        Raises:
            Unsupported: the walk wouldn't give XGBoost's exact predictions, or isn't installed.
            Malformed: XGBoost wouldn't write such a model, and can't be trusted to read it.
        """
        if Walk is None:
            raise Unsupported("the compiled walk isn't installed")
        found = document.read(model)
        try:
            arrays = layout.arrays_of(found)
            walk = Walk(
                found.features,
                found.outputs,
                found.objective.transform,
                found.objective.link,
                ranks,
                found.base_scores,
                found.groups,
                found.weights,
                *arrays,
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
            kind = Unsupported if str(error) in _LIMITS_OF_THE_WALK else Malformed
            raise kind(f"the model's trees aren't of the known form: {error}") from error
        layout.check_depth(*arrays[:3])
        return cls(walk, found)

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 of shape (n, features), C-contiguous, NaN missing, to float32 of shape (n,) or (n, outputs).

        Releases the GIL.

        Raises:
            TypeError: not an array of float32.
            ValueError: another shape, or not C-contiguous.
        """
        if not isinstance(matrix, np.ndarray) or matrix.dtype != np.float32:
            raise TypeError("the matrix is no array of float32")
        if matrix.ndim != 2 or matrix.shape[1] != self.features or not matrix.flags.c_contiguous:
            raise ValueError(f"the matrix isn't C-contiguous of shape (n, {self.features})")
        shape = len(matrix) if self.outputs == 1 else (len(matrix), self.outputs)
        predictions = np.empty(shape, np.float32)
        self._walk.predict(matrix, predictions)
        return predictions
