"""Where searches are kept: Optuna's tables, in a schema of the warehouse."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import optuna
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import make_url

from trainer.data.locking import locked
from trainer.data.warehouse import connect
from trainer.modelling.parameters import Boosting
from trainer.search.limit import Limit
from trainer.search.study import USED_AT, Study

SCHEMA = "optuna"

KEPT = timedelta(days=14)
"""How long after its last run a search can be gone on with."""

PREPARING_SECONDS = 60
"""For another program to have made Optuna's tables."""


@contextmanager
def studies(warehouse_url: str) -> Iterator[RDBStorage]:
    """Optuna's storage, its tables made or brought up to date first.

    Args:
        warehouse_url: ``postgresql://user:password@host:port/warehouse``, whose migrations have made the schema.

    Raises:
        psycopg2.OperationalError, sqlalchemy.exc.OperationalError: the database can't be reached.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Optuna's tables have no schema in their names; psycopg2 is named since SQLAlchemy's own choice differs
    url = make_url(warehouse_url).set(drivername="postgresql+psycopg2")
    url = url.update_query_dict({"options": f"-csearch_path={SCHEMA}"})
    # Optuna makes its tables without asking whether somebody else is at it
    with connect(warehouse_url) as connection, locked(connection, f"tables:{SCHEMA}", PREPARING_SECONDS):
        storage = RDBStorage(
            url.render_as_string(hide_password=False), {"pool_pre_ping": True}, skip_compatibility_check=True
        )
        if storage.get_current_version() != storage.get_head_version():
            storage.upgrade()
    try:
        yield storage
    finally:
        storage.engine.dispose()


@contextmanager
def kept_study(warehouse_url: str, name: str, given: Boosting, seed: int, limit: Limit) -> Iterator[tuple[Study, bool]]:
    """A search's study, and whether this program may go on with it: until the limit it waits for another that is at it.

    Args:
        name, given, seed: as ``Study`` takes them.
    """
    with studies(warehouse_url) as storage, connect(warehouse_url) as connection:
        forget_older(storage, KEPT)
        # the lock ends with its holder, so whoever has it knows that trials which seem to run have lost their process
        with locked(connection, f"search:{name}", limit.seconds_left) as alone:
            yield Study(storage, name, given, seed), alone


def forget_older(storage: BaseStorage, age: timedelta) -> int:
    """Deletes searches that nobody has begun or resumed for so long; how many."""
    oldest = (datetime.now(UTC) - age).isoformat()
    old = [
        found.study_name
        for found in optuna.get_all_study_summaries(storage, include_best_trial=False)
        # one without has been made this very moment
        if found.user_attrs.get(USED_AT, oldest) < oldest
    ]
    for name in old:
        optuna.delete_study(study_name=name, storage=storage)
    return len(old)
