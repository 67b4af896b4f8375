"""What a person types and sees."""

import io
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from console import docker
from console.__main__ import link
from console.choices import BadChoice, Choices
from console.history import show as show_history
from console.terminal import Terminal
from console.up import PortsTaken, check_ports
from console.whereabouts import PORTS, NoStack, TwoStacks, demo, find
from embedded.place import Place
from embedded.ports import choose
from embedded.state import State

ROOT = Path(__file__).resolve().parents[3]


def test_the_console_needs_python_and_nothing_installed() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import console.__main__"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, ROOT / "infra" / "embedded" / "src"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_nothing_chosen_leaves_everything_to_the_deployment() -> None:
    assert Choices.read({}).parameters() == {}
    assert Choices.read({"SOURCE": "", "DATA": " ", "MONTHS": ""}).parameters() == {}


def test_a_tilde_in_data_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "taxi").mkdir()
    assert Choices.read({"DATA": "~/taxi"}).folder == tmp_path / "taxi"


def test_a_folder_is_handed_on_by_its_full_name_and_means_real_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trips").mkdir()
    monkeypatch.chdir(tmp_path)
    chosen = Choices.read({"DATA": "trips", "MONTHS": "2022-01..2022-03", "HOLDOUT": "2022-04"})
    assert chosen.parameters() == {
        "source": "tlc",
        "tlc_location": str(tmp_path / "trips"),
        "months": "2022-01..2022-03",
        "holdout": "2022-04",
    }


def test_a_folder_is_linked_to_where_the_demo_s_worker_may_read(tmp_path: Path) -> None:
    for data in (tmp_path / "a" / "taxi", tmp_path / "b" / "taxi"):
        data.mkdir(parents=True)
        for _ in range(2):
            found = link(data, tmp_path / ".demo")
            assert found.parent == tmp_path / ".demo" / "trainer" / "given"
            assert found.resolve() == data
    assert len(list((tmp_path / ".demo" / "trainer" / "given").iterdir())) == 2


def test_a_number_of_trials_asks_for_a_search() -> None:
    assert Choices.read({"TRIALS": " 30 "}).parameters() == {"search": {"trials": 30}}
    assert Choices.read({"TRIALS": "0"}).parameters() == {"search": {"trials": 0}}


def test_a_replay_has_a_speed_and_no_holdout() -> None:
    chosen = Choices.read({"MONTHS": "2021-01..2023-01", "SPEED": "60000"})
    assert chosen.of_replay() == {"months": "2021-01..2023-01", "speed": 60_000}
    for variables in ({"HOLDOUT": "2021-02"}, {"TRIALS": "3"}):
        with pytest.raises(BadChoice, match=f"{next(iter(variables))}="):
            Choices.read(variables).of_replay()


def test_a_url_is_handed_on_as_it_is() -> None:
    assert Choices.read({"DATA": "https://host/trips"}).parameters()["tlc_location"] == "https://host/trips"


@pytest.mark.parametrize(
    "variables",
    [
        {"SOURCE": "csv"},
        {"STACK": "both"},
        {"DATA": "/no/such/folder"},
        {"MONTHS": "2021-13"},
        {"MONTHS": "2021"},
        {"MONTHS": "2021-03..2021-01"},
        {"HOLDOUT": "a..b"},
        {"TRIALS": "many"},
        {"TRIALS": "-1"},
        {"TRIALS": "1001"},
        {"SPEED": "0"},
        {"SPEED": "fast"},
    ],
)
def test_a_bad_choice_is_named(variables: dict[str, str]) -> None:
    (name,) = variables
    with pytest.raises(BadChoice, match=f"^{name}="):
        Choices.read(variables)


@pytest.mark.parametrize("holdout", ["2021-01", "2021-02", "2021-03"])
def test_a_holdout_that_training_would_see_is_refused(holdout: str) -> None:
    with pytest.raises(BadChoice, match=f"HOLDOUT={holdout}: allowed is a month after 2021-03"):
        Choices.read({"MONTHS": "2021-02..2021-03", "HOLDOUT": holdout})


def test_outside_a_terminal_there_are_plain_lines_alone() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.waiting(["mlflow"])
    terminal.ready("mlflow", 12.34, "127.0.0.1:5000")
    terminal.failed("serving", "ended")
    assert stream.getvalue().splitlines() == [
        "  ok mlflow                   12.3 s  127.0.0.1:5000",
        "  failed: serving: ended",
    ]


class _Services(ThreadingHTTPServer):
    """Answers well, as Prefect and the model service of a stack do."""

    def __init__(self, stack: str) -> None:
        super().__init__(("127.0.0.1", 0), _Healthy)
        self.stack = stack
        self.port = self.server_address[1]


