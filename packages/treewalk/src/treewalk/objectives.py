"""What XGBoost 3 does before and after it sums leaves, by objective (its ``ProbToMargin`` and ``PredTransform``)."""

from enum import IntEnum
from typing import NamedTuple


class Transform(IntEnum):
    """From a row's sums to its predictions; the numbers are those of ``_links.h``."""

    IDENTITY = 0
    SIGMOID = 1
    EXPONENTIAL = 2
    HINGE = 3
    SOFTMAX = 4
    ARGMAX = 5


class Link(IntEnum):
    """From a stored base score to the margin that the sums start from."""

    PLAIN = 0
    LOGIT = 1
    LOGARITHM = 2


class Objective(NamedTuple):
    transform: Transform
    link: Link


_PLAIN = Objective(Transform.IDENTITY, Link.PLAIN)
_LOGISTIC = Objective(Transform.SIGMOID, Link.LOGIT)
_LOG = Objective(Transform.EXPONENTIAL, Link.LOGARITHM)

OBJECTIVES = {
    "reg:squarederror": _PLAIN,
    "reg:squaredlogerror": _PLAIN,
    "reg:absoluteerror": _PLAIN,
    "reg:pseudohubererror": _PLAIN,
    "reg:quantileerror": _PLAIN,
    "reg:logistic": _LOGISTIC,
    "reg:gamma": _LOG,
    "reg:tweedie": _LOG,
    "count:poisson": _LOG,
    "binary:logistic": _LOGISTIC,
    "binary:logitraw": _PLAIN,
    "binary:hinge": Objective(Transform.HINGE, Link.PLAIN),
    "rank:ndcg": _PLAIN,
    "rank:pairwise": _PLAIN,
    "rank:map": _PLAIN,
    "multi:softprob": Objective(Transform.SOFTMAX, Link.PLAIN),
    "multi:softmax": Objective(Transform.ARGMAX, Link.PLAIN),
    "survival:cox": _LOG,
}
"""``survival:aft`` is left out: no test here holds it to XGBoost."""
