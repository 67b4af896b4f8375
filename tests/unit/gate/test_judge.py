"""The gate: who is promoted, who isn't, and what is said."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from trainer.gate.bootstrap import differences
from trainer.gate.judge import Contestant, Holdout, judge
from trainer.gate.rendering import markdown
from trainer.gate.seen import without_seen
from trainer.gate.terms import Terms
from trainer.gate.verdict import Verdict

Values = NDArray[np.float64]
ROWS = 6_000
TERMS = Terms(resamples=400)


class World:
    """Trips between boroughs whose truth is known, and models that are wrong by as much as they are told to be."""

    def __init__(self, rows: int = ROWS, seed: int = 3) -> None:
        rng = np.random.default_rng(seed)
        self.rng = rng
        self.distance = rng.gamma(2.0, 2.0, rows)
        self.boroughs = np.where(rng.random(rows) < 0.15, "Bronx to Bronx", "Manhattan to Manhattan")
        self.actual = 3 + 4 * self.distance + rng.normal(0, 4, rows)
        self.known = 3 + 4 * self.distance

    def model(self, version: str, error: float = 0.0, where: NDArray[np.bool_] | None = None) -> Contestant:
        """The best that can be known, and so much error beside it."""
        wrong = self.rng.normal(0, error, len(self.actual)) if error else np.zeros(len(self.actual))
        return Contestant(version, self.known + (wrong if where is None else np.where(where, wrong, 0.0)))

    def holdout(self, inputs: Mapping[str, Values] | None = None) -> Holdout:
        return Holdout(
            actual=self.actual,
            unit="minute",
            inputs={"distance": self.distance} if inputs is None else inputs,
            slices={"boroughs": self.boroughs.tolist(), "day": ["weekday"] * len(self.actual)},
            baselines={"the mean": np.full(len(self.actual), 19.0)},
        )

    def verdict(self, candidate: Contestant, champion: Contestant | None, terms: Terms = TERMS) -> Verdict:
        return judge(self.holdout(), candidate, champion, terms, seed=1, notes=[])


def test_a_better_model_is_promoted_with_every_number() -> None:
    world = World()
    verdict = world.verdict(world.model("8"), world.model("7", error=2.0))

    assert verdict.promotes
    assert (verdict.candidate, verdict.champion, verdict.rows) == ("8", "7", ROWS)
    against = {found.against: found for found in verdict.comparisons}
    assert set(against) == {"the mean", "champion"}
    for found in against.values():
        assert found.low < found.difference < found.high < 0
        assert found.difference == pytest.approx(verdict.rmse - found.rmse)
    assert {(part.by, part.name) for part in verdict.slices} == {
        ("boroughs", "Bronx to Bronx"),
        ("boroughs", "Manhattan to Manhattan"),
        ("day", "weekday"),
    }
    assert sum(part.rows for part in verdict.slices if part.by == "boroughs") == ROWS
    assert verdict.reason.startswith(f"holdout RMSE {verdict.rmse:.3f} beats the champion's")


def test_two_equal_models_are_refused() -> None:
    world = World()
    champion = world.model("7", error=1.0)
    verdict = world.verdict(Contestant("8", champion.predicted), champion)

    assert not verdict.promotes
    (refusal,) = verdict.refusals
    assert "not surely below the champion's" in refusal
    assert "(difference +0.000 to +0.000)" in refusal


def test_a_difference_that_chance_can_make_is_no_difference() -> None:
    world = World()
    verdict = world.verdict(world.model("8", error=1.0), world.model("7", error=1.0))
    beside = next(found for found in verdict.comparisons if found.against == "champion")
    assert beside.low < 0 < beside.high
    assert not verdict.promotes


def test_a_model_better_on_the_whole_but_much_worse_in_one_borough_is_refused() -> None:
    world = World()
    bronx = world.boroughs == "Bronx to Bronx"
    candidate = world.model("8", error=2.5, where=bronx)
    verdict = world.verdict(candidate, world.model("7", error=2.0))

    assert all(found.beaten for found in verdict.comparisons)
    (refusal,) = verdict.refusals
    assert refusal.startswith("worse on boroughs Bronx to Bronx: RMSE")
    lenient = world.verdict(candidate, world.model("7", error=2.0), TERMS.model_copy(update={"most_slice_loss": 0.5}))
    assert lenient.promotes


def test_a_slice_with_few_rows_is_shown_but_decides_nothing() -> None:
    world = World()
    bronx = world.boroughs == "Bronx to Bronx"
    candidate = world.model("8", error=2.5, where=bronx)
    terms = TERMS.model_copy(update={"least_slice_rows": int(bronx.sum()) + 1})
    verdict = world.verdict(candidate, world.model("7", error=2.0), terms)

    assert verdict.promotes
    part = next(part for part in verdict.slices if part.name == "Bronx to Bronx")
    assert part.loss > terms.most_slice_loss
    assert not part.decides


def test_a_candidate_worse_than_a_baseline_is_refused_though_it_beats_the_champion() -> None:
    world = World()
    verdict = world.verdict(world.model("8", error=20.0), world.model("7", error=40.0))
    (refusal,) = verdict.refusals
    assert "the baseline “the mean”" in refusal


def test_a_tiny_holdout_decides_nothing() -> None:
    world = World(rows=999)
    verdict = world.verdict(world.model("8"), world.model("7", error=5.0))
    assert verdict.refusals == ["undecidable: the holdout has 999 rows, fewer than 1000"]
    assert not verdict.comparisons
    assert not World(rows=0).verdict(Contestant("8", np.zeros(0)), None).promotes


def test_a_model_that_has_seen_the_outcome_is_refused() -> None:
    world = World()
    leaked = Contestant("8", world.actual + world.rng.normal(0, 0.1, ROWS))
    verdict = world.verdict(leaked, world.model("7", error=1.0))
    (refusal,) = verdict.refusals
    assert refusal.startswith("too good to be true")


def test_a_field_that_tells_the_outcome_is_named() -> None:
    world = World()
    gaps = np.where(world.rng.random(ROWS) < 0.3, np.nan, world.actual**3)
    inputs = {"distance": world.distance, "fare": gaps, "constant": np.ones(ROWS), "empty": np.full(ROWS, np.nan)}
    verdict = judge(world.holdout(inputs), world.model("8"), world.model("7", error=1.0), TERMS, 1, [])
    (refusal,) = verdict.refusals
    assert refusal.startswith("the field fare tells the outcome")


def test_a_first_model_has_only_baselines_to_beat() -> None:
    world = World()
    assert world.verdict(world.model("1"), None).promotes
    assert "first model" in world.verdict(world.model("1"), None).reason
    assert not world.verdict(world.model("1", error=30.0), None).promotes


def test_predictions_that_are_no_numbers_are_refused() -> None:
    world = World()
    wrong = world.model("8").predicted.copy()
    wrong[5] = np.nan
    verdict = world.verdict(Contestant("8", wrong), world.model("7", error=2.0))
    assert verdict.refusals[0] == "the candidate's predictions aren't all finite"


def test_the_same_seed_gives_the_same_verdict() -> None:
    first, second = World(), World()
    judged = [world.verdict(world.model("8"), world.model("7", error=0.5)) for world in (first, second)]
    assert judged[0] == judged[1]
    assert Verdict.model_validate_json(judged[0].model_dump_json()) == judged[0]


def test_the_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    # two models whose RMSE differ by a known amount: sqrt(1 + 0.09) - 1
    rng, held = np.random.default_rng(5), 0
    for trial in range(200):
        noise = rng.normal(0, 1, 400)
        other = noise + rng.normal(0, 0.3, 400)
        found = differences(other, {"it": noise}, confidence=0.9, resamples=300, seed=trial)["it"]
        held += found.low <= np.sqrt(1.09) - 1 <= found.high
    assert 0.84 <= held / 200 <= 0.96


def test_a_month_that_the_candidate_has_learnt_from_judges_nothing() -> None:
    world = World()
    verdict = world.verdict(world.model("8"), world.model("7", error=2.0))
    assert verdict.promotes

    seen = without_seen(verdict, "2021-02")
    assert not seen.promotes
    assert "the candidate has learnt from 2021-02" in seen.reason


def test_what_the_champion_has_learnt_from_is_said_whatever_the_outcome() -> None:
    world = World()
    champion = world.model("7", error=2.0)
    for candidate in (world.model("8"), Contestant("8", champion.predicted)):
        verdict = world.verdict(candidate, champion)
        assert verdict.seen == ""
        assert "which no model or baseline has learnt from:" in markdown(verdict)

        saw = verdict.model_copy(update={"champion_saw": 4_000})
        assert saw.promotes is verdict.promotes
        assert saw.reason == f"{verdict.reason}; the champion has learnt from 4,000 of the 6,000 rows that judge"
        assert "no model" not in markdown(saw)
        assert "**the champion has learnt from 4,000**" in markdown(saw)

        part = verdict.model_copy(update={"left_out": 9_000})
        assert "judged on 6,000 rows of the holdout, since the champion has learnt from the other 9,000" in part.reason
        assert "(the champion has learnt from the other 9,000)" in markdown(part)
