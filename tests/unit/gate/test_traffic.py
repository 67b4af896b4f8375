"""Requests that both models were asked about, as a second holdout."""

import numpy as np
import pytest
from trainer.gate.terms import Terms
from trainer.gate.traffic import CHAMPION_ON_TRAFFIC, Traffic, beside_traffic
from trainer.gate.verdict import Verdict

TERMS = Terms(least_rows=500, resamples=200)
VERDICT = Verdict(
    candidate="2",
    champion="1",
    unit="minute",
    rows=1_000,
    rmse=4.0,
    explained=0.8,
    comparisons=[],
    slices=[],
    refusals=[],
    notes=[],
    terms=TERMS,
    seed=1,
)


def traffic(rows: int, candidate: float, champion: float) -> Traffic:
    """Errors of these standard deviations."""
    rng = np.random.default_rng(7)
    actual = rng.uniform(5, 40, rows)
    return Traffic(actual, actual + rng.normal(0, candidate, rows), actual + rng.normal(0, champion, rows))


def test_a_candidate_that_is_surely_worse_on_traffic_is_refused_with_the_numbers() -> None:
    found = beside_traffic(VERDICT, traffic(2_000, candidate=6, champion=4))
    assert not found.promotes
    assert "on 2,000 rows of live traffic RMSE 6." in found.reason
    assert "is worse (difference +" in found.reason
    (comparison,) = found.comparisons
    assert comparison.against == CHAMPION_ON_TRAFFIC
    assert comparison.low > 0


@pytest.mark.parametrize("candidate", [3.0, 4.0])
def test_one_that_is_better_or_as_good_passes(candidate: float) -> None:
    found = beside_traffic(VERDICT, traffic(2_000, candidate, champion=4))
    assert found.promotes
    assert found.notes[0].startswith("on 2,000 rows of live traffic RMSE")


def test_too_little_traffic_says_nothing() -> None:
    found = beside_traffic(VERDICT, traffic(499, candidate=20, champion=1))
    assert found.promotes
    assert found.comparisons == []
    assert found.notes == ["live traffic says nothing yet: 499 rows of at least 500"]
    assert beside_traffic(VERDICT, traffic(0, 1, 1)).promotes


def test_what_was_refused_before_stays_refused() -> None:
    refused = VERDICT.model_copy(update={"refusals": ["no better"]})
    assert beside_traffic(refused, traffic(2_000, candidate=3, champion=4)).refusals == ["no better"]
