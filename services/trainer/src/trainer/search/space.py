"""Where parameters are looked for."""

from collections.abc import Mapping

from optuna.distributions import FloatDistribution, IntDistribution

from trainer.modelling.parameters import Boosting

SPACE: dict[str, FloatDistribution | IntDistribution] = {
    "learning_rate": FloatDistribution(0.02, 0.3, log=True),
    "max_depth": IntDistribution(4, 12),
    "min_child_weight": FloatDistribution(1, 100, log=True),
    "reg_lambda": FloatDistribution(0.1, 100, log=True),
    "subsample": FloatDistribution(0.5, 1),
    "colsample_bytree": FloatDistribution(0.4, 1),
}
"""Fields of ``Boosting``; the others stay as given."""

Point = Mapping[str, float | int]


def nearest(given: Boosting) -> Point:
    """The point of the space that is nearest to parameters which may lie outside: 0 isn't on a logarithmic scale."""
    return {name: min(max(getattr(given, name), span.low), span.high) for name, span in SPACE.items()}


def boosting_at(point: Point, given: Boosting) -> Boosting:
    """Raises pydantic.ValidationError: the point isn't in the space."""
    return Boosting.model_validate({**given.model_dump(), **point})
