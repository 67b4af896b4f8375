"""The warehouse's schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def migrate(config: Path) -> None:
    """Brings the warehouse to the newest schema; ``config`` is its alembic.ini, the URL comes from the environment.

    Raises:
        FileNotFoundError: no such file.
    """
    if not config.is_file():
        raise FileNotFoundError(f"{config}: no Alembic configuration (setting TRAINER_MIGRATIONS)")
    command.upgrade(Config(str(config)), "head")
