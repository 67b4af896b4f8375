"""The trainer's programs.

``python -m trainer deploy``: the warehouse's schema, work pool, deployments, automations, the first training.
``python -m trainer worker``: the worker that runs flows.
"""

import argparse
import logging
from collections.abc import Callable

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from trainer.deployment.automations import create_automations
from trainer.deployment.deployments import DEPLOYMENTS, create_work_pool, deploy
from trainer.deployment.first_training import start_first_training
from trainer.deployment.migrations import migrate
from trainer.deployment.notification import save_webhook
from trainer.deployment.readiness import wait_for_prefect
from trainer.deployment.use_cases import deploy_use_cases
from trainer.flows.missed import skip_missed
from trainer.flows.outside import notification_block, registry, settings
from trainer.registry.champion import CHAMPION
from trainer.worker.start import run_worker

log = logging.getLogger("trainer.deploy")


def main() -> None:
    """Runs the command that the arguments name."""
    parser = argparse.ArgumentParser(prog="trainer", description=__doc__)
    commands: dict[str, Callable[[], None]] = {"deploy": run_deploy, "worker": run_worker}
    parser.add_argument("command", choices=commands)
    chosen = parser.parse_args().command
    commands[chosen]()


def run_deploy() -> None:
    """Safe to run again, also while flows run."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    chosen = settings()
    migrate(chosen.migrations)
    log.info("warehouse: schema is up to date")
    wait_for_prefect()
    with get_client(sync_client=True) as prefect:
        if missed := skip_missed(prefect):
            log.info("prefect: %s runs that were due while the stack was down are left out", len(missed))
        create_work_pool(prefect)
        for deployment in DEPLOYMENTS:
            deploy(deployment, prefect)
            log.info("prefect: deployment %s", deployment.full_name)
        use_cases = deploy_use_cases(chosen.usecases, prefect)
        for declaration in use_cases.sound:
            log.info("prefect: use case %s", declaration.name)
        for broken in use_cases.broken:
            log.error("a use case can't be deployed:\n%s", broken)
        if chosen.notify_webhook_url:
            save_webhook(chosen.notify_webhook_url)
            log.info("prefect: notification block for the webhook")
        for name in create_automations(prefect, notification_block()):
            log.info("prefect: automation: %s", name)
        if chosen.first_training and registry(chosen.usecase).version_of(CHAMPION) is None:
            _start_first_training(f"train/{chosen.usecase}", prefect)


def _start_first_training(deployment: str, prefect: SyncPrefectClient) -> None:
    try:
        run = start_first_training(deployment, prefect)
    except ObjectNotFound:
        # the stack is worth having all the same: a use case whose file is mended can be trained in it
        log.error("first training: there is no deployment %s", deployment)  # noqa: TRY400
    else:
        log.info("first training: %s", f"flow run {run}" if run else "is under way already")


if __name__ == "__main__":
    main()
