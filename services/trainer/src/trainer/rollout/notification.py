"""Tells people how a run ended, through a Prefect notification block."""

from typing import Protocol, cast

from prefect.blocks.core import Block

WEBHOOK_BLOCK = "custom-webhook/training"
"""The block that the setting of a webhook makes."""


class Notifier(Protocol):
    """Slack, Teams, Discord, a webhook, …: Prefect's notification blocks."""

    def notify(self, body: str, subject: str | None = None) -> object: ...


def send(block: str, subject: str, body: str) -> None:
    """Sends through a block that is saved in Prefect.

    Raises:
        ValueError: there is no such block.
    """
    notifier = cast("Notifier", Block.load(block))
    notifier.notify(body, subject)
