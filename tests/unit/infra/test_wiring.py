"""The embedded stack has the compose file's settings, with this machine's places."""

import re
from pathlib import Path

import pytest
from embedded.composition import interpolate
from embedded.services import BY_NAME, SERVICES, STOP_ORDER
from embedded.wiring import Wiring

PORTS = {"postgres": 1001, "prefect-server": 1002, "mlflow": 1003, "serving": 1004, "prefect-worker": 1005}
PROGRAMS = [service.name for service in SERVICES if service.name != "postgres"]


def wiring(folder: Path, **variables: str) -> Wiring:
    return Wiring(folder, PORTS, variables, "demo-1")


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_place_of_the_compose_stack_is_left(name: str, tmp_path: Path) -> None:
    program = wiring(tmp_path).program(name)
    own = {
        key: text
        for key, text in program.environment.items()
        if key.startswith(("PREFECT_", "MLFLOW_", "TRAINER_", "SERVING_", "PG", "CREDENTIALS_"))
    }
    inside = r"/var/lib|/run/|0\.0\.0\.0|[@/](postgres|mlflow|serving|prefect-server):\d"
    assert [key for key, text in own.items() if re.search(inside, text)] == []
    assert own


def test_threads_that_wait_sleep_in_the_worker_s_runs_too(tmp_path: Path) -> None:
    assert wiring(tmp_path).program("prefect-worker").environment["OMP_WAIT_POLICY"] == "PASSIVE"


def test_what_a_variable_contains_is_left_alone(tmp_path: Path) -> None:
    found = wiring(tmp_path, SERVING_CHALLENGER_ALIAS="mlflow:5000")
    assert found.program("serving").environment["SERVING_CHALLENGER_ALIAS"] == "mlflow:5000"


@pytest.mark.parametrize(("service", "folder"), [("mlflow", "mlflow"), ("deploy", "trainer"), ("serving", "serving")])
def test_each_service_has_its_own_secrets_and_no_variable_has_one(service: str, folder: str, tmp_path: Path) -> None:
    environment = wiring(tmp_path, SERVING_RELOAD_TOKEN="told").program(service).environment
    assert environment["CREDENTIALS_DIRECTORY"] == str(tmp_path / "secrets" / folder)
    assert environment["PGPASSFILE"] == f"{environment['CREDENTIALS_DIRECTORY']}/pgpass"
    assert "told" not in environment.values()


def test_variables_of_the_shell_reach_a_service_by_the_compose_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", "of somebody's cloud account")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    environment = wiring(tmp_path, SERVING_WORKERS="3").program("serving").environment
    assert "PREFECT_API_KEY" not in environment
    assert environment["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:1003"
    assert environment["SERVING_WORKERS"] == "3"


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_service_of_the_stack_is_asked_through_a_proxy(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example")
    environment = wiring(tmp_path, NO_PROXY="intranet.example").program(name).environment
    assert environment["HTTP_PROXY"] == "http://proxy.example"  # for data
    for variable in ("NO_PROXY", "no_proxy"):
        assert {"127.0.0.1", "mlflow", "intranet.example"} <= set(environment[variable].split(","))


def test_a_program_is_the_one_of_this_virtual_environment(tmp_path: Path) -> None:
    for name in PROGRAMS:
        command = Path(wiring(tmp_path).program(name).command[0])
        assert command.is_absolute()
        assert command.exists()


def test_the_digest_changes_with_a_setting_and_not_with_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = wiring(tmp_path).program("serving").digest
    monkeypatch.setenv("EDITOR", "ed")
    assert wiring(tmp_path).program("serving").digest == before
    assert wiring(tmp_path, SERVING_WORKERS="3").program("serving").digest != before


def test_the_commit_reaches_those_who_tag_runs_with_it(tmp_path: Path) -> None:
    found = wiring(tmp_path, GIT_COMMIT="abc")
    assert found.program("prefect-worker").environment["GIT_COMMIT"] == "abc"
    assert found.program("mlflow").digest == wiring(tmp_path, GIT_COMMIT="def").program("mlflow").digest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "1"),
        ("${A:-2}", "1"),
        ("${B:-2}", "2"),
        ("${EMPTY:-2}", "2"),
        ("${EMPTY-2}", ""),
        ("${A-2}", "1"),
        ("${B-2}", "2"),
        ("${B}", ""),
        ("${B:-x${A:-2}}/y", "x1/y"),
        ("no variable", "no variable"),
    ],
)
def test_variables_are_filled_in_as_compose_does_it(text: str, expected: str) -> None:
    assert interpolate(text, {"A": "1", "EMPTY": ""}) == expected


def test_every_service_has_its_turn_to_stop() -> None:
    assert sorted(STOP_ORDER) == sorted(BY_NAME)


def test_a_service_stops_before_what_it_needs() -> None:
    for service in SERVICES:
        assert all(STOP_ORDER.index(service.name) < STOP_ORDER.index(need) for need in service.needs)
