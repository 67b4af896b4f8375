"""MLflow's tables of an older release."""

from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from sqlalchemy import create_engine, text
from tracking.schema import bring_up_to_date, newest

pytestmark = pytest.mark.thorough


def test_tables_of_an_older_release_are_migrated(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    engine = create_engine(database)
    InitialBase.metadata.create_all(engine)
    config = _get_alembic_config(database)
    head = newest()
    assert head is not None
    before = ScriptDirectory.from_config(config).get_revision(head).down_revision
    command.upgrade(config, str(before))
    assert bring_up_to_date(database)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == head
    assert not bring_up_to_date(database)


def test_an_empty_database_is_left_to_mlflow(tmp_path: Path) -> None:
    assert not bring_up_to_date(f"sqlite:///{tmp_path / 'empty.db'}")
