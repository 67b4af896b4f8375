"""Names of the events by which one flow starts another; the automations between them are made when deploying."""

DRIFTED = "roundhouse.model.drifted"
DECAYED = "roundhouse.model.decayed"
WANTED = "roundhouse.retraining.wanted"


def resource(model: str) -> str:
    """What the events of a model are about."""
    return f"roundhouse.model.{model}"
