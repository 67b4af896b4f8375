"""What each feature and each raw field adds to a prediction."""

from collections.abc import Mapping
from typing import Any

from contract import Contract
from contract.booster import LoadedModel
from contract.features import Matrix

LINKS: Mapping[str, str] = {
    "binary:logistic": "logit",
    "reg:logistic": "logit",
    "count:poisson": "log",
    "reg:gamma": "log",
    "reg:tweedie": "log",
    "survival:cox": "log",
    "survival:aft": "log",
    "binary:hinge": "step",
}
"""XGBoost's objectives whose prediction isn't the trees' sum itself, by what links the two."""


def explanation(model: LoadedModel, features: Matrix) -> dict[str, Any]:
    """Exact TreeSHAP contributions (Lundberg et al. 2020) of one row, by feature and by raw field.

    ``bias`` and the features add up to the trees' sum, and so do ``bias`` and the fields. That sum is the prediction
    itself where ``link`` is ``identity``, and the margin elsewhere: the prediction's logit or logarithm, say.
    """
    *shares, bias = (float(value) for value in model.explain(features)[0])
    by_feature = dict(zip(model.contract.compiled.names, shares, strict=True))
    link = LINKS.get(model.objective, "identity")
    return {
        "sums_to": "prediction" if link == "identity" else "margin",
        "link": link,
        "unit": model.contract.output.unit if link == "identity" else None,
        "bias": bias,
        "features": by_feature,
        "fields": by_field(model.contract, by_feature),
    }


def by_field(contract: Contract, by_feature: Mapping[str, float]) -> dict[str, float]:
    """Contributions of the features as those of the fields that they are made of.

    A feature of several fields (a difference, a ratio, a cross) counts for them in equal parts. It has a value only
    when all of them have one, so it is a game that they win together or not at all, and that is the Shapley value's
    share in such a game.
    """
    shares = dict.fromkeys(contract.by_name, 0.0)
    for feature in contract.features:
        inputs = set(feature.inputs)
        for name in inputs:
            shares[name] += by_feature[feature.name] / len(inputs)
    return shares
