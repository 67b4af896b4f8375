"""What differs from use case to use case, by the name of its model."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from trainer.flows.outside import settings
from trainer.gate.judge import Holdout
from trainer.usecase import cuts, folder
from trainer.usecase import judging as tables
from trainer.usecase.declaration import Declaration
from trainer.usecases.trips import judging as trips
from trainer.usecases.trips.fields import MODEL_NAME
from trainer.usecases.trips.slices import slices as slices_of_trips


def find(name: str) -> Declaration:
    """A use case by its declaration.

    Raises:
        NoSuchUseCase, BadDeclaration: it can't be used.
    """
    return folder.find(settings().usecases, name)


def root() -> Path:
    """What the paths in declarations are relative to."""
    return settings().usecases.absolute().parent


def slices_of(model: str, rows: pa.Table) -> dict[str, Sequence[str]]:
    """The part that each clean row belongs to, by the way of cutting."""
    return slices_of_trips(rows) if model == MODEL_NAME else cuts.slices(find(model), rows)


def holdout_of(model: str, training: pa.Table | None, judged: pa.Table) -> Holdout:
    """Clean rows that judge, with what baselines that learnt from the clean training rows, if any, say of them."""
    if model == MODEL_NAME:
        return trips.holdout_of(training, judged)
    return tables.holdout_of(find(model), training, judged)
