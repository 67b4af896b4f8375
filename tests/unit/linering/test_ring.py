"""Lines between processes: none lost, none doubled, none changed."""

import json
import mmap
import os
import re
import signal
import time
from collections.abc import Callable
from itertools import pairwise

import linering
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linering import Ring

ANSWER = b'{"a": 1}'
KILLS = 40
STREAMED = 20_000


def ring(size: int = 1_000) -> Ring:
    found = linering.new(b"one", size)
    assert found is not None, "linering was installed without a compiler"
    return found


def requests(lines: bytes) -> list[bytes]:
    return [line.split(b"\t")[3] for line in lines.splitlines()]


def take(own: Ring) -> bytes:
    lines = own.waiting()
    own.release(len(lines))
    return lines


def test_installed_without_a_compiler_there_is_none(
    monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr(linering, "Ring", None)
    assert linering.new(b"one", 1_000) is None
    record_property("path", "ring: none, without a compiler")


def test_a_line_has_the_kind_the_time_and_what_was_said() -> None:
    own = ring()
    before = time.time_ns() // 1_000
    assert own.add(0.0012345, b'{"b": 2}', ANSWER)
    kind, at, took, request, answer = own.waiting().split(b"\t")
    assert (kind, took, request, answer) == (b"one", b"1234", b'{"b": 2}', b'{"a": 1}\n')
    assert before <= int(at) <= time.time_ns() // 1_000
    assert (own.added, own.missed) == (1, 0)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_what_would_end_a_field_becomes_a_blank_and_backslashes_are_doubled(request: bytes, answer: bytes) -> None:
    own = ring()
    own.add(0, request, answer)
    expected = [re.sub(rb"[\t\r\n]", b" ", text).replace(b"\\", b"\\\\") for text in (request, answer)]
    assert own.waiting().removesuffix(b"\n").split(b"\t")[3:] == expected


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e300])
def test_a_time_that_is_none_is_zero(seconds: float) -> None:
    own = ring()
    own.add(seconds, b"", b"")
    assert own.waiting().split(b"\t")[2] == b"0"


@given(st.integers(100, 400), st.lists(st.integers(0, 80) | st.none(), max_size=60))
def test_it_goes_round_and_round(size: int, steps: list[int | None]) -> None:
    """Numbers are lengths of requests that are added; None is a reader that takes all."""
    own, held, room = ring(size), list[bytes](), size
    for step in steps:
        if step is None:
            assert requests(take(own)) == held
            held, room = [], size
            continue
        request = b"x" * step
        before = own.waiting()
        if own.add(0, request, b"{}"):
            held.append(request)
            room -= len(own.waiting()) - len(before)
        else:
            assert room < len(request) + 40
            assert own.waiting() == before
    assert requests(own.waiting()) == held
    assert own.added + own.missed == sum(step is not None for step in steps)


def test_a_part_can_be_released() -> None:
    own = ring()
    for request in (b"a", b"b"):
        own.add(0, request, ANSWER)
    first = own.waiting().splitlines(keepends=True)[0]
    own.release(len(first))
    assert requests(own.waiting()) == [b"b"]


@pytest.mark.parametrize("length", [-1, 1_000_000])
def test_no_more_can_be_released_than_waits(length: int) -> None:
    own = ring()
    own.add(0, b"a", ANSWER)
    with pytest.raises(ValueError, match="bytes wait, not"):
        own.release(length)
    assert requests(own.waiting()) == [b"a"]


def test_a_text_longer_than_all_of_it_is_left_out() -> None:
    own = ring()
    assert not own.add(0, b"x" * 10_000, ANSWER)
    assert (own.waiting(), own.missed) == (b"", 1)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((0, b"a"), "takes 3 arguments"),
        ((0, "a", b"b"), "expected bytes"),
        (("0", b"a", b"b"), "must be real number"),
    ],
)
def test_what_is_no_answer_is_refused(arguments: tuple[object, ...], problem: str) -> None:
    own = ring()
    with pytest.raises(TypeError, match=problem):
        own.add(*arguments)  # type: ignore[arg-type]
    assert own.waiting() == b""


def test_memory_and_kinds_that_can_not_be_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 128 bytes"):
        Ring(mmap.mmap(-1, 128), b"one")
    with pytest.raises(ValueError, match="more than 128 bytes"):
        Ring(memoryview(bytearray(1_001))[1:], b"one")
    with pytest.raises(BufferError):
        Ring(bytes(1_000), b"one")
    for kind in (b"o\tne", b"x" * 17):
        with pytest.raises(ValueError, match="a kind is"):
            linering.new(kind, 1_000)


@pytest.mark.parametrize("number", [0, 64])
def test_damaged_memory_is_told_and_nothing_outside_of_it_touched(number: int) -> None:
    memory = mmap.mmap(-1, 1_128)
    own = Ring(memory, b"one")
    own.add(0, b"a", ANSWER)
    memory[number : number + 8] = (2**63 + 7).to_bytes(8, "little")
    assert not own.add(0, b"b", ANSWER)
    with pytest.raises(ValueError, match="damaged"):
        own.waiting()
    with pytest.raises(ValueError, match="damaged"):
        own.release(1)


def forked(act: Callable[[], None]) -> int:
    """A process that does this and ends; its id."""
    child = os.fork()
    if child:
        return child
    try:
        act()
    finally:
        os._exit(0)


def test_another_process_reads_all_of_it_in_order() -> None:
    own = ring(5_000)

    def write() -> None:
        for number in range(STREAMED):
            while not own.add(0, b"%d" % number, b"x" * (number % 90)):
                os.sched_yield()

    child, found = forked(write), list[bytes]()
    while len(found) < STREAMED:
        found += requests(take(own))
    os.waitpid(child, 0)
    assert [int(each) for each in found] == list(range(STREAMED))


def test_a_writer_that_is_killed_leaves_whole_lines_and_the_next_one_goes_on() -> None:
    own, found = ring(100_000), list[bytes]()

    def write() -> None:
        for number in range(10**9):
            text = json.dumps({"number": number, "text": "x" * (number % 90)}).encode()
            while not own.add(0, text, text):
                os.sched_yield()

    for _ in range(KILLS):
        child = forked(write)
        until = len(found) + 50
        while len(found) < until:
            found += take(own).splitlines()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found += take(own).splitlines()
    for line in found:
        request, answer = line.split(b"\t")[3:]
        assert request == answer
        assert json.loads(request)["text"] == "x" * (json.loads(request)["number"] % 90)
    numbers = [json.loads(line.split(b"\t")[3])["number"] for line in found]
    assert sum(number == 0 for number in numbers) == KILLS
    assert all(later in (earlier + 1, 0) for earlier, later in pairwise(numbers))
