"""What other users of the machine see of an embedded stack, and what becomes of a folder that is moved or copied."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from embedded.errors import AtWork, CopiedStack
from embedded.exclusive import exclusively
from embedded.processes import Process
from embedded.stack import Stack
from embedded.state import Record, State
from embedded.wiring import VOLUMES


def test_nobody_else_can_read_a_stack_s_folder(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    for name in ("", "logs"):  # as an older version made them
        (folder / name).mkdir()
        (folder / name).chmod(0o755)
    Stack(folder).prepare()
    for name in ("logs", "secrets", *VOLUMES):
        assert (folder / name).stat().st_mode & 0o077 == 0, name
    # root's Postgres runs as another user, who has to get through
    assert folder.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)


def stack_in(folder: Path, *, up: bool = False) -> str:
    """Writes a stack's state; the stack's identity."""
    folder.mkdir()
    state = State.read(folder)
    if up:
        state.records["serving"] = Record(Process(os.getpid(), 0.0), "")
    state.write(folder)
    return state.place.identity


def test_a_folder_that_is_moved_has_the_same_stack(tmp_path: Path) -> None:
    identity = stack_in(tmp_path / "before", up=True)
    shutil.move(tmp_path / "before", tmp_path / "after")
    found = State.read(tmp_path / "after")
    assert found.place.identity == identity
    assert "serving" in found.records  # what runs can be stopped
    (tmp_path / "link").symlink_to(tmp_path / "after")
    assert State.read(tmp_path / "link").place.identity == identity


def test_a_copy_of_a_stack_that_was_down_is_a_stack_of_its_own(tmp_path: Path) -> None:
    identity = stack_in(tmp_path / "first")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    assert State.read(tmp_path / "second").place.identity != identity
    assert State.read(tmp_path / "first").place.identity == identity


def test_a_copy_of_a_stack_that_was_up_is_refused(tmp_path: Path) -> None:
    stack_in(tmp_path / "first", up=True)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    with pytest.raises(CopiedStack, match=r"second is a copy of .*first, it was up meanwhile"):
        Stack(tmp_path / "second")
    Stack(tmp_path / "first")


def test_a_copy_without_the_database_is_refused(tmp_path: Path) -> None:
    stack_in(tmp_path / "first")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "first" / "postgres").symlink_to(tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "first", tmp_path / "second", symlinks=True)
    with pytest.raises(CopiedStack, match="whose database lies elsewhere"):
        Stack(tmp_path / "second")


HOLDER = """
import pathlib, sys, time
from embedded.exclusive import exclusively
with exclusively(pathlib.Path(sys.argv[1]), "`make demo`"):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_one_program_at_a_time_works_on_a_stack(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        said = rf"`make demo` \(process {holder.pid}\) is at work on {folder}"
        with pytest.raises(AtWork, match=said), exclusively(folder, "`make demo-down`"):
            pytest.fail("two are at it")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with exclusively(folder, "`make demo-down`"):
        pass
