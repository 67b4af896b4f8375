"""The log's lines, by way of a block, read back as Postgres' COPY reads its text format."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving.recorder import blocks
from serving.recorder.lines import BATCH, ONE, Said, unescaped

documents = st.dictionaries(st.text(max_size=5), st.text() | st.floats(allow_nan=False) | st.none(), max_size=3)
bodies = st.builds(
    lambda document, indent, ascii_only: json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode(),
    documents,
    st.sampled_from((None, 2, "\t")),
    st.booleans(),
)
said = st.tuples(st.integers(0, 2**62), st.floats(0, 3_600), bodies, bodies)


def columns(line: bytes) -> tuple[bytes, int, int, Any, Any]:
    kind, at, took, request, answer = line.split(b"\t")
    texts = [json.loads(unescaped(text)) for text in (request, answer)]
    return kind, int(at), int(took), *texts


def lines(kind: bytes, said: list[Said]) -> bytes:
    block = blocks.answers(kind, said)
    found, length = blocks.read(block)
    assert length == len(block)
    return found


@given(st.lists(said, min_size=1, max_size=5))
def test_a_line_is_what_was_said_whatever_the_text(held: list[Said]) -> None:
    found = lines(ONE, held)

    assert found.endswith(b"\n")
    assert [columns(line) for line in found[:-1].split(b"\n")] == [
        (ONE, at // 1_000, int(seconds * 1_000_000), json.loads(request), json.loads(answer))
        for at, seconds, request, answer in held
    ]


@given(st.lists(st.lists(said, min_size=1, max_size=3), max_size=3), st.data())
def test_of_blocks_that_are_cut_off_the_whole_ones_are_read(held: list[list[Said]], data: st.DataObject) -> None:
    each = [blocks.answers(ONE, some) for some in held]
    every = b"".join(each)
    cut = data.draw(st.integers(0, len(every)))

    found, length = blocks.read(every[:cut])

    whole = next(n for n in range(len(each), -1, -1) if len(b"".join(each[:n])) <= cut)
    assert found == b"".join(lines(ONE, some) for some in held[:whole])
    assert length == len(b"".join(each[:whole]))
    # what is told to be missing brings the next block, or at least its head
    lacking = blocks.missing(every[:cut])
    assert (lacking == 0) is (length == cut)
    assert cut + lacking <= len(every)


@pytest.mark.parametrize("unusual", [b'{\r\n\t"a": 1}', rb'{"a": "\\"}'])
def test_one_unusual_request_changes_no_other_s_line(unusual: bytes) -> None:
    usual = (5_000, 0.25, b'{"a": 1}', b'{"b": 2}')
    assert lines(BATCH, [usual]) == b'batch\t5\t250000\t{"a": 1}\t{"b": 2}\n'
    assert lines(BATCH, [usual, (1, 1.0, unusual, b"{}"), usual]).split(b"\n")[:3:2] == [lines(BATCH, [usual])[:-1]] * 2
