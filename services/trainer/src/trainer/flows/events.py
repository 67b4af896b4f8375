"""Names of the events by which one flow starts another; the automations between them are made when deploying."""

from trainer.usecases.trips.fields import MODEL_NAME

DRIFTED = "roundhouse.model.drifted"
DECAYED = "roundhouse.model.decayed"
WANTED = "roundhouse.retraining.wanted"

RESOURCE = f"roundhouse.model.{MODEL_NAME}"
"""What they are about."""
