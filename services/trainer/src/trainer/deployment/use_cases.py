"""What Prefect has of use cases: deployments and automations for each folder."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse

from trainer.deployment.automations import create_automations_of, delete_automations_of
from trainer.deployment.deployments import Deployment, deploy
from trainer.usecase.declaration import Declaration
from trainer.usecase.folder import UseCases, find_all, names

KNOWN_BY = "usecase"
"""The parameter by which a deployment's runs know their use case."""

AT_ONCE = 100
"""Deployments in one of Prefect's answers."""


def deploy_use_cases(folder: Path, prefect: SyncPrefectClient) -> UseCases:
    """Deploys every use case of a folder, and takes away what there is of those that are gone, and flows that one no
    longer has.

    One that is broken keeps no other from being deployed; what is deployed of it stays as it is.
    """
    found = find_all(folder)
    declared: dict[str, set[str]] = {}
    for declaration in found.sound:
        deployments = of_use_case(declaration)
        declared[declaration.name] = {deployment.entrypoint for deployment in deployments}
        for deployment in deployments:
            deploy(deployment, prefect)
        create_automations_of(declaration.name, prefect)
    _delete_gone(folder, declared, prefect)
    return found


def of_use_case(declaration: Declaration) -> list[Deployment]:
    """Its deployments: flows that know it by its name."""
    name = declaration.name

    def made(flow: str, entrypoint: str, said: str, cron: str | None = None, concurrency: int | None = 1) -> Deployment:
        choices = {KNOWN_BY: [name], "source": list(declaration.sources)}
        return Deployment(flow, name, entrypoint, said, cron, concurrency, {KNOWN_BY: name}, choices)

    found = [
        made(
            "ingest",
            "trainer.flows.tables.ingest.ingest",
            f"Loads the rows of {name} into the warehouse; periods that haven't changed are skipped.",
            declaration.ingest.schedule,
        ),
        made(
            "train",
            "trainer.flows.tables.train.train",
            declaration.description or f"Trains the model {name}.",
            declaration.train.schedule,
        ),
        # the rollouts' own lock says whether a second one waits or is refused, as its parameter wants it
        made(
            "promote",
            "trainer.flows.tables.promote.promote",
            "Makes a registered version champion if the gate lets it pass; a dry run only shows what the gate says.",
            concurrency=None,
        ),
        made(
            "rollback",
            "trainer.flows.rollback.rollback",
            "Has every replica serve the version before, or a named one, again.",
            concurrency=None,
        ),
        made(
            "monitor",
            "trainer.flows.monitor.monitor",
            "Holds what was asked and answered lately against what the champion was trained on and promised.",
            declaration.monitor.schedule,
        ),
        # decisions wait for each other
        made(
            "respond",
            "trainer.flows.tables.respond.respond",
            "After an alarm: has a training begin on the newest rows, within the cool-down and the daily limit.",
            concurrency=None,
        ),
    ]
    if declaration.outcomes:
        found.append(
            made(
                "outcomes",
                "trainer.flows.tables.outcomes.outcomes",
                "Finds the rows that predictions were about among those that are loaded: what really came of them.",
                declaration.outcomes.schedule,
            )
        )
    return found


def _delete_gone(folder: Path, declared: Mapping[str, Collection[str]], prefect: SyncPrefectClient) -> None:
    there = set(names(folder))
    ours = [each for each in _all_deployments(prefect) if each.parameters.get(KNOWN_BY) == each.name]
    for name in {deployment.name for deployment in ours} - there:
        delete_automations_of(name, prefect)
    for deployment in ours:
        # of one that is broken nobody knows what it has: all of it stays
        has = declared.get(deployment.name, () if deployment.name not in there else None)
        if has is not None and deployment.entrypoint not in has:
            prefect.delete_deployment(deployment.id)


def _all_deployments(prefect: SyncPrefectClient) -> list[DeploymentResponse]:
    def pages() -> Iterator[list[DeploymentResponse]]:
        for offset in itertools.count(0, AT_ONCE):
            page = prefect.read_deployments(limit=AT_ONCE, offset=offset)
            yield page
            if len(page) < AT_ONCE:
                return

    return list(itertools.chain.from_iterable(pages()))
