"""What the challenger is asked, and what is left out."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from contract import booster
from serving.predictions import Served, one
from serving.recorder import lines
from serving.recorder.lines import BATCH, ONE
from serving.recorder.shadow import Shadow
from serving.recorder.warehouse import Away
from serving.store import Record

ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}


class Taken:
    """The warehouse's ears."""

    def __init__(self) -> None:
        self.lines: list[list[str]] = []
        self.away = False

    def __call__(self, kind: str, lines: bytes) -> int:
        if self.away:
            raise Away("no connection")
        self.lines += [each.split("\t") for each in lines.decode().splitlines()]
        return len(self.lines)


@pytest.fixture
def taken() -> Taken:
    return Taken()


def log(served: Served, count: int, row: Any = ROW) -> bytes:
    """Lines of what it answered."""
    request = json.dumps(row).encode()
    answers = [one(served, json.dumps(ROW).encode()) for _ in range(count)]
    return lines.answers(ONE, [((1000 + n) * 1000, 0.001, request, answer) for n, answer in enumerate(answers)])


@pytest.fixture
def champion(bikes: Served) -> Served:
    return bikes


@pytest.fixture(scope="session")
def challenger(bundles: dict[str, Path]) -> Served:
    model = booster.load(bundles["2"])
    record = Record(name=model.contract.name, version="2", run_id="run-2", metrics={})
    return Served(model, record, "2", 1, datetime.now(UTC))


def test_what_it_says_goes_by_the_id_and_time_of_the_answer(champion: Served, challenger: Served, taken: Taken) -> None:
    said = log(champion, 2)
    shadow = Shadow(lambda: challenger, 1, taken)
    shadow.arrived(said, behind=False)
    answers = [json.loads(each.split("\t")[4]) for each in said.decode().splitlines()]
    expected = challenger.model.predict_row(challenger.model.rows.parse(json.dumps(ROW).encode()))
    for (kind, at, _, request, text), answer, second in zip(taken.lines, answers, (1000, 1001), strict=True):
        found = json.loads(text)
        assert (kind, int(at), json.loads(request)) == ("shadow", second, ROW)
        assert (found["prediction_id"], found["prediction"]) == (answer["prediction_id"], expected)
        assert found["model"]["version"] == "2"
    assert shadow.counts.scored == 2


def test_a_share_is_the_same_whenever_it_is_drawn(champion: Served, challenger: Served) -> None:
    said = log(champion, 400)
    drawn = []
    for _ in range(2):
        taken = Taken()
        Shadow(lambda: challenger, 0.25, taken).arrived(said, behind=False)
        drawn.append([json.loads(each[4])["prediction_id"] for each in taken.lines])
    assert drawn[0] == drawn[1]
    assert 60 < len(drawn[0]) < 140


def test_when_there_is_too_much_to_do_it_is_left_out_and_counted(
    champion: Served, challenger: Served, taken: Taken
) -> None:
    shadow = Shadow(lambda: challenger, 1, taken)
    shadow.arrived(log(champion, 3), behind=True)
    assert (taken.lines, shadow.counts.shed) == ([], 3)
    taken.away = True
    shadow.arrived(log(champion, 2), behind=False)
    assert (taken.lines, shadow.counts.shed) == ([], 5)


def test_a_row_that_the_challenger_refuses_is_counted_and_the_others_are_scored(
    champion: Served, challenger: Served, taken: Taken
) -> None:
    shadow = Shadow(lambda: challenger, 1, taken)
    shadow.arrived(log(champion, 1, {"at": 7}) + log(champion, 1), behind=False)
    assert (len(taken.lines), shadow.counts.failed, shadow.counts.scored) == (1, 1, 1)


def test_batches_are_not_asked_again(champion: Served, challenger: Served, taken: Taken) -> None:
    batch = lines.answers(BATCH, [(1000, 0.1, b'{"rows": []}', b'{"batch_id": ""}')])
    Shadow(lambda: challenger, 1, taken).arrived(batch + log(champion, 1), behind=False)
    assert [kind for kind, *_ in taken.lines] == ["shadow"]


def test_there_may_be_no_challenger_or_one_that_serves(champion: Served, taken: Taken) -> None:
    for challenger in (None, champion):
        Shadow(lambda challenger=challenger: challenger, 1, taken).arrived(log(champion, 2), behind=False)  # type: ignore[misc]
    assert taken.lines == []


def test_text_with_backslashes_comes_back_as_it_was(champion: Served, challenger: Served, taken: Taken) -> None:
    text = json.dumps(ROW).replace("2024", "\\u0032024").encode()
    said = lines.answers(ONE, [(1000, 0.1, text, one(champion, text))])
    Shadow(lambda: challenger, 1, taken).arrived(said, behind=False)
    assert taken.lines[0][3].replace("\\\\", "\\") == text.decode()
