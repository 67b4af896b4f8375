"""Alarms as events in Prefect, which automations act on."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from trainer.flows.events import DECAYED, DRIFTED, resource
from trainer.monitoring.monitoring import Monitoring


@task(name="announce", task_run_name="announce", cache_policy=NO_CACHE)
def announce(monitoring: Monitoring) -> None:
    """An event for drift and one for decay; none without an alarm."""
    for event, alarms in ((DRIFTED, monitoring.drifted), (DECAYED, monitoring.decayed)):
        if alarms:
            emit_event(event, {"prefect.resource.id": resource(monitoring.model)}, payload=payload(monitoring))


def payload(monitoring: Monitoring) -> dict[str, Any]:
    """What an automation can use; of JSON's types alone."""
    return {
        "model": monitoring.model,
        "version": monitoring.version,
        "monitoring_id": monitoring.id,
        "since": monitoring.window.since.isoformat(),
        "until": monitoring.window.until.isoformat(),
        "rows": monitoring.rows,
        "outcomes": monitoring.outcomes,
        "message": monitoring.message,
        "fields": monitoring.fields,
        "errors": [alarm.model_dump(include={"name", "measure", "value", "expected"}) for alarm in monitoring.decayed],
    }
