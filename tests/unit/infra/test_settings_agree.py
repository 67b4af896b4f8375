"""docker-compose.yml, .env.example and the Settings classes say the same."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import serving.settings
import trainer.settings
import yaml
from console import dotenv
from embedded.composition import interpolate
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
EXAMPLE = dotenv.parse((ROOT / ".env.example").read_text())

SERVICES: list[tuple[type[BaseSettings], str]] = [
    (trainer.settings.Settings, "deploy"),
    (trainer.settings.Settings, "prefect-worker"),
    (serving.settings.Settings, "serving"),
]

NOT_PASSED = {
    "GIT_COMMIT",  # built into the image
    "TRAINER_MIGRATIONS",  # the default is where the image has it
    "SERVING_PORT",  # the port inside the container; the variable of that name is the one outside
}
DIFFERENT_ON_PURPOSE = {
    "SERVING_RUN_DIR",  # in memory
    "SERVING_HOST",  # inside a container it listens on all addresses: only its published port can be reached
    "SERVING_ALLOWED_HOSTS",  # the edge's name is one of them
    "SERVING_WAREHOUSE_URL",  # a service without a stack has no warehouse
    "TRAINER_USECASES",  # a place inside the containers
    "ROUNDHOUSE_STACK",  # nor an identity
}
OFF_WHEN_EMPTY = {"SERVING_WEBHOOK_SECRET"}
SECRET = re.compile("(PASSWORD|TOKEN|SECRET|KEYS?|LOGINS)$")
BY_FILE = {"SERVING_RELOAD_TOKEN", "SERVING_WEBHOOK_SECRET"}
"""Settings that a service reads in its folder of secrets."""


def filled(variables: Mapping[str, str]) -> dict[str, Any]:
    """The compose file as compose sees it: variables are filled in after the YAML is read."""

    def fill(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: fill(value) for key, value in node.items()}
        if isinstance(node, list):
            return [fill(value) for value in node]
        return interpolate(node, variables) if isinstance(node, str) else node

    found: dict[str, Any] = fill(yaml.safe_load(COMPOSE))
    return found


def environment(service: str) -> dict[str, str]:
    found: dict[str, str] = filled({})["services"][service]["environment"]
    return found


def names(settings: type[BaseSettings]) -> dict[str, Any]:
    """Fields by the environment variable that they are read from."""
    prefix = settings.model_config["env_prefix"]
    return {
        str(field.validation_alias or f"{prefix}{name.upper()}"): field for name, field in settings.model_fields.items()
    }


def test_every_variable_of_the_compose_file_is_explained_and_nothing_else_is() -> None:
    settings = "\n".join(line for line in COMPOSE.splitlines() if not line.startswith("#"))
    assert set(re.findall(r"\$\{(\w+)", settings)) == set(EXAMPLE)


def test_every_variable_has_a_comment_above_it() -> None:
    text = (ROOT / ".env.example").read_text()
    groups = re.split(r"\n\s*\n", text)
    bare = [group for group in groups if dotenv.parse(group) and not re.search(r"^# ", group, re.MULTILINE)]
    assert bare == []


def test_a_copy_of_the_example_changes_nothing() -> None:
    assert filled(EXAMPLE) == filled({})


def test_an_empty_value_counts_as_none() -> None:
    assert filled(dict.fromkeys(EXAMPLE.keys() - OFF_WHEN_EMPTY, "")) == filled({})


@pytest.mark.parametrize("name", OFF_WHEN_EMPTY)
def test_what_can_be_switched_off_is_off_when_it_is_empty(name: str) -> None:
    assert environment("secrets")[name]
    assert filled({name: ""})["services"]["secrets"]["environment"][name] == ""


def test_no_service_is_given_a_secret_in_its_environment() -> None:
    services = filled({})["services"].items()
    told = {name for name, service in services if any(map(SECRET.search, service["environment"]))}
    assert told == {"secrets"}
    assert not re.search(r"://[^/\s]*:[^/\s]*@", COMPOSE)


@pytest.mark.parametrize(("settings", "service"), SERVICES)
def test_what_a_service_is_given_is_what_it_reads(settings: type[BaseSettings], service: str) -> None:
    prefix = settings.model_config["env_prefix"]
    given = {name for name in environment(service) if name.startswith(prefix)}
    read = {name for name in names(settings) if name.startswith(prefix)} - NOT_PASSED - BY_FILE
    assert given == read


@pytest.mark.parametrize(("settings", "service"), SERVICES)
def test_every_required_setting_is_given(settings: type[BaseSettings], service: str) -> None:
    required = {name for name, field in names(settings).items() if field.is_required()}
    assert required <= set(environment(service)) | BY_FILE


@pytest.mark.parametrize(("settings", "service"), SERVICES)
def test_the_compose_file_has_the_settings_own_defaults(
    settings: type[BaseSettings], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = environment(service)
    for name in names(settings):
        monkeypatch.delenv(name, raising=False)
    for name, value in (given | dict.fromkeys(BY_FILE, "a secret")).items():
        monkeypatch.setenv(name, value)
    read = settings()
    for (variable, declared), name in zip(names(settings).items(), settings.model_fields, strict=True):
        if declared.default is not PydanticUndefined and variable in given.keys() - DIFFERENT_ON_PURPOSE:
            assert getattr(read, name) == declared.default, variable


@pytest.mark.parametrize("service", [name for settings, name in SERVICES if settings is trainer.settings.Settings])
def test_where_boosters_are_fitted_threads_that_wait_sleep(service: str) -> None:
    assert environment(service)["OMP_WAIT_POLICY"] == "PASSIVE"


def test_every_secret_is_random_unless_it_is_given() -> None:
    secrets = {name for name in EXAMPLE if SECRET.search(name)}
    assert {EXAMPLE[name] for name in secrets} == {"random"}
    assert secrets == environment("secrets").keys() - {"SECRETS_OWNER"}


def test_ports_are_published_on_the_loopback_address_alone_but_for_the_edge_where_it_is_asked_for() -> None:
    services = filled({})["services"]
    assert services.pop("edge")["profiles"] == ["edge"]
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert len(published) == 4
    assert all(port.startswith("127.0.0.1:") for port in published)
