"""The Prefect block that results are sent through."""

from prefect.blocks.notifications import CustomWebhookNotificationBlock

from trainer.rollout.notification import WEBHOOK_BLOCK


def save_webhook(url: str) -> None:
    """Keeps a webhook as the block ``custom-webhook/training``; its payload's ``text`` is what chat services show."""
    _, name = WEBHOOK_BLOCK.split("/")
    block = CustomWebhookNotificationBlock(
        name=name, url=url, json_data={"title": "{{subject}}", "text": "{{subject}}\n{{body}}"}
    )
    block.save(name, overwrite=True)
