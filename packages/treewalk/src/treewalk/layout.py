"""The trees of a document as arrays, one for each property of all nodes: what the compiled walk is built from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from treewalk.document import Document, Model
from treewalk.errors import Malformed, Unsupported

Array = NDArray[Any]

Kinds = dict[str, "np.dtype[Any]"]

_NODES: Kinds = {
    "left_children": np.dtype(">i4"),
    "right_children": np.dtype(">i4"),
    "split_indices": np.dtype(">i4"),
    "split_conditions": np.dtype(">f4"),
    "default_left": np.dtype("u1"),
    "split_type": np.dtype("u1"),
}
_CATEGORIES: Kinds = {
    "categories": np.dtype(">i4"),
    "categories_nodes": np.dtype(">i4"),
    "categories_segments": np.dtype(">i8"),
    "categories_sizes": np.dtype(">i8"),
}
MOST_CATEGORY = 1 << 24
MOST_CATEGORIES = 1 << 24
MOST_WORDS = 1 << 22
"""Of all sets together: 16 MB."""
MOST_LEVELS = 512
"""XGBoost explains a prediction by a recursion as deep as the tree, in memory that grows with its depth squared."""


def arrays_of(model: Model) -> tuple[Array, ...]:
    """Starts, left, right, index, condition, default_left, set_of, sets, as ``treewalk._walk.Walk`` takes them.

    Raises:
        Malformed: a tree isn't of the form that XGBoost writes.
        Unsupported: a tree is of another kind than the walk's.
    """
    for tree in model.trees:
        _check(tree)
    joined = {name: _joined(model.trees, name, kind) for name, kind in {**_NODES, **_CATEGORIES}.items()}
    starts = _starts(model.trees, "split_conditions")
    leaves = joined["split_conditions"][joined["left_children"] == -1]
    if not np.isfinite(leaves).all():
        raise Unsupported("a leaf isn't finite")
    set_of, sets = _sets(model.trees, joined, starts)
    names = ("left_children", "right_children", "split_indices", "split_conditions", "default_left")
    return (starts, *[joined[name] for name in names], set_of, sets)


def check_depth(starts: Array, left: Array, right: Array) -> None:
    """Raises Malformed for trees that are sound otherwise but deeper than any that is grown."""
    at = base = starts[:-1]
    for _ in range(MOST_LEVELS):
        inner = left[at] != -1
        at, base = at[inner], base[inner]
        if not len(at):
            return
        at, base = np.concatenate([base + left[at], base + right[at]]), np.concatenate([base, base])
    raise Malformed(f"a tree has more than {MOST_LEVELS} levels")


def _check(tree: Document) -> None:
    parameters = tree["tree_param"]
    if int(parameters["size_leaf_vector"]) > 1:
        raise Unsupported("the trees' leaves are vectors")
    nodes = int(parameters["num_nodes"])
    for name, kind in _NODES.items():
        if tree[name].dtype != kind or len(tree[name]) != nodes:
            raise Malformed(f"a tree's {name} isn't {nodes} times {kind}")
    for name, kind in _CATEGORIES.items():
        if tree[name].dtype != kind:
            raise Malformed(f"a tree's {name} isn't of {kind}")
    if not len(tree["categories_nodes"]) == len(tree["categories_segments"]) == len(tree["categories_sizes"]):
        raise Malformed("a tree's categorical splits aren't complete")


def _joined(trees: list[Document], name: str, kind: "np.dtype[Any]") -> Array:
    return np.ascontiguousarray(np.concatenate([tree[name] for tree in trees]), kind.newbyteorder("="))


def _starts(trees: list[Document], name: str) -> NDArray[np.int64]:
    return np.cumsum([0, *[len(tree[name]) for tree in trees]], dtype=np.int64)


def _sets(trees: list[Document], joined: dict[str, Array], starts: Array) -> tuple[Array, Array]:
    """Each node's position in the sets, -1 for a numerical split; and the sets, each its length and then its bits."""
    set_of = np.full(len(joined["split_type"]), -1, np.int64)
    nodes, begins, sizes = (joined[f"categories_{name}"].astype(np.int64) for name in ("nodes", "segments", "sizes"))
    splits = _starts(trees, "categories_nodes")
    tree_of = np.repeat(np.arange(len(trees)), np.diff(splits))
    first = _starts(trees, "categories")
    owned = np.diff(first)[tree_of]
    inside = (begins >= 0) & (sizes > 0) & (begins <= owned) & (sizes <= owned - begins)
    if not inside.all() or ((nodes < 0) | (nodes >= np.diff(starts)[tree_of])).any():
        raise Malformed("a categorical split lies outside of its tree")
    nodes, begins = nodes + starts[tree_of], begins + first[tree_of]
    if (np.diff(nodes) <= 0).any() or not np.array_equal(np.flatnonzero(joined["split_type"]), nodes):
        raise Malformed("categorical splits and nodes don't agree")
    if not len(nodes):
        return set_of, np.zeros(0, np.uint32)
    positions, sets = _bits(joined["categories"], begins, sizes)
    set_of[nodes] = positions
    return set_of, sets


def _bits(categories: Array, begins: Array, sizes: Array) -> tuple[Array, Array]:
    if categories.min() < 0 or categories.max() >= MOST_CATEGORY or sizes.sum() > MOST_CATEGORIES:
        raise Unsupported("a category is out of range")
    ends = np.cumsum(sizes)
    # the categories one after the other: each set's stand together, but the sets needn't be in order
    members = categories[np.repeat(begins - ends + sizes, sizes) + np.arange(ends[-1])].astype(np.int64)
    words = np.maximum.reduceat(members, ends - sizes) // 32 + 1
    after = np.cumsum(words + 1)
    positions = after - words - 1
    if after[-1] > MOST_WORDS:
        raise Unsupported("the sets of categories are too large")
    bits = np.zeros(int(after[-1]) * 32, np.bool_)
    bits[np.repeat((positions + 1) * 32, sizes) + members] = True
    sets = np.packbits(bits, bitorder="little").view("<u4").astype(np.uint32)
    sets[positions] = words
    return positions, sets
