"""The log's lines, of Python and of the ring, read back as Postgres' COPY reads its text format."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import linering
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving.recorder import lines
from serving.recorder.lines import BATCH, ONE, Said, unescaped

documents = st.dictionaries(st.text(max_size=5), st.text() | st.floats(allow_nan=False) | st.none(), max_size=3)
bodies = st.builds(
    lambda document, indent, ascii_only: json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode(),
    documents,
    st.sampled_from((None, 2, "\t")),
    st.booleans(),
)
said = st.tuples(st.integers(0, 2**62), st.floats(0, 3_600), bodies, bodies)


def by_the_ring(said: Sequence[Said]) -> bytes:
    ring = linering.new(ONE, 1_000_000)
    assert ring is not None
    for _, seconds, request, answer in said:
        assert ring.add(seconds, request, answer)
    return ring.waiting()


def columns(line: bytes) -> tuple[bytes, int, Any, Any]:
    kind, _, took, request, answer = line.split(b"\t")
    texts = [json.loads(unescaped(text)) for text in (request, answer)]
    return kind, int(took), *texts


@pytest.mark.parametrize("make", [lambda said: lines.answers(ONE, said), by_the_ring])
@given(held=st.lists(said, min_size=1, max_size=5))
def test_a_line_is_what_was_said_whatever_the_text(make: Callable[[Sequence[Said]], bytes], held: list[Said]) -> None:
    found = make(held)

    assert found.endswith(b"\n")
    assert [columns(line) for line in found[:-1].split(b"\n")] == [
        (ONE, int(seconds * 1_000_000), json.loads(request), json.loads(answer)) for _, seconds, request, answer in held
    ]


@pytest.mark.parametrize("unusual", [b'{\r\n\t"a": 1}', rb'{"a": "\\"}'])
def test_one_unusual_request_changes_no_other_s_line(unusual: bytes) -> None:
    usual = (5_000, 0.25, b'{"a": 1}', b'{"b": 2}')
    line = lines.answers(BATCH, [usual])
    assert line == b'batch\t5\t250000\t{"a": 1}\t{"b": 2}\n'
    assert lines.answers(BATCH, [usual, (1, 1.0, unusual, b"{}"), usual]).split(b"\n")[:3:2] == [line[:-1]] * 2
