"""Who does something, for the ledger."""

from prefect import runtime


def this_run() -> str:
    """The flow run that is under way, so that a person finds it in the Prefect UI."""
    return f"flow run {runtime.flow_run.flow_name}/{runtime.flow_run.name} ({runtime.flow_run.id})"
