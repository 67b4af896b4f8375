"""What the walk refuses: each model with its reason, each array with what is wrong with it."""

import contextlib
import gc
import threading
import tracemalloc

import numpy as np
import pytest
import treewalk.forest
import xgboost
from boosters import FEATURES, Recipe, booster_of
from hypothesis import given, settings
from hypothesis import strategies as st
from treewalk import Forest, Malformed, Unsupported, layout, ubjson

ROWS = np.random.default_rng(1).normal(size=(40, FEATURES)).astype(np.float32)


def raw(**parameters: object) -> bytes:
    targets = np.round(np.abs(ROWS[:, :2] if "multi_strategy" in parameters else ROWS[:, 0]))
    data = xgboost.DMatrix(ROWS, targets)
    if parameters.get("objective") == "survival:aft":
        data.set_info(label_lower_bound=targets + 1, label_upper_bound=targets + 2)
    booster = xgboost.train({"nthread": 1, "verbosity": 0, **parameters}, data, 3)
    return bytes(booster.save_raw("ubj"))


def model(*, categorical: bool) -> bytes:
    shape = {"max_depth": 4, "max_cat_to_onehot": 1}
    recipe = Recipe(3, "reg:squarederror", 3, 1, 0.2, shape, categorical=categorical, cut=None)
    return bytes(booster_of(recipe).save_raw("ubj"))


MODEL = model(categorical=True)
NUMERIC = model(categorical=False)
"""Its batches are walked by ranks, where the processor can."""


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"multi_strategy": "multi_output_tree"}, "vectors"),
        ({"objective": "survival:aft"}, "survival:aft"),
    ],
)
def test_a_model_that_cannot_be_walked_exactly_is_refused_with_the_reason(
    parameters: dict[str, object], reason: str
) -> None:
    with pytest.raises(Unsupported, match=reason) as refusal:
        Forest.of(raw(**parameters))
    assert reason in refusal.value.reason


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"num_classSL\0\0\0\0\0\0\0\x010", b"num_classSL\0\0\0\0\0\0\0\x0a2000000000", "2000000000 outputs"),
        (b"split_indices", b"split_indexes", "split_indices"),
        (b"num_feature", b"num_futures", "num_feature"),
    ],
)
def test_what_xgboost_does_not_write_it_does_not_get_either(old: bytes, new: bytes, problem: str) -> None:
    assert old in NUMERIC
    with pytest.raises(Malformed, match=problem):
        Forest.of(NUMERIC.replace(old, new))


def test_a_tree_of_more_levels_than_are_grown_is_malformed() -> None:
    def chain(levels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # two trees: a leaf, and one whose left children go on
        inner = np.arange(levels - 1)
        left = np.full(2 * levels - 1, -1)
        left[2 * inner] = 2 * inner + 1
        # the node that goes on is the right one, at an even place
        starts = np.array([0, 1, 2 * levels])
        return starts, np.concatenate([[-1], left]), np.concatenate([[-1], np.where(left < 0, -1, left + 1)])

    layout.check_depth(*chain(layout.MOST_LEVELS))
    with pytest.raises(Malformed, match="levels"):
        layout.check_depth(*chain(layout.MOST_LEVELS + 1))
    with pytest.raises(Malformed, match="levels"):
        layout.check_depth(*chain(1_000_000))


@pytest.mark.filterwarnings("ignore:.*gblinear.*")
def test_a_linear_booster_is_refused() -> None:
    with pytest.raises(Unsupported, match="gblinear"):
        Forest.of(raw(booster="gblinear"))


def test_without_the_extension_every_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treewalk.forest, "Walk", None)
    with pytest.raises(Unsupported, match="the compiled walk isn't installed"):
        Forest.of(MODEL)


def test_the_matrix_is_checked() -> None:
    forest = Forest.of(raw())
    with pytest.raises(TypeError):
        forest.predict(ROWS.astype(np.float64))
    with pytest.raises(TypeError):
        forest.predict(ROWS.tolist())
    for wrong in (ROWS[:, :4], ROWS[:, ::-1], np.asfortranarray(ROWS), ROWS[0], ROWS[None]):
        with pytest.raises(ValueError, match="C-contiguous"):
            forest.predict(wrong)


