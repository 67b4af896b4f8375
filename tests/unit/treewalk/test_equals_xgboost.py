"""The walk's predictions are XGBoost's, bit for bit."""

import numpy as np
import pytest
import xgboost
from boosters import EXTREMES, FEATURES, OBJECTIVES, Recipe, booster_of, hard_rows, recipes
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray
from treewalk import Forest, Unsupported
from walks import SCALAR

pytestmark = pytest.mark.usefixtures("walk")

BOTH = pytest.mark.parametrize("walk", ["processor", "emulated"], indirect=True)
"""Also where only few tests are run."""

THOROUGH = settings(
    max_examples=220,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    database=None,
)


def bits(array: NDArray[np.float32]) -> NDArray[np.uint32]:
    assert array.dtype == np.float32
    return np.ascontiguousarray(array).view(np.uint32)


def of(booster: xgboost.Booster, *, ranks: bool = True) -> Forest:
    return Forest.of(bytes(booster.save_raw("ubj")), ranks=ranks)


def recipe(**changes: object) -> Recipe:
    usual: dict[str, object] = {
        "seed": 5,
        "objective": "reg:squarederror",
        "rounds": 8,
        "targets": 1,
        "missing": 0.2,
        "parameters": {"max_depth": 5},
        "categorical": False,
        "cut": None,
    }
    return Recipe(**{**usual, **changes})  # type: ignore[arg-type]


def compare(booster: xgboost.Booster, seed: int = 1) -> None:
    rows = hard_rows(booster, seed)
    expected = booster.inplace_predict(rows)
    if np.isnan(expected).all():  # a training that diverged
        with pytest.raises(Unsupported, match="a leaf isn't finite"):
            of(booster)
        return
    forest = of(booster)
    found = forest.predict(rows)

    assert found.shape == expected.shape
    np.testing.assert_array_equal(bits(found), bits(expected))
    np.testing.assert_array_equal(bits(of(booster, ranks=False).predict(rows)), bits(expected))
    if forest.outputs == 1:
        single = [forest.row(row) for row in rows[::7].tolist()]
        np.testing.assert_array_equal(bits(np.array(single, np.float32)), bits(expected[::7]))


@THOROUGH
@given(drawn=recipes())
def test_any_booster(drawn: Recipe) -> None:
    compare(booster_of(drawn), drawn.seed)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_objective_with_a_base_score_of_its_own_and_a_given_one(objective: str) -> None:
    compare(booster_of(recipe(objective=objective)))
    compare(booster_of(recipe(objective=objective, parameters={"base_score": 0.3})))


@pytest.mark.parametrize("one_hot", [1, 500])
def test_categorical_splits_of_both_kinds(one_hot: int) -> None:
    booster = booster_of(recipe(categorical=True, parameters={"max_depth": 6, "max_cat_to_onehot": one_hot}))
    assert any(" in " in line or ":{" in line for line in "".join(booster.get_dump()).splitlines())
    compare(booster)


def test_more_trees_than_are_walked_at_once_and_more_rows_than_a_block() -> None:
    booster = booster_of(recipe(rounds=45))
    compare(booster)
    for count in (0, 1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 200):
        rows = hard_rows(booster, 3)[:count]
        found = of(booster).predict(np.ascontiguousarray(rows))
        assert found.shape == (count,)
        if count:
            np.testing.assert_array_equal(bits(found), bits(booster.inplace_predict(rows)))


def test_a_tree_that_is_one_leaf() -> None:
    compare(booster_of(recipe(parameters={"max_depth": 3, "gamma": 1e9})))


def test_very_deep_trees() -> None:
    compare(booster_of(recipe(parameters={"max_depth": 60, "min_child_weight": 0, "tree_method": "exact"})))


@pytest.mark.parametrize(
    ("bins", "depth", "features", "ranked"),
    [
        (256, 8, 4, "all"),  # as XGBoost's histograms are by default
        (1000, 6, 4, "all"),  # a feature has more thresholds than a byte has ranks
        (256, 5, 11, "all"),
        (256, 5, 16, "all"),
        (256, 5, 30, "all"),
        (256, 2, 60, "some"),  # more features than are ranked
        (256, 9, 4, "none"),  # deeper than is ranked
    ],
)
@pytest.mark.parametrize("missing", [0.0, 0.3])
@BOTH
def test_batches_by_ranks(bins: int, depth: int, features: int, ranked: str, missing: float, walk: str) -> None:
    rng = np.random.default_rng(bins + depth + features)
    rows = rng.normal(size=(6000, features)).astype(np.float32)
    target = np.sin(rows[:, 0] * 9) * 9 + np.cos(rows.sum(axis=1) * 5) + rows @ np.arange(features)
    rows[rng.random(rows.shape) < missing] = np.nan
    shape = {"max_bin": bins, "max_depth": depth, "min_child_weight": 0, "nthread": 1}
    booster = xgboost.train(shape, xgboost.DMatrix(rows, target), 40)
    forest = of(booster)

    compare(booster)
    expected = bits(booster.inplace_predict(rows))
    np.testing.assert_array_equal(bits(forest.predict(rows)), expected)
    trees = booster.num_boosted_rounds()
    held = {"all": forest.ranked == trees, "some": 0 < forest.ranked < trees, "none": forest.ranked == 0}
    assert held[ranked] if walk != SCALAR else forest.ranked == 0
    assert of(booster, ranks=False).ranked == 0


@BOTH
def test_trees_with_and_without_categories_side_by_side(walk: str) -> None:
    # a categorical split keeps a tree from being ranked, and the sums of both kinds are taken in the trees' order
    rng = np.random.default_rng(8)
    rows = np.column_stack([rng.normal(size=(900, 3)), rng.integers(0, 30, 900)]).astype(np.float32)
    target = rows[:, 0] * 3 + rows[:, 1] + (rows[:, 3] % 7 == 2) * 2
    data = xgboost.DMatrix(rows, target, feature_types=["q", "q", "q", "c"], enable_categorical=True)
    booster = xgboost.train({"max_depth": 2, "nthread": 1, "eta": 0.2}, data, 60)
    forest = of(booster)
    assert 0 < forest.ranked < 60 if walk != SCALAR else forest.ranked == 0
    np.testing.assert_array_equal(bits(forest.predict(rows)), bits(booster.inplace_predict(rows)))


def test_many_features() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(300, 131)).astype(np.float32)
    booster = xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(rows, rows[:, 130] + rows[:, 7]), 9)
    forest = of(booster)
    expected = bits(booster.inplace_predict(rows))
    np.testing.assert_array_equal(bits(forest.predict(rows)), expected)
    np.testing.assert_array_equal(bits(np.array([forest.row(row) for row in rows.tolist()], np.float32)), expected)


def test_a_row_is_cast_to_float32_as_numpy_casts_it() -> None:
    booster = booster_of(recipe(rounds=20))
    forest, rng = of(booster), np.random.default_rng(4)
    rows = hard_rows(booster, 9).astype(np.float64) * (1 + rng.normal(size=(377, FEATURES)) * 1e-7)
    rows[:20] = np.array(EXTREMES)[rng.integers(0, len(EXTREMES), (20, FEATURES))]
    with np.errstate(over="ignore"):
        single = rows.astype(np.float32)
    found = [forest.row(row) for row in rows.tolist()]
    np.testing.assert_array_equal(bits(np.array(found, np.float32)), bits(booster.inplace_predict(single)))
