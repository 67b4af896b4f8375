"""Walks models that a test has written, in a process of its own under the sanitizers, which end it at the first fault.

``sanitized_walk.py LIBRARY FOLDER DAMAGED``: each ``*.npz`` of the folder has a model, rows and the right predictions,
bit for bit. Then DAMAGED copies with a few changed bytes have to be refused, or walked without a fault.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import treewalk.forest
import walks
from treewalk import Forest, Unsupported


def predictions(model: bytes, rows: Any) -> Any:
    forest = Forest.of(model)
    assert forest.ranked, "no tree is walked by ranks"
    return forest.predict(rows)


def exactly(rows: Any) -> Iterator[Any]:
    """Batches of many lengths, each in memory that ends where it does."""
    for count in (1, 15, 16, 17, 63, 64, 65, 127, 128, 129, len(rows)):
        yield np.array(rows[:count], np.float32, order="C")


def check(model: bytes, rows: Any, expected: Any) -> None:
    for batch in exactly(rows):
        found = predictions(model, batch)
        np.testing.assert_array_equal(found.view(np.uint32), expected[: len(batch)].view(np.uint32))


def damage(model: bytes, rows: Any, chance: random.Random) -> None:
    content = bytearray(model)
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(len(content))] ^= chance.randint(1, 255)
    try:
        forest = Forest.of(bytes(content))
    except Unsupported:
        return
    if forest.features == rows.shape[1]:
        forest.predict(rows)


def main() -> None:
    library, folder, damaged = sys.argv[1:]
    setattr(treewalk.forest, "Walk", walks.load(Path(library)))  # noqa: B010  (it exports another under that name)
    chance = random.Random(5)  # noqa: S311  (the same damage each time)
    cases = [np.load(file) for file in sorted(Path(folder).glob("*.npz"))]
    for case in cases:
        check(case["model"].tobytes(), case["rows"], case["expected"])
    for _ in range(int(damaged)):
        case = chance.choice(cases)
        damage(case["model"].tobytes(), np.array(case["rows"][:130]), chance)
    print(f"{len(cases)} models walked, {damaged} damaged ones")  # noqa: T201  (for the test that waits)


if __name__ == "__main__":
    main()
