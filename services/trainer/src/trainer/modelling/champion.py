"""Is a candidate better than the champion?"""

from dataclasses import dataclass

import pyarrow as pa
from contract.booster import LoadedModel

from trainer.modelling.evaluation import measure
from trainer.modelling.examples import featurise


@dataclass(frozen=True)
class Comparison:
    """RMSE of both on the same rows, in the outcome's unit."""

    candidate: float
    champion: float

    @property
    def better(self) -> bool:
        return self.candidate < self.champion

    def __str__(self) -> str:
        verdict = "beats" if self.better else "does not beat"
        return f"holdout RMSE {self.candidate:.3f} {verdict} the champion's {self.champion:.3f}"


def compare(candidate: LoadedModel, champion: LoadedModel, holdout: pa.Table) -> Comparison:
    """Judges both on the same rows, each through its own contract, never by a figure of an earlier run.

    Raises:
        InvalidInput: the holdout isn't what the champion's contract takes.
    """
    return Comparison(_rmse(candidate, holdout), _rmse(champion, holdout))


def _rmse(model: LoadedModel, holdout: pa.Table) -> float:
    examples = featurise(model.contract, holdout)
    return measure(examples.outcome, model.predict(examples.features)).rmse
