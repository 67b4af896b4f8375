"""A rollout over two replicas, each a service of its own with two workers, by the trainer's driver."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from contract import Contract
from rollout_parties import MemoryLedger, World
from trainer.registry.champion import CHAMPION, Registry
from trainer.rollout.change import Change
from trainer.rollout.errors import Refused, Unavailable
from trainer.rollout.proof import Proof
from trainer.rollout.replica import HttpReplica
from trainer.rollout.transaction import roll_out

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

MODEL = "trolleybus-demand"
TOKEN = "a-token-for-tests"


@dataclass
class Service:
    """Both replicas, the registry and a ledger; versions 1 and 2 are registered, 1 is champion."""

    replicas: list[Any]
    aliases: Registry
    ledger: MemoryLedger
    bundles: dict[str, Path]
    tracking: Any

    def clients(self) -> list[HttpReplica]:
        return [client_of(replica) for replica in self.replicas]

    def roll_out(self, version: str, clients: list[HttpReplica] | None = None) -> dict[str, float]:
        change = Change("promote", self.aliases.version_of(CHAMPION), version, "a test", "because")
        proof = Proof.of(version, self.bundles[version])
        return roll_out(change, proof, lambda: clients or self.clients(), self.aliases, self.ledger, 0)

    def served(self, version: str) -> bool:
        """By every worker of both, without a lease."""
        found = [replica.holds(version) for replica in self.replicas]
        return all(model is not None and model["lease"] is None for model in found)


def client_of(replica: Any) -> HttpReplica:
    return HttpReplica(httpx.URL(replica.url), "127.0.0.1", TOKEN)


@pytest.fixture(scope="module")
def started(
    tracking: Any,
    make_bundle: Callable[..., Contract],
    tmp_path_factory: pytest.TempPathFactory,
    start_replica: Callable[..., Any],
) -> Service:
    bundles = {}
    for offset in (0, 100):
        folder = tmp_path_factory.mktemp("bundle")
        make_bundle(folder, offset=offset, name=MODEL)
        bundles[tracking.publish(MODEL, folder)] = folder
    tracking.crown(MODEL, "1")
    replicas = [start_replica(MODEL, workers=2) for _ in range(2)]
    return Service(replicas, Registry(tracking.client, MODEL), World(champion=None).ledger, bundles, tracking)


@pytest.fixture
def service(started: Service, wait_until: Callable[..., Any]) -> Service:
    started.tracking.crown(MODEL, "1")
    wait_until(lambda: started.served("1"), 60, "both replicas serve the champion")
    return started


def test_both_replicas_serve_the_version_before_the_alias_names_it(service: Service) -> None:
    @dataclass(frozen=True)
    class Watching:
        registry: Registry

        def version_of(self, alias: str) -> str | None:
            return self.registry.version_of(alias)

        def give_alias(self, alias: str, version: str) -> None:
            held = [replica.holds(version) for replica in service.replicas]
            assert [model["lease"]["version"] for model in held] == [version] * 2
            self.registry.give_alias(alias, version)

        def take_alias(self, alias: str) -> None:
            raise AssertionError

    proof = Proof.of("2", service.bundles["2"])
    change = Change("promote", "1", "2", "a test", "because")
    roll_out(change, proof, service.clients, Watching(service.aliases), service.ledger, 0)
    assert service.served("2")
    assert service.aliases.version_of(CHAMPION) == "2"
    assert service.ledger.latest_served() == "2"


@pytest.mark.parametrize("step", ["stage", "swap", "verify", "verify_fulfilled"])
def test_a_replica_that_is_killed_at_a_step_keeps_both_at_the_old_version(
    service: Service, wait_until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    healthy, doomed = service.replicas

    class Dying(HttpReplica):
        pass

    def die(self: HttpReplica, *arguments: Any) -> Any:
        doomed.kill()
        return getattr(HttpReplica, step)(self, *arguments)

    monkeypatch.setattr(Dying, step, die, raising=False)
    dying = Dying(httpx.URL(doomed.url), "127.0.0.1", TOKEN)
    with pytest.raises(Unavailable):
        service.roll_out("2", [client_of(healthy), dying])
    assert service.aliases.version_of(CHAMPION) == "1"
    assert service.ledger.world.rows[-1].outcome == "failed"
    wait_until(lambda: healthy.holds("1"), 10, "the healthy one is back")
    doomed.start()
    wait_until(lambda: service.served("1"), 10, "both serve what the alias says")


def test_a_replica_that_was_away_during_a_rollout_follows_the_alias_within_ten_seconds(
    service: Service, wait_until: Callable[..., Any]
) -> None:
    present, absent = service.replicas
    absent.kill()
    service.roll_out("2", [client_of(present)])
    absent.start()
    wait_until(lambda: service.served("2"), 10, "the one that was away has followed")


def test_one_replica_that_refuses_keeps_both_at_the_old_version(service: Service) -> None:
    first, _ = service.clients()
    stranger = HttpReplica(httpx.URL(service.replicas[1].url), "127.0.0.1", "another-token")
    with pytest.raises(Refused, match="token"):
        service.roll_out("2", [first, stranger])
    assert service.served("1")
    assert service.ledger.world.rows[-1].failure is not None


def test_a_driver_that_dies_with_both_swapped_leaves_what_the_alias_says(
    service: Service, wait_until: Callable[..., Any]
) -> None:
    for client in service.clients():
        client.stage("2")
        client.swap("2", 1.0)
    wait_until(lambda: service.served("1"), 20, "the leases have ended")
