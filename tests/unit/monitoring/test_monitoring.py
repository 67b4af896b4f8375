"""What a monitoring says, in a line, a page and an event."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from contract import Contract
from trainer.flows.monitor import _window
from trainer.flows.steps.announce import payload
from trainer.monitoring.assess import Assessment, Seen, assess
from trainer.monitoring.measurement import Measurement
from trainer.monitoring.monitoring import Monitoring, NoWindow, Window
from trainer.monitoring.page import page
from trainer.monitoring.recorded import Day, Recorded
from trainer.monitoring.reference import Promise, Reference, chosen, with_predictions
from trainer.monitoring.rendering import alarm_rows, markdown
from trainer.monitoring.terms import Terms
from trainer.monitoring.traffic import Traffic

MakeRows = Callable[..., pa.Table]
END = datetime(2024, 6, 3, tzinfo=UTC)
WINDOW = Window(since=END - timedelta(days=7), until=END)


def recorded(rows: pa.Table, error: float, seed: int = 5) -> Recorded:
    said = rows["temperature"].to_numpy() * 2.0
    actual = said + np.random.default_rng(seed).normal(0, error, rows.num_rows)
    return Recorded(rows.num_rows, rows, said, said - 4, said + 4, actual)


@pytest.fixture
def look(contract: Contract, make_rows: MakeRows) -> Callable[..., Assessment]:
    """``look(rows, error=2.4, least_rows=100)``: a monitoring of rows like the reference's, or unlike them."""
    trained = make_rows(5_000, 1)
    before = recorded(trained, 2.4)
    reference = Reference(
        with_predictions(contract, trained, before.prediction.astype(np.float32)),
        Promise.of(before.actual, before.prediction, contract.output.interval, {"all": ["all"] * 5_000}),
    )

    def assessed(rows: pa.Table, error: float = 2.4, least_rows: int = 100) -> Assessment:
        found = recorded(rows, error, seed=6)
        days = [Day(date(2024, 5, 27), "7", "champion", rows.num_rows, rows.num_rows, error)]
        traffic = Traffic(requests=200, refused=10, failed=0, rows=190, reasons={"invalid-input": 10})
        seen = Seen(found, found, days, traffic, ["a <note>"])
        return assess(
            contract,
            "7",
            WINDOW,
            reference,
            seen,
            lambda table: {"all": ["all"] * table.num_rows},
            Terms(resamples=300, alpha=0.01),
            least_rows,
            1,
        )

    return assessed


def test_all_that_is_alike_is_quiet(look: Callable[..., Assessment], make_rows: MakeRows) -> None:
    monitoring = look(make_rows(2_000, 2)).monitoring

    assert (monitoring.verdict, monitoring.message, monitoring.alarms) == ("quiet", "quiet", [])
    assert alarm_rows(monitoring) == [{"what": "no alarm"}]


def test_a_field_is_named_before_what_is_made_of_it_and_not_twice(
    look: Callable[..., Assessment], make_rows: MakeRows
) -> None:
    monitoring = look(make_rows(2_000, 2, warmer=10)).monitoring

    assert monitoring.verdict == "drifted"
    assert re.fullmatch(r"drift: temperature \d\.\d\d, prediction \d\.\d\d, chill \d\.\d\d", monitoring.message)
    assert list(monitoring.fields) == ["temperature", "prediction", "chill"]


def test_drift_and_decay_are_both_said(look: Callable[..., Assessment], make_rows: MakeRows) -> None:
    monitoring = look(make_rows(2_000, 2, missing=0.8), error=5).monitoring

    assert monitoring.verdict == "drifted and decayed"
    assert monitoring.message.startswith("drift: missing docks ")
    assert "; decay: RMSE 5." in monitoring.message


def test_too_few_predictions_raise_no_alarm(look: Callable[..., Assessment], make_rows: MakeRows) -> None:
    monitoring = look(make_rows(99, 2, warmer=10), error=9).monitoring

    assert (monitoring.verdict, monitoring.alarms) == ("too few predictions", [])
    assert monitoring.message == "too few predictions: 99 of at least 100"


def test_the_page_needs_nothing_from_anywhere(look: Callable[..., Assessment], make_rows: MakeRows) -> None:
    text = page(look(make_rows(2_000, 2, warmer=10)))

    assert "<script" not in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert text.count("data:image/svg+xml;base64,") >= 8
    assert "a &lt;note&gt;" in text
    assert page(look(make_rows(2_000, 2, warmer=10))) == text


def test_the_page_is_made_of_whatever_there_is(look: Callable[..., Assessment], make_rows: MakeRows) -> None:
    assert "too few predictions" in page(look(make_rows(0, 2)))
    assert "missing docks" in page(look(make_rows(500, 2, missing=1.0)))


def test_the_text_has_every_alarm(look: Callable[..., Assessment], make_rows: MakeRows) -> None:
    monitoring = look(make_rows(2_000, 2, warmer=10)).monitoring
    text = markdown(monitoring)

    assert text.count("**yes**") == len(monitoring.alarms) > 0
    assert "| refused | share | 5.0% |" in text


def test_an_event_has_what_an_automation_needs(look: Callable[..., Assessment], make_rows: MakeRows) -> None:
    monitoring = look(make_rows(2_000, 2, warmer=10), error=5).monitoring.model_copy(update={"id": 12})
    told = json.loads(json.dumps(payload(monitoring)))

    assert (told["version"], told["monitoring_id"], told["until"]) == ("7", 12, END.isoformat())
    assert told["fields"]["temperature"] > 1
    assert {error["measure"] for error in told["errors"]} == {"rmse", "coverage"}


def test_a_version_without_a_reference_is_told_its_errors_by_nobody(contract: Contract, make_rows: MakeRows) -> None:
    found = recorded(make_rows(500, 2), 2.4)
    seen = Seen(found, found, [], None)
    told: Monitoring = assess(contract, "1", WINDOW, None, seen, lambda _: {}, Terms(), 100, 1).monitoring

    assert told.verdict == "no reference"
    assert "version 1 has no reference" in told.message
    assert told.measurements == []


def test_a_measurement_that_is_nothing_is_shown_as_nothing() -> None:
    row = Measurement(kind="field", name="docks", measure="psi", value=None)
    assert Measurement.model_validate_json(row.model_dump_json()) == row


def test_the_reference_is_all_rows_or_a_draw_that_comes_again() -> None:
    assert chosen(5, seed=1).tolist() == [0, 1, 2, 3, 4]
    drawn = chosen(250_000, seed=1)
    assert (len(np.unique(drawn)), drawn.min() >= 0, drawn.max() < 250_000) == (100_000, True, True)
    np.testing.assert_array_equal(drawn, chosen(250_000, seed=1))
    assert not np.array_equal(drawn, chosen(250_000, seed=2))


def test_a_window_is_in_utc_and_ends_after_it_begins() -> None:
    found = _window(None, datetime(2024, 6, 3), timedelta(days=7))
    assert found == WINDOW
    assert _window(datetime.fromisoformat("2024-05-27T02:00:00+02:00"), END, timedelta(days=1)) == WINDOW
    with pytest.raises(NoWindow):
        _window(END, END, timedelta(days=1))
