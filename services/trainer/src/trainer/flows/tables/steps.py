"""The steps of a table's training: which rows, cleaned, as features, and the gate."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from contract import ContractError
from contract.booster import load
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from trainer.data.checkpoints import write_checkpoint
from trainer.data.errors import DataError
from trainer.flows.caching import CACHED, source_digest
from trainer.flows.handover import Candidate, CleanRows, FeatureSet, Registered
from trainer.flows.judging import Share, judge_beside_champion
from trainer.flows.outside import connected_warehouse, registry, settings, spill_folder
from trainer.flows.retrying import RETRIES, unless
from trainer.flows.steps.judgement import log_verdict, publish_verdict
from trainer.flows.steps.preparation import write_features
from trainer.flows.usecases import find
from trainer.gate.terms import Terms
from trainer.gate.verdict import Verdict
from trainer.registry.artifacts import ForeignArtifacts
from trainer.registry.champion import LearntFrom, NoSuchVersion
from trainer.usecase import warehouse
from trainer.usecase.cleaning import clean_parts
from trainer.usecase.contracts import fit_contract
from trainer.usecase.declaration import Declaration
from trainer.usecase.folder import digest_of
from trainer.usecase.periods import Period, select
from trainer.usecase.planning import NoPlan, plan, spelt
from trainer.usecase.sampling import most_rows
from trainer.usecase.splitting import ordered, split_by_key

NOT_DRAWN = "not_drawn"
"""Why most of a large table's rows don't train: see ``train.most_rows``."""
LEAST_ROWS = 20
"""To learn from: early stopping and the interval each need a tenth of them."""


class TooFewRows(DataError):
    """Too few rows are left to learn from, or to be judged on."""


class Split(BaseModel):
    """Which rows train and which judge."""

    model_config = ConfigDict(frozen=True)

    kind: str
    training: list[str]
    """Periods, in order."""
    holdout: list[str]
    """Periods that judge; empty where rows are chosen by their key."""
    state: str
    """Names the rows of these periods as the warehouse has them."""
    declared: str
    """Names what the declaration makes of them: part of the keys of the caches."""

    def __str__(self) -> str:
        if not self.holdout:
            return "all rows, split by key"
        return f"{_ends(self.training)} → {_ends(self.holdout)}"

    def periods(self, declaration: Declaration) -> list[Period]:
        return [Period.parse(text, declaration.table.period) for text in [*self.training, *self.holdout]]


class TableRows:
    """Clean rows of a holdout, as the gate asks for them."""

    def __init__(self, declaration: Declaration, table: pa.Table, periods: Sequence[str], source: str) -> None:
        self.table = table
        self._declaration = declaration
        self._periods = periods
        self._source = source

    def beside(self, champion: LearntFrom, least_rows: int) -> Share:
        """The rows of periods that the champion hasn't learnt from, if they are enough to judge by, or else all.

        Rows that are chosen by their key judge every model, and none has learnt from them.
        """
        learnt = [text for text in champion.months if text in self._periods]
        if not learnt or champion.source not in (None, self._source):
            return Share(self.table)
        kind = self._declaration.table.period
        days = pa.array([Period.parse(text, kind).first_day for text in learnt])
        seen = pc.is_in(self.table["_period"], value_set=days)
        unseen = self.table.filter(pc.invert(seen))
        if unseen.num_rows >= least_rows:
            return Share(unseen, left_out=self.table.num_rows - unseen.num_rows)
        return Share(self.table, champion_saw=self.table.num_rows - unseen.num_rows)


@task(
    name="find split",
    task_run_name="find split",
    cache_policy=NO_CACHE,
    retry_condition_fn=unless(DataError),
    **RETRIES,
)
def find_split(usecase: str, source: str, periods: list[str] | None, holdout: list[str] | None) -> Split:
    """Which of the periods in the warehouse train and which judge.

    Raises:
        NoPlan: there are too few, or those that are named can't be.
    """
    declaration = find(usecase)
    kind = declaration.table.period
    with connected_warehouse() as connection:
        loaded = {load.period: load for load in warehouse.loads(connection, declaration, source)}
    judging: list[Period] = []
    if kind == "all":
        training = sorted(loaded)
    elif periods or holdout:
        training, judging = _named(declaration, loaded, periods, holdout)
    else:
        found = plan(
            {period: load.counted.accepted for period, load in loaded.items()},
            declaration.train.last,
            declaration.judge.holdout,
        )
        if found.left_out:
            get_run_logger().info("few rows: %s is left out", ", ".join(map(str, found.left_out)))
        training, judging = list(found.training), list(found.holdout)
    state = [f"{period}:{loaded[period].digest}" for period in [*training, *judging]]
    return Split(
        kind=kind,
        training=[*map(str, training)],
        holdout=[*map(str, judging)],
        state=",".join(state),
        declared=digest_of(declaration),
    )


@task(name="prepare", task_run_name="prepare", result_serializer="json", **RETRIES, **CACHED)
def prepare(usecase: str, source: str, split: Split) -> CleanRows:
    """Training rows and holdout, clean, as files; training rows in the order in which the later ones watch."""
    declaration = find(usecase)
    used, left_out = _clean_rows(declaration, source, split.periods(declaration))
    get_run_logger().info("kept %s rows; left out: %s", f"{used.num_rows:,}", left_out or "none")
    if split.holdout:
        days = [Period.parse(text, declaration.table.period).first_day for text in split.holdout]
        judges = pc.is_in(used["_period"], value_set=pa.array(days))
        training, holdout = used.filter(pc.invert(judges)), used.filter(judges)
    else:
        training, holdout = split_by_key(declaration, used)
    if training.num_rows < LEAST_ROWS or not holdout.num_rows:
        raise TooFewRows(
            f"{training.num_rows} rows are left to learn from, at least {LEAST_ROWS} are needed, and"
            f" {holdout.num_rows} to be judged on; left out: {left_out or 'none'}"
        )
    storage = settings().storage
    return CleanRows(
        training=write_checkpoint(storage, ordered(declaration, training)),
        holdout=write_checkpoint(storage, holdout),
        left_out=left_out,
    )


def _clean_rows(declaration: Declaration, source: str, periods: Sequence[Period]) -> tuple[pa.Table, dict[str, int]]:
    """The rows of periods that are used, and how many aren't, by reason."""
    kept, left_out, drawn = [], Counter[str](), 0
    with (
        connected_warehouse() as connection,
        warehouse.opened_extract(
            connection, declaration, source, periods, most_rows(declaration), spill_folder()
        ) as found,
    ):
        for used, reasons in clean_parts(declaration, found.parts, found.schema):
            kept.append(used)
            left_out += reasons
            drawn += used.num_rows + reasons.total()
    if drawn < found.rows:
        left_out[NOT_DRAWN] = found.rows - drawn
    return pa.concat_tables(kept), dict(left_out.most_common())


