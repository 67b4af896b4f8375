"""MLflow's own tables, after an upgrade of MLflow or the restore of an older backup."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine


def bring_up_to_date(database: str) -> bool:
    """Runs the migrations that a database lacks; MLflow's server only refuses to start.

    Args:
        database: SQLAlchemy's address; an empty one is left to MLflow, which makes all tables at once.

    Returns:
        Whether there were any.

    Raises:
        CalledProcessError: ``mlflow db upgrade`` failed, and has said why.
    """
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    if current in (None, newest()):
        return False
    subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", database], check=True)
    return True


def newest() -> str | None:
    """The last of the installed MLflow's migrations; found without importing MLflow, which takes seconds."""
    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    return ScriptDirectory(str(Path(spec.origin).parent / "store" / "db_migrations")).get_current_head()
