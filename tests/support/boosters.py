"""Random boosters of every kind that the walk knows, rows that are hard for them, and boosters with wrong numbers."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from contract import Contract, Golden, bundle
from hypothesis import strategies as st
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

PLAIN = ["reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror", "reg:quantileerror"]
PROBABILITY = ["reg:logistic", "binary:logistic", "binary:logitraw", "binary:hinge"]
POSITIVE = ["count:poisson", "reg:gamma", "reg:tweedie", "survival:cox"]
RANKING = ["rank:ndcg", "rank:pairwise", "rank:map"]
CLASSES = ["multi:softprob", "multi:softmax"]
OBJECTIVES = PLAIN + PROBABILITY + POSITIVE + RANKING + CLASSES
FEATURES = 5
CATEGORIES = 70
"""More than two words of bits."""
EXTREMES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-40, 3.4e38, -3.4e38, 16777215, 16777216, 4e9, -1, -0.5, 2.7]


@dataclass(frozen=True)
class Recipe:
    """How to make a booster; the same recipe always makes the same."""

    seed: int
    objective: str
    rounds: int
    targets: int
    missing: float
    """Share of the values."""
    parameters: dict[str, Any]
    categorical: bool
    cut: tuple[int, int] | None
    """Rounds to keep."""


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    method = draw(st.sampled_from(["hist", "hist", "approx", "exact"]))
    objective = draw(st.sampled_from(OBJECTIVES))
    rounds = draw(st.integers(1, 11))
    parameters: dict[str, Any] = {
        "tree_method": method,
        "max_depth": draw(st.integers(1, 7)),
        "eta": draw(st.sampled_from([0.1, 0.3, 1.0])),
        "gamma": draw(st.sampled_from([0, 0, 0.5])),
        "min_child_weight": 0,
        "lambda": draw(st.sampled_from([0.01, 1.0])),
        "max_cat_to_onehot": draw(st.sampled_from([1, 500])),
        "num_parallel_tree": draw(st.sampled_from([1, 1, 3])),
        "subsample": draw(st.sampled_from([1.0, 0.7])),
    }
    if draw(st.booleans()):
        parameters["base_score"] = draw(st.floats(0.015625, 0.96875, width=32))
    if method == "hist" and draw(st.booleans()):
        parameters |= {"grow_policy": "lossguide", "max_depth": 0, "max_leaves": draw(st.integers(2, 40))}
    if draw(st.integers(0, 3)) == 0:
        parameters |= {"booster": "dart", "rate_drop": 0.5, "normalize_type": draw(st.sampled_from(["tree", "forest"]))}
    several = objective in {"reg:squarederror", "binary:logistic"} and draw(st.booleans())
    cut = draw(st.none() | st.tuples(st.integers(0, rounds - 1), st.just(rounds)))
    return Recipe(
        seed=draw(st.integers(0, 2**32 - 1)),
        objective=objective,
        rounds=rounds,
        targets=3 if several else 1,
        missing=draw(st.sampled_from([0.0, 0.2])),
        parameters=parameters,
        categorical=method != "exact" and draw(st.booleans()),
        cut=cut,
    )


def booster_of(recipe: Recipe) -> xgboost.Booster:
    rng = np.random.default_rng(recipe.seed)
    features = _features(rng, recipe.missing)
    kinds = ["c", "c", "q", "q", "q"] if recipe.categorical else ["q"] * FEATURES
    data = xgboost.DMatrix(
        features, _labels(rng, recipe, features), feature_types=kinds, enable_categorical=True, nthread=1
    )
    if recipe.objective in RANKING:
        data.set_group([len(features) // 4] * 4)
    parameters = {"objective": recipe.objective, "nthread": 1, "seed": 1, "verbosity": 0, **recipe.parameters}
    if recipe.objective in CLASSES:
        parameters["num_class"] = 3
    if recipe.objective == "reg:quantileerror":
        parameters["quantile_alpha"] = 0.4
    booster = xgboost.train(parameters, data, recipe.rounds)
    return booster if recipe.cut is None else booster[recipe.cut[0] : recipe.cut[1]]


def _features(rng: np.random.Generator, missing: float) -> Matrix:
    features = rng.normal(size=(160, FEATURES)).astype(np.float32)
    features[:, 0] = rng.integers(0, CATEGORIES, len(features))
    features[:, 1] = rng.integers(0, 4, len(features))
    features[:, 4] = np.round(features[:, 4])
    features[rng.random(features.shape) < missing] = np.nan
    return features


def _labels(rng: np.random.Generator, recipe: Recipe, features: Matrix) -> NDArray[np.float64]:
    known = np.nan_to_num(features)
    signal: NDArray[np.float64] = (
        np.sin(known[:, 0] * 9) + known[:, 2] + (known[:, 1] == 2) + rng.normal(size=len(known)) / 4
    )
    if recipe.targets > 1:
        signal = np.stack([np.roll(signal, shift) for shift in range(recipe.targets)], axis=1)
    if recipe.objective in PROBABILITY or recipe.objective == "rank:map":
        return (signal > 0).astype(np.float64)
    if recipe.objective in CLASSES or recipe.objective in RANKING:
        signal = np.clip(np.round(signal), 0, 2)
        return signal
    return np.exp(signal) if recipe.objective in POSITIVE else np.abs(signal)


def hard_rows(booster: xgboost.Booster, seed: int) -> Matrix:
    """Rows like those trained on, rows of the trees' own thresholds and their neighbours, and rows of extremes."""
    rng = np.random.default_rng(seed)
    thresholds = _thresholds(booster)
    near = np.concatenate(
        [thresholds, np.nextafter(thresholds, np.float32(np.inf)), np.nextafter(thresholds, np.float32(-np.inf))]
    )
    extremes = np.array(EXTREMES, np.float32)
    count = booster.num_features()
    usual = _features(rng, 0.1)[:, np.arange(count) % FEATURES]
    return np.concatenate(
        [
            usual,
            rng.choice(near, (90, count)),
            rng.choice(extremes, (70, count)),
            np.where(rng.random((57, count)) < 0.3, rng.choice(extremes, (57, count)), usual[:57]),
        ]
    )


def _thresholds(booster: xgboost.Booster) -> Matrix:
    learner = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    trees = learner.get("gbtree", learner)["model"]["trees"]
    return np.concatenate([np.array(tree["split_conditions"], np.float32) for tree in trees])


def replaced(folder: Path, model: bytes) -> None:
    """The bundle with another booster, sealed again."""
    contract = Contract.from_json((folder / bundle.CONTRACT).read_bytes())
    bundle.write(folder, contract, model, Golden.from_json((folder / bundle.GOLDEN).read_bytes()))


def with_numbers(model: bytes, name: str, number: int) -> bytes:
    """The first tree's array of that name, of int32, filled with a number."""
    start = model.index(name.encode() + b"[$l#L") + len(name) + 5 + 8
    count = int.from_bytes(model[start - 8 : start], "big")
    return model[:start] + struct.pack(">i", number) * count + model[start + 4 * count :]
