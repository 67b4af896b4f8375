"""What a person types and sees."""

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
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
from embedded.ports import choose
from embedded.processes import Process
from embedded.state import Record, State

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


def test_a_demo_whose_processes_have_gone_is_not_one_that_is_up(tmp_path: Path) -> None:
    assert demo(tmp_path) is None
    state = State(ports={"prefect-server": choose(), "mlflow": choose(), "serving": choose()})
    state.write(tmp_path)
    assert demo(tmp_path) is None


class _Healthy(BaseHTTPRequestHandler):
    """Answers as Prefect does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def two_ports() -> Iterator[list[int]]:
    """At which something answers."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _Healthy) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield [server.server_address[1] for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def test_of_two_stacks_that_are_up_one_has_to_be_named(
    two_ports: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_PORT", str(two_ports[1]))
    assert find().kind == "compose"
    (tmp_path / ".demo").mkdir()
    records = {name: Record(Process(os.getpid(), 0.0), "") for name in ("prefect-server", "serving")}
    State(ports={"prefect-server": two_ports[0], "mlflow": 1, "serving": 1}, records=records).write(tmp_path / ".demo")
    with pytest.raises(TwoStacks):
        find()
    assert [find(kind).kind for kind in ("demo", "compose")] == ["demo", "compose"]
    # a demo with the usual ports is one stack
    monkeypatch.setenv("PREFECT_PORT", str(two_ports[0]))
    assert find().kind == "demo"
    with pytest.raises(NoStack):
        find("compose")
    monkeypatch.setenv("PREFECT_PORT", str(choose()))
    with pytest.raises(NoStack):
        find("compose")


def test_ports_that_are_taken_are_named_with_their_variables_before_anything_is_built(
    two_ports: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(docker, "containers", list)
    for name in PORTS:
        monkeypatch.setenv(name, str(choose()))
    check_ports()
    monkeypatch.setenv("MLFLOW_PORT", str(two_ports[0]))
    with pytest.raises(PortsTaken, match=rf"taken: port {two_ports[0]} \(MLFLOW_PORT\); stop what listens"):
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
