"""Tells people how a run ended, through a Prefect notification block."""

from typing import Protocol, cast

from prefect.blocks.core import Block

from trainer.deployment.notification import WEBHOOK_BLOCK
from trainer.settings import Settings


class Notifier(Protocol):
    """Slack, Teams, Discord, a webhook, …: Prefect's notification blocks."""

    def notify(self, body: str, subject: str | None = None) -> object: ...


def configured_block(settings: Settings) -> str | None:
    """The block that results go to, as ``type/name``."""
    return settings.notify_block or (WEBHOOK_BLOCK if settings.notify_webhook_url else None)


def send(block: str, subject: str, body: str) -> None:
    """Sends through a block that is saved in Prefect.

    Raises:
        ValueError: there is no such block.
    """
    notifier = cast("Notifier", Block.load(block))
    notifier.notify(body, subject)
