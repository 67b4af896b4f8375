"""The compiled walk. Use ``treewalk.Forest``, which reads a model and checks what it gives to this."""

from collections.abc import Sequence
from typing import Any, final

from numpy.typing import NDArray

Array = NDArray[Any]

@final
class Walk:
    """A model's trees, laid out for the walk."""

    def __new__(
        cls,
        features: int,
        outputs: int,
        transform: int,
        link: int,
        ranks: bool,
        base_scores: Array,
        groups: Array,
        weights: Array,
        starts: Array,
        left: Array,
        right: Array,
        index: Array,
        condition: Array,
        default_left: Array,
        set_of: Array,
        sets: Array,
        /,
    ) -> Walk:
        """Arrays of float32 (scores, weights, condition), int32 (groups, left, right, index), int64 (starts, set_of),
        uint8 (default_left) and uint32 (sets), as ``treewalk.layout.Layout`` describes them.

        Raises:
            ValueError: the arrays are no trees that can be walked.
        """

    def row(self, values: Sequence[float], /) -> float:
        """One row of ``features`` numbers to its prediction; of a model with one output."""

    def predict(self, rows: Array, out: Array, /) -> None:
        """float32 of shape (n, features), C-contiguous, to float32 of shape (n, outputs), without holding the GIL."""

    def ranked(self) -> int:
        """How many of the trees batches are walked down by ranks."""
