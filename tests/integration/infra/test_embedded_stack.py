"""Starting and stopping real services in a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded.demo import has_champion
from embedded.errors import CommandFailed
from embedded.readiness import answers
from embedded.stack import Stack

pytestmark = pytest.mark.thorough


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "stack"
    yield folder
    Stack(folder).remove()


def test_when_one_service_does_not_come_up_nothing_is_left_running(folder: Path) -> None:
    stack = Stack(folder, any_ports=True, variables={"TRAINER_SOURCE": "no such source"})
    with pytest.raises(CommandFailed, match="deploy ended with exit code 1") as failure:
        stack.start(["deploy"])
    assert failure.value.log
    assert "no such source" in failure.value.log.read_text()
    assert stack.state.records == {}
    assert not answers(stack.url("prefect-server") + "/api/health")


def test_what_runs_stays_what_died_comes_back_and_what_has_other_settings_is_started_again(folder: Path) -> None:
    first = Stack(folder, any_ports=True)
    first.start(["serving", "postgres"])
    serving, database = (first.state.records[name].process for name in ("serving", "postgres"))
    assert answers(first.url("serving") + "/health/live")

    again = Stack(folder, any_ports=True)
    again.start(["serving", "postgres"])
    assert [again.state.records[name].process for name in ("serving", "postgres")] == [serving, database]

    serving.stop(grace=10)
    again.start(["serving", "postgres"])
    revived = again.state.records["serving"].process
    assert revived != serving
    assert again.state.ports == first.state.ports

    other = Stack(folder, any_ports=True, variables={"SERVING_WORKERS": "2"})
    other.start(["serving"])
    assert not revived.alive()
    assert other.environment("serving")["SERVING_WORKERS"] == "2"
    assert answers(other.url("serving") + "/health/live")

    other.stop()
    assert not database.alive()
    assert not answers(other.url("serving") + "/health/live")


def test_the_deployments_are_there_before_mlflow_is(folder: Path) -> None:
    # the demo has a training due by the time that there is a worker, while MLflow still starts
    stack = Stack(folder, any_ports=True, variables={"TRAINER_FIRST_TRAINING": "false"})
    stack.start(["deploy"])
    assert "mlflow" not in stack.state.records
    assert answers(stack.url("prefect-server") + "/api/deployments/name/train/trip-duration")
    assert not has_champion(stack, "trip-duration")
    stack.stop()
