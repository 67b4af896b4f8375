"""Searches in the warehouse: what is kept of them, who may go on with one, and for how long."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import killable_search
import optuna
from killable_search import GIVEN, NAME, SEED, TRIALS, matrices
from trainer.data.warehouse import connect
from trainer.search.limit import Limit
from trainer.search.outcome import Result, Tried
from trainer.search.search import search
from trainer.search.storage import forget_older, kept_study, studies
from trainer.search.study import USED_AT, Study


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
