"""The flow ``deploy``: what Prefect has of use cases is brought to what their folder has."""

from typing import Any

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed

from trainer.deployment.use_cases import deploy_use_cases
from trainer.flows.outside import settings


@flow(name="deploy", retries=2, retry_delay_seconds=10)
def deploy() -> State[Any]:
    """Deploys the use cases that are new or have changed, and takes away those whose folder is gone.

    A use case with a broken file is named, with what is wrong, and keeps no other from being deployed.
    """
    with get_client(sync_client=True) as prefect:
        found = deploy_use_cases(settings().usecases, prefect)
    for broken in found.broken:
        get_run_logger().error("a use case can't be deployed:\n%s", broken)
    names = ", ".join(declaration.name for declaration in found.sound) or "none"
    broken_ones = f"; can't be deployed: {', '.join(each.file for each in found.broken)}" if found.broken else ""
    return Completed(message=f"use cases: {names}{broken_ones}")
