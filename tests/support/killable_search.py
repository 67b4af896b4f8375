"""A search as a process of its own, which a test kills: ``killable_search.py <warehouse URL> <ended trials>``.

It says each trial that has ended, and after as many as wanted it waits for ever, with another one under way.
"""

import sys
import threading

import numpy as np
from trainer.modelling.examples import Examples
from trainer.modelling.fit import Matrices
from trainer.modelling.parameters import Boosting
from trainer.search.limit import Limit
from trainer.search.outcome import Tried
from trainer.search.search import search
from trainer.search.storage import kept_study

NAME = "trip-duration-0"
GIVEN = Boosting(max_rounds=40, early_stopping_rounds=5)
SEED = 1
TRIALS = 6


def examples(rows: int) -> Examples:
    random = np.random.default_rng(rows)
    features = random.normal(size=(rows, 4)).astype(np.float32)
    outcome = features[:, 0] ** 2 + features[:, 1] * features[:, 2] + random.normal(size=rows).astype(np.float32)
    return Examples(features, outcome, ["a", "b", "c", "d"])


def matrices() -> Matrices:
    return Matrices.of(examples(2_000), examples(500))


def main() -> None:
    url, count = sys.argv[1], int(sys.argv[2])
    ended = 0

    def say(trial: Tried) -> None:
        nonlocal ended
        ended += 1
        sys.stdout.write(f"{trial.number}\n")
        sys.stdout.flush()
        if ended == count:
            threading.Event().wait()

    limit = Limit(600)
    with kept_study(url, NAME, GIVEN, SEED, limit) as (study, _):
        search(study, matrices(), SEED, TRIALS, 2, limit, say)


if __name__ == "__main__":
    main()
