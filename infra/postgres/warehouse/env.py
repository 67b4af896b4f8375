"""How Alembic reaches the warehouse."""

import os
from logging.config import fileConfig

from alembic import context
from sqlalchemy import create_engine, pool, text

LOCK = 7_246_001
"""Advisory lock of migrations: two deployments at once run them one after the other."""


def url() -> str:
    """The trainer's setting, with the driver named: SQLAlchemy's own choice differs between its releases."""
    return os.environ["TRAINER_WAREHOUSE_URL"].replace("postgresql://", "postgresql+psycopg2://", 1)


def migrate() -> None:
    with create_engine(url(), poolclass=pool.NullPool).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.configure(connection=connection)
        context.run_migrations()


def write_sql() -> None:
    """What ``alembic upgrade --sql`` prints instead of running it."""
    context.configure(dialect_name="postgresql", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
if context.is_offline_mode():
    write_sql()
else:
    migrate()
