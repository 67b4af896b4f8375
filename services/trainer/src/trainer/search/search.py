"""Tries parameters, several at a time, until there are as many trials as wanted or the time is over."""

import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import optuna

from trainer.modelling.fit import Matrices
from trainer.search.attempt import attempt
from trainer.search.limit import Limit
from trainer.search.outcome import Result, Tried
from trainer.search.study import Study


def search(
    study: Study,
    matrices: Matrices,
    seed: int,
    trials: int,
    parallel: int,
    limit: Limit,
    ended: Callable[[Tried], None],
) -> None:
    """Brings a study to ``trials`` trials that have ended, if the limit lets it.

    Args:
        seed: of everything random in fitting.
        ended: told of each trial, in this thread.

    Raises:
        optuna.exceptions.StorageInternalError: the study can't be reached; what was under way is taken up by the next
            search in it.
    """
    for left in study.resume():
        ended(left)
    threads = max((os.cpu_count() or 1) // parallel, 1)

    running: dict[Future[Result], optuna.Trial] = {}
    with ThreadPoolExecutor(parallel, thread_name_prefix="trial") as pool:
        try:
            while True:
                while len(running) < parallel and study.done + len(running) < trials and not limit.over:
                    trial = study.ask()
                    boosting, given = study.boosting_of(trial), study.is_given(trial)
                    # the given parameters are what others are measured by: they always come to their end
                    fit = pool.submit(attempt, trial, boosting, matrices, seed, threads, limit, prune=not given)
                    running[fit] = trial
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    ended(study.tell(running.pop(future), future.result()))
        finally:
            # a cancelled flow run, for one, doesn't wait for its trials
            limit.end()
