"""Searches in the warehouse: what is kept of them, who may go on with one, and for how long."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import killable_search
import optuna
import psycopg2
import pytest
import sqlalchemy.exc
from embedded import postgres
from killable_search import GIVEN, NAME, SEED, TRIALS, examples, matrices
from prefect.logging import disable_run_logger
from prefect.states import Failed
from trainer.data.checkpoints import Checkpoint
from trainer.data.warehouse import connect
from trainer.flows.handover import CleanRows, FeatureSet
from trainer.flows.steps import search as step
from trainer.registry.nested import NestedRun
from trainer.search.limit import Limit
from trainer.search.outcome import Result, Tried
from trainer.search.search import search
from trainer.search.storage import forget_older, kept_study, studies
from trainer.search.study import USED_AT, Study
from training_steps import MemoryRun, settings_for

pytestmark = pytest.mark.thorough

NOTHING: Any = None
UNREACHABLE = (optuna.exceptions.StorageInternalError, psycopg2.OperationalError, sqlalchemy.exc.OperationalError)


def gone_on_with(url: str, seconds: float = 60) -> tuple[list[Tried], list[Tried]]:
    """What a run of the search tries, and all that has been tried."""
    now, limit = list[Tried](), Limit(seconds)
    with kept_study(url, NAME, GIVEN, SEED, limit) as (study, alone):
        assert alone
        search(study, matrices(), SEED, TRIALS, 1, limit, now.append)
        return now, study.tried()


def test_a_search_that_was_killed_is_gone_on_with_and_what_is_done_is_not_done_again(url: str) -> None:
    arguments = [sys.executable, killable_search.__file__, url, "3"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        before = [int(process.stdout.readline()) for _ in range(3)]
        process.kill()
    now, tried = gone_on_with(url)

    (left,) = [trial for trial in tried if trial.ending == "interrupted"]
    done = [trial for trial in tried if trial.ending != "interrupted"]
    assert {trial.number for trial in tried if trial not in now} == set(before)
    assert len(done) == TRIALS
    assert now[0] == left
    assert now[1].boosting == left.boosting
    assert len({trial.boosting for trial in done}) == TRIALS
    assert sum(trial.given for trial in done) == 1


@dataclass
class Warehouse:
    """A database that can be gone for a while, as when its server is: nobody keeps a connection or gets one."""

    server: postgres.Server
    name: str

    def go_away(self) -> None:
        self._do(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")
        self._do(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{self.name}'")  # noqa: S608

    def come_back(self) -> None:
        self._do(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")

    def _do(self, statement: str) -> None:
        with closing(psycopg2.connect(self.server.url(postgres.SUPERUSER))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)


@dataclass
class Runs:
    """Trials that one try of the step has told of; after the last that it may tell of, the warehouse goes away."""

    warehouse: Warehouse
    most: int | None = None
    told: list[NestedRun] = field(default_factory=list)
    problem: str | None = None

    def log(self, run: NestedRun) -> None:
        self.told.append(run)
        if len(self.told) == self.most:
            self.warehouse.go_away()


def test_a_search_whose_postgres_goes_away_is_tried_again_and_goes_on(
    server: postgres.Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Checkpoint(path=tmp_path / "trips.parquet", digest="0" * 64, rows=2_500)
    found = FeatureSet(folder=tmp_path, rows=CleanRows(training=rows, holdout=rows, left_out={}))
    examples(2_000).write(found.fit)
    examples(500).write(found.validation)
    warehouse = Warehouse(server, url.rpartition("/")[2])
    monkeypatch.setattr(step, "training_run", MemoryRun)
    monkeypatch.setattr(step, "create_markdown_artifact", lambda *_, **__: None)

    def try_once(runs: Runs) -> None:
        monkeypatch.setattr(step, "logging_below", lambda *_: nullcontext(runs))
        with settings_for(tmp_path, monkeypatch, url), disable_run_logger():
            step.search.fn("run", found, GIVEN, TRIALS, 60, 2, SEED)

    first, second, third = Runs(warehouse, most=2), Runs(warehouse), Runs(warehouse)
    for runs in (first, second):
        with pytest.raises(UNREACHABLE) as raised:
            try_once(runs)
        assert step.search.retry_condition_fn is not None
        assert step.search.retry_condition_fn(NOTHING, NOTHING, Failed(data=raised.value))
    warehouse.come_back()
    try_once(third)

    assert step.search.retries == 3
    assert (len(first.told), second.told) == (2, [])
    assert not {run.name for run in first.told} & {run.name for run in third.told}
    done = [run for run in first.told + third.told if run.tags["trial"] != "interrupted"]
    assert len(done) == len({tuple(run.parameters.items()) for run in done}) == TRIALS


def test_another_run_of_the_same_search_waits_and_finds_what_the_first_has_done(url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(gone_on_with, url) for _ in range(2)]
        (tried, all_tried), (tried_too, all_too) = (run.result() for run in runs)

    assert sorted([len(tried), len(tried_too)]) == [0, TRIALS]
    assert all_tried == all_too


def test_who_has_waited_in_vain_may_read_what_has_been_found(url: str) -> None:
    with kept_study(url, NAME, GIVEN, SEED, Limit(60)) as (study, _):
        study.resume()
        found = study.tell(study.ask(), Result("complete", 7, 1.5))
        with kept_study(url, NAME, GIVEN, SEED, Limit(0.1)) as (same, alone):
            assert not alone
            assert same.tried() == [found]


def test_optuna_s_tables_stand_apart_and_are_made_once(url: str) -> None:
    start = threading.Barrier(3)

    def make(_: int) -> list[str]:
        start.wait()
        with studies(url) as storage:
            return [found.study_name for found in optuna.get_all_study_summaries(storage)]

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(make, range(3))) == [[], [], []]
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename IN ('studies', 'trials', 'version_info')"
        )
        assert cursor.fetchall() == [("optuna",)]
        cursor.execute("SELECT count(*) FROM public.alembic_version")
        assert cursor.fetchall() == [(1,)]


def test_a_search_that_nobody_went_on_with_is_forgotten_with_its_trials(url: str) -> None:
    with studies(url) as storage:
        for name in ("old", "young"):
            study = Study(storage, name, GIVEN, SEED)
            study.resume()
            study.tell(study.ask(), Result("complete", 7, 1.5))
        optuna.load_study(study_name="old", storage=storage).set_user_attr(USED_AT, "2026-01-01T00:00:00+00:00")

        assert forget_older(storage, timedelta(days=14)) == 1
        assert [found.study_name for found in optuna.get_all_study_summaries(storage)] == ["young"]
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM optuna.trials")
        assert cursor.fetchone() == (1,)


def test_tables_of_an_older_optuna_are_brought_up_to_date(url: str) -> None:
    with studies(url) as storage:
        head = storage.get_head_version()
    with connect(url) as connection, connection, connection.cursor() as cursor:
        cursor.execute("UPDATE optuna.alembic_version SET version_num = 'v3.0.0.d'")
    with studies(url) as storage:
        assert storage.get_current_version() == head
