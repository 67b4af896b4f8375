"""What happens when a flow run fails."""

from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from trainer.flows.outside import notification_block
from trainer.rollout.notification import send


def tell_of_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Sends a notification of a run that failed or crashed, if one is configured."""
    block = notification_block()
    # a subflow's failure is its parent's to tell of
    if block and flow_run.parent_task_run_id is None:
        send(block, f"Flow {flow.name} failed: run {flow_run.name}", state.message or state.name or "no reason given")
