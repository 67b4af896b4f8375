"""model.ubj's document: what of it counts for a prediction, each part of the type that it must have."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from treewalk import ubjson
from treewalk.errors import Malformed, Unsupported
from treewalk.objectives import OBJECTIVES, Objective

Document = dict[str, Any]

MOST_OUTPUTS = 16_383
"""Those of the walk. XGBoost has no limit, and takes memory for as many classes as the document says there are."""


@dataclass(frozen=True, slots=True)
class Model:
    """A booster of trees."""

    name: str
    """The objective's."""
    objective: Objective
    features: int
    outputs: int
    """Sums per row."""
    base_scores: NDArray[np.float32]
    """As stored, one for each output."""
    trees: list[Document]
    groups: NDArray[np.int32]
    """The output that each tree adds to."""
    weights: NDArray[np.float32]
    """DART's, one for each tree; NaN for the trees of an ordinary booster, which are added as they are."""


def read(content: bytes) -> Model:
    """Raises Unsupported, and Malformed where no release of XGBoost wrote the document."""
    try:
        document = ubjson.read(content)
    except ubjson.Malformed as error:
        raise Malformed(f"the model {error}") from error
    try:
        return _model(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as error:
        raise Malformed(f"the model's document isn't of the known form: {error!r}") from error


def _model(document: Document) -> Model:
    if document["version"][0] != 3:
        raise Unsupported(f"the model was written by XGBoost {document['version'][0]}, not by XGBoost 3")
    learner = document["learner"]
    name, parameters = learner["objective"]["name"], learner["learner_model_param"]
    booster = learner["gradient_booster"]
    kind = booster["name"]
    if kind not in {"gbtree", "dart"}:
        raise Unsupported(f"the booster is {kind}, not one of trees")
    forest = booster["model"] if kind == "gbtree" else booster["gbtree"]["model"]
    if forest.get("cats", {}).get("enc"):
        raise Unsupported("the model has its own encoding of categories")
    outputs = max(int(parameters["num_target"]), int(parameters["num_class"]), 1)
    if outputs > MOST_OUTPUTS:
        raise Malformed(f"the model has {outputs} outputs, more than {MOST_OUTPUTS}")
    trees = forest["trees"]
    if not isinstance(trees, list):
        raise Malformed("the model's trees aren't a list")
    if not trees:
        raise Unsupported("the model has no trees")
    if [tree["id"] for tree in trees] != list(range(len(trees))):
        raise Unsupported("the model's trees aren't in order")
    weights = booster["weight_drop"] if kind == "dart" else [np.nan] * len(trees)
    return Model(
        name,
        _objective(name),
        int(parameters["num_feature"]),
        outputs,
        _base_scores(parameters["base_score"], outputs),
        trees,
        np.array(forest["tree_info"], np.int32),
        np.array(weights, np.float32),
    )


def _objective(name: str) -> Objective:
    known = OBJECTIVES.get(name)
    if known is None:
        raise Unsupported(f"the objective {name} isn't one that the walk knows")
    return known


def _base_scores(text: str, outputs: int) -> NDArray[np.float32]:
    """One number, or since XGBoost 3.1 a list of them, as text."""
    found = json.loads(text)
    scores = np.array(found if isinstance(found, list) else [found], np.float64).astype(np.float32)
    if scores.shape not in {(1,), (outputs,)} or not np.isfinite(scores).all():
        raise Malformed(f"the base score is {text[:100]}")
    return np.resize(scores, outputs)