@task(name="features", task_run_name="features", result_serializer="json", **CACHED)
def features(usecase: str, declared: str, rows: CleanRows) -> FeatureSet:
    """Each split as the matrix that the booster sees."""
    declaration = find(usecase)
    folder = settings().storage / "features" / rows.digest / f"{source_digest()[:12]}-{declared[:12]}"
    found = FeatureSet(folder=folder, rows=rows)
    training, holdout = pq.read_table(rows.training.path), pq.read_table(rows.holdout.path)
    write_features(found, partial(fit_contract, declaration), training, holdout)
    return found


@task(name="gate", task_run_name="gate", cache_policy=NO_CACHE, **RETRIES)
def gate_table(
    registered: Registered, candidate: Candidate, found: FeatureSet, source: str, split: Split, terms: Terms, seed: int
) -> Verdict:
    """Candidate and champion, each out of its bundle and through its own contract, on rows that neither has seen."""
    declaration = find(registered.model)
    training = pq.read_table(found.rows.training.path)
    judged = TableRows(declaration, pq.read_table(found.rows.holdout.path), split.holdout, source)
    verdict = judge_beside_champion(
        registry(registered.model), registered.version, load(candidate.bundle), training, judged, terms, seed, []
    )
    publish_verdict(verdict, f"{registered.model}-gate")
    log_verdict(verdict, candidate)
    return verdict


@task(
    name="gate",
    task_run_name="gate version {version}",
    cache_policy=NO_CACHE,
    retry_condition_fn=unless(DataError, ContractError, ForeignArtifacts, NoSuchVersion),
    **RETRIES,
)
def gate_registered_table(
    model: str, version: str, rows: CleanRows, source: str, split: Split, terms: Terms, seed: int
) -> Verdict:
    """The same for a version that is registered already. It may have learnt from rows that judge: then it is refused.

    Raises:
        NoPlan: the version has learnt from periods that judge.
    """
    declaration, versions = find(model), registry(model)
    learnt = versions.learnt_from(version)
    if seen := [text for text in learnt.months if text in split.holdout]:
        raise NoPlan(
            f"version {version} has learnt from {', '.join(seen)}, which can't judge it; choose another holdout"
        )
    training = pq.read_table(rows.training.path)
    judged = TableRows(declaration, pq.read_table(rows.holdout.path), split.holdout, source)
    with TemporaryDirectory() as folder:
        contender = load(versions.download(version, Path(folder)))
        verdict = judge_beside_champion(versions, version, contender, training, judged, terms, seed, [])
    publish_verdict(verdict, f"{model}-gate")
    return verdict


def _named(
    declaration: Declaration,
    loaded: dict[Period, warehouse.Load],
    periods: list[str] | None,
    holdout: list[str] | None,
) -> tuple[list[Period], list[Period]]:
    kind = declaration.table.period
    there = sorted(loaded)
    judging = select(there, holdout or [], kind)
    training = select(there, periods or [], kind)
    if not judging:
        judging = [period for period in there if period > training[-1]][: declaration.judge.holdout]
    if not training and judging:
        training = [period for period in there if period < judging[0]][-declaration.train.last :]
    absent = [period for period in [*training, *judging] if period not in loaded]
    if absent or not training or not judging or training[-1] >= judging[0]:
        said = f"there is {spelt(there) or 'none'}"
        if absent:
            raise NoPlan(f"the source has no {', '.join(map(str, absent))}: {said}")
        raise NoPlan(f"the holdout must come after all training periods, and both must be there: {said}")
    return training, judging


def _ends(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{texts[0]}..{texts[-1]}"
