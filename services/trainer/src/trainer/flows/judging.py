"""A candidate beside a champion that may have learnt from rows of the holdout."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pyarrow as pa
from contract import ContractError
from contract.booster import LoadedModel, load

from trainer.data.months import Month
from trainer.data.source import Service, SourceName
from trainer.flows.plan import Holdout
from trainer.flows.usecases import holdout_of
from trainer.gate.judge import Contestant, judge
from trainer.gate.terms import Terms
from trainer.gate.verdict import Verdict
from trainer.modelling.examples import split_at
from trainer.registry.champion import CHAMPION, LearntFrom, NoSuchVersion, Registry


@dataclass(frozen=True)
class Share:
    """What judges of a holdout."""

    table: pa.Table
    left_out: int = 0
    """Rows of the holdout that don't judge, since the champion has learnt from them."""
    champion_saw: int = 0
    """Rows of the table that it has learnt from."""


class Judged(Protocol):
    """Rows that may judge."""

    @property
    def table(self) -> pa.Table:
        """All of them, clean."""

    def beside(self, champion: LearntFrom, least_rows: int) -> Share:
        """Those that judge where a champion may have learnt from some."""


@dataclass(frozen=True)
class JudgingRows:
    """Clean trips of a holdout."""

    source: SourceName
    service: Service
    holdout: Holdout
    table: pa.Table

    def beside(self, champion: LearntFrom, least_rows: int) -> Share:
        """The rows that the champion hasn't learnt from, if they are enough to judge by, or else all.

        A model is better on what it has learnt from, so a champion that has seen the holdout is harder to beat than it
        should be.
        """
        seen, unseen = split_at(self.table, "pickup_at", self.unseen_from(champion))
        if unseen.num_rows >= least_rows:
            return Share(unseen, left_out=seen.num_rows)
        return Share(self.table, champion_saw=seen.num_rows)

    def unseen_from(self, learnt: LearntFrom) -> datetime:
        """The first moment from which on a version has learnt from none of the holdout: its end if it saw all of it."""
        others = learnt.source not in (None, self.source) or learnt.service not in (None, self.service)
        if others or str(self.holdout.month) not in learnt.months:
            return self.holdout.start
        back = held_back(learnt)
        if back is None or back.month != self.holdout.month:
            return self.holdout.month.end
        return max(back.start, self.holdout.start)


def held_back(learnt: LearntFrom) -> Holdout | None:
    """The days of its last month that a version hasn't learnt from."""
    return (
        Holdout(Month.parse(learnt.months[-1]), learnt.holdout_days) if learnt.months and learnt.holdout_days else None
    )


def judge_beside_champion(
    versions: Registry,
    version: str,
    contender: LoadedModel,
    training: pa.Table | None,
    judged: Judged,
    terms: Terms,
    seed: int,
    notes: Sequence[str],
) -> Verdict:
    """Judges a contender on a holdout that it hasn't learnt from.

    Raises:
        InvalidInput: the rows aren't what its contract takes.
    """
    champion, share, said = _champion(versions, judged, terms.least_rows)
    contestant = _contestant(version, contender, share.table)
    verdict = judge(
        holdout_of(versions.model, training, share.table), contestant, champion, terms, seed, [*notes, *said]
    )
    return verdict.model_copy(update={"left_out": share.left_out, "champion_saw": share.champion_saw})


def _champion(versions: Registry, judged: Judged, least_rows: int) -> tuple[Contestant | None, Share, Sequence[str]]:
    """With the rows that judge beside it; None, and the reason, where there is none that can be used."""
    version = versions.version_of(CHAMPION)
    if version is None:
        return None, Share(judged.table), []
    learnt = _learnt_from(versions, version)
    share = judged.beside(learnt, least_rows)
    with TemporaryDirectory() as folder:
        try:
            champion = _contestant(version, load(versions.download(version, Path(folder))), share.table)
        except ContractError as error:
            return None, Share(judged.table), [f"the champion, version {version}, can't be used: {error}"]
    return (
        champion,
        share,
        [] if learnt.months else [f"what the champion, version {version}, has learnt from isn't known"],
    )


def _learnt_from(versions: Registry, version: str) -> LearntFrom:
    try:
        return versions.learnt_from(version)
    except NoSuchVersion:
        # its run has been deleted
        return LearntFrom(None, None, [])


def _contestant(version: str, model: LoadedModel, judged: pa.Table) -> Contestant:
    """Raises InvalidInput: the rows aren't what the model's contract takes."""
    return Contestant(version, model.predict(model.contract.matrix(judged)))