class _Healthy(BaseHTTPRequestHandler):
    server: _Services

    def do_GET(self) -> None:
        self.send_response(200)
        if self.server.stack:
            self.send_header("Roundhouse-Stack", self.server.stack)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def services() -> Iterator[Callable[[str], _Services]]:
    """Starts what answers for a stack."""
    started: list[_Services] = []

    def start(stack: str) -> _Services:
        started.append(_Services(stack))
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return started[-1]

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def demo_at(folder: Path, port: int) -> str:
    """A demo that was started in the folder; its identity."""
    folder.mkdir(exist_ok=True)
    place = Place.new(folder)
    State(place, {"prefect-server": port, "mlflow": 1, "serving": port}).write(folder)
    return place.identity


def test_a_demo_that_has_ended_is_not_one_that_is_up(tmp_path: Path) -> None:
    assert demo(tmp_path) is None
    demo_at(tmp_path, choose())
    found = demo(tmp_path)
    assert found is not None
    assert not found.up
    assert not found.serves


def test_a_copy_of_a_demo_is_not_the_demo(tmp_path: Path) -> None:
    demo_at(tmp_path / "first", choose())
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    assert demo(tmp_path / "first")
    assert demo(tmp_path / "second") is None


def test_of_two_stacks_that_are_up_one_has_to_be_named(
    services: Callable[[str], _Services], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    compose = services("compose-roundhouse")
    monkeypatch.setenv("PREFECT_PORT", str(compose.port))
    assert find().kind == "compose"
    own = services("")
    own.stack = demo_at(tmp_path / ".demo", own.port)
    with pytest.raises(TwoStacks):
        find()
    assert [find(kind).kind for kind in ("demo", "compose")] == ["demo", "compose"]
    monkeypatch.setenv("PREFECT_PORT", str(choose()))
    assert find().kind == "demo"
    with pytest.raises(NoStack):
        find("compose")


@pytest.mark.parametrize("stranger", ["", "demo-0123456789abcdef", "compose-other"])
def test_what_answers_at_a_stack_s_port_and_is_another_is_left_alone(
    stranger: str, services: Callable[[str], _Services], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = services(stranger)
    monkeypatch.setenv("PREFECT_PORT", str(other.port))
    monkeypatch.setenv("SERVING_PORT", str(other.port))
    with pytest.raises(NoStack, match=rf"another one answers at http://127\.0\.0\.1:{other.port}"):
        find()
    with pytest.raises(NoStack):
        find(service_alone=True)
    demo_at(tmp_path / ".demo", other.port)
    with pytest.raises(NoStack):
        find("demo")


def test_the_compose_stack_is_the_one_of_its_project(
    services: Callable[[str], _Services], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_PROJECT_NAME", raising=False)
    monkeypatch.setenv("PREFECT_PORT", str(services("compose-other").port))
    Path(".env").write_text("COMPOSE_PROJECT_NAME=other\n")
    assert find().kind == "compose"


def test_ports_that_are_taken_are_named_with_their_variables_before_anything_is_built(
    services: Callable[[str], _Services], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    taken = services("").port
    monkeypatch.setattr(docker, "containers", list)
    for name in PORTS:
        monkeypatch.setenv(name, str(choose()))
    check_ports()
    monkeypatch.setenv("MLFLOW_PORT", str(taken))
    with pytest.raises(PortsTaken, match=rf"taken: port {taken} \(MLFLOW_PORT\); stop what listens"):
        check_ports()
    own = docker.Container("mlflow", "running", "healthy", 0)
    monkeypatch.setattr(docker, "containers", lambda: [own])
    check_ports()


def test_the_history_is_a_table_that_says_why() -> None:
    rollouts = [
        {
            "id": 2,
            "kind": "promote",
            "from": "7",
            "to": "8",
            "actor": "flow run promote/otter",
            "reason": "asked for",
            "outcome": "failed",
            "failure": "stage: damaged",
            "begun_at": "2026-11-25T01:02:03+00:00",
            "ended_at": "2026-11-25T01:02:05+00:00",
            "seconds": 2.04,
        },
        {
            "id": 1,
            "kind": "by hand",
            "from": None,
            "to": "7",
            "actor": "a" * 80,
            "reason": "first",
            "outcome": "under way",
            "failure": None,
            "begun_at": "2026-11-24T01:02:03+00:00",
            "ended_at": None,
            "seconds": None,
        },
    ]
    stream = io.StringIO()
    show_history(rollouts, "demo", Terminal(stream))
    _, heading, head, newest, oldest = stream.getvalue().splitlines()

    assert heading == "Rollouts of the demo stack, the newest first"
    assert head.split() == ["begun", "kind", "version", "outcome", "seconds", "by", "why"]
    assert re.search(r"promote +7 -> 8 +failed +2\.0 +flow run promote/otter +stage: damaged; asked for$", newest)
    assert re.search(r"by hand +none -> 7 +under way +a{57}\.\.\. +first$", oldest)
    assert head.index("why") == newest.index("stage:") == oldest.index("first")


def test_a_stack_without_rollouts_says_so() -> None:
    stream = io.StringIO()
    show_history([], "demo", Terminal(stream))
    assert "none yet" in stream.getvalue()


def test_make_lists_every_target_that_it_has() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^  make ([a-z0-9-]+) ", listed, re.MULTILINE)) == targets