def test_the_row_is_checked() -> None:
    forest = Forest.of(raw())
    with pytest.raises(ValueError, match="5 values"):
        forest.row([1.0] * 4)
    for wrong in ([1.0, 2.0, 3.0, 4.0, "5"], ROWS[0], "12345", None, [None] * 5):
        with pytest.raises(TypeError):
            forest.row(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="more than one output"):
        Forest.of(raw(objective="multi:softprob", num_class=9)).row([1.0] * 5)
    assert forest.row((1, 2, 3, 4, 5)) == forest.row([1.0, 2.0, 3.0, 4.0, 5.0])


def test_a_list_that_a_value_shortens_while_it_is_read_does_no_harm() -> None:
    class Cuts:
        def __float__(self) -> float:
            row.clear()
            return 1.0

    row: list[object] = [Cuts(), 2.0, 3.0, 4.0, 5.0]
    with pytest.raises(IndexError):
        Forest.of(raw()).row(row)  # type: ignore[arg-type]


def walk_or_refuse(content: bytes) -> None:
    """A refusal, or a forest whose walks end; nothing else may come of it."""
    try:
        forest = Forest.of(content)
    except Unsupported:
        return
    rows = np.zeros((9, forest.features), np.float32)
    rows[1:] = np.linspace(-30, 30, rows[1:].size, dtype=np.float32).reshape(rows[1:].shape)
    rows[3] = np.nan
    forest.predict(rows)


@pytest.mark.thorough
@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, len(MODEL) - 1), st.integers(1, 255)), min_size=1, max_size=4),
    length=st.none() | st.integers(0, len(MODEL)),
    whole=st.sampled_from([MODEL, NUMERIC]),
)
def test_a_corrupt_model_is_refused_or_walked(flips: list[tuple[int, int]], length: int | None, whole: bytes) -> None:
    content = bytearray(whole)
    for at, change in flips:
        content[at % len(content)] ^= change
    walk_or_refuse(bytes(content[:length]))


@pytest.mark.parametrize("whole", [MODEL, NUMERIC], ids=["categorical", "numeric"])
def test_no_byte_of_the_trees_is_too_dangerous(whole: bytes) -> None:
    start = whole.index(b"left_children")
    for at in range(start, min(start + 700, len(whole))):
        for change in (0x01, 0x80, 0xFF):
            content = bytearray(whole)
            content[at] ^= change
            walk_or_refuse(bytes(content))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_read_or_named_malformed(content: bytes) -> None:
    for text in (content, b"{" + content, b"[" + content, b"[$l#L" + content):
        with contextlib.suppress(ubjson.Malformed):
            ubjson.read(text)
        with pytest.raises(Unsupported):
            Forest.of(text)


def test_nesting_is_bounded() -> None:
    with pytest.raises(ubjson.Malformed, match="levels"):
        ubjson.read(b"[" * 100_000)


def test_a_promise_of_many_elements_takes_no_memory() -> None:
    for text in (b"[#L\x7f" + b"\xff" * 7, b"[$d#L\x00\x00\x00\x0f" + b"\xff" * 4, b"SL\x7f" + b"\xff" * 7):
        with pytest.raises(ubjson.Malformed, match="length"):
            ubjson.read(text)


def test_threads_share_a_forest() -> None:
    forest = Forest.of(MODEL)
    rows = np.ascontiguousarray(np.repeat(ROWS, 50, axis=0))
    expected = forest.predict(rows).tobytes()
    found: list[bytes] = []
    workers = [threading.Thread(target=lambda: found.append(forest.predict(rows).tobytes())) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 8


@pytest.mark.thorough
def test_what_is_refused_or_freed_leaks_nothing() -> None:
    broken = MODEL.replace(b"left_children", b"left_childrem")

    def use(times: int) -> int:
        for _ in range(times):
            Forest.of(MODEL).row([1.0] * FEATURES)
            with pytest.raises(Unsupported):
                Forest.of(broken)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = use(200)
        assert use(300) - before < 30_000  # a hundred bytes each time: the nodes alone are more
    finally:
        tracemalloc.stop()
