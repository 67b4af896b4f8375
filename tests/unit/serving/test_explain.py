"""The service's own JSON as functions: batches, and predictions with what each field contributes."""

import dataclasses
import itertools
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from contract import Contract, ContractError, Golden, Interval, InvalidInput, Output, Rows, booster, bundle
from contract.fields import Number
from contract.operations import Identity, Ratio
from hypothesis import given
from hypothesis import strategies as st
from serving.calls import Answer, Call, Limits
from serving.errors import BodyTooLarge, NotFinite, ServingError
from serving.predictions import Served
from serving.protocols import rows
from serving.protocols.outcomes import around
from serving.store import Record

ROW = {"at": "2024-05-01T08:00:00", "station": 7, "temperature": 18.5, "docks": 20}
PARCEL = {"carrier": "bike", "size": 3, "weight": 2.5, "volume": 3.0, "sent_at": "2024-05-01T08:00:00"}


def call(document: Any, options: Mapping[str, str] | None = None, limits: Limits | None = None) -> Call:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Call(BytesIO(body), limits or Limits(1 << 20, 100), options=options or {})


def read(answer: Answer) -> dict[str, Any]:
    assert isinstance(answer.body, bytes)
    document: dict[str, Any] = json.loads(answer.body)
    return document


def explained(served: Served, row: Mapping[str, Any]) -> dict[str, Any]:
    return read(rows.predict_one(served, call(row, {"explain": "true"})))


def test_a_batch_gives_what_single_rows_do_to_the_bit(bikes: Served, parcels: Served) -> None:
    for served, row in ((bikes, ROW), (parcels, PARCEL)):
        field = "temperature" if served is bikes else "weight"
        many = [{**row, field: n / 7} for n in range(40)]
        batch = read(rows.predict_batch(served, call({"rows": many})))
        single = [read(rows.predict_one(served, call(one))) for one in many]
        assert batch["predictions"] == [answer["prediction"] for answer in single]
        assert (batch["intervals"] or [None] * 40) == [answer["interval"] for answer in single]
        assert (batch["unit"], batch["model"]) == (single[0]["unit"], single[0]["model"])


@given(
    st.lists(st.floats(-1e30, 1e30), min_size=1),
    st.floats(-100, 100),
    st.floats(-100, 100),
    st.none() | st.floats(-10, 10),
)
def test_intervals_by_column_are_those_of_each_prediction(
    values: list[float], lower: float, upper: float, minimum: float | None
) -> None:
    output = Output(
        name="x", unit="y", minimum=minimum, interval=Interval(coverage=0.9, lower=min(lower, upper), upper=upper)
    )
    bounds = around(output, np.array(values))
    assert bounds is not None
    assert [repr(pair) for pair in bounds.tolist()] == [repr(list(output.around(value) or ())) for value in values]


def test_rows_are_counted_and_limited(bikes: Served) -> None:
    assert rows.predict_batch(bikes, call({"rows": [ROW] * 100})).rows == 100
    with pytest.raises(InvalidInput, match="101 rows"):
        rows.predict_batch(bikes, call({"rows": [ROW] * 101}))
    with pytest.raises(BodyTooLarge):
        rows.predict_batch(bikes, call({"rows": [ROW]}, limits=Limits(20, 100)))


class _ManyReads(BytesIO):
    """A body that comes in small pieces."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, 7) if size is not None and size >= 0 else size)


def test_a_body_may_come_in_pieces(bikes: Served) -> None:
    pieces = Call(_ManyReads(json.dumps({"rows": [ROW]}).encode()), Limits(1 << 20, 100))
    assert rows.predict_batch(bikes, pieces).rows == 1


def test_a_prediction_that_is_no_number_is_an_error(bikes: Served) -> None:
    class Broken(booster.LoadedModel):
        def predict(self, features: Any) -> Any:
            return np.array([1, math.inf], dtype=np.float32)

    fields = {field.name: getattr(bikes.model, field.name) for field in dataclasses.fields(bikes.model)}
    broken = dataclasses.replace(bikes, model=Broken(**fields))
    with pytest.raises(NotFinite, match="row 1"):
        rows.predict_batch(broken, call({"rows": [ROW, ROW]}))
    assert rows.refusal(NotFinite(1, math.inf)).status == 500


def test_contributions_add_up_to_the_prediction(bikes: Served, parcels: Served) -> None:
    for served, row in ((bikes, ROW), (parcels, PARCEL)):
        answer = explained(served, row)
        found = answer["explanation"]
        assert (found["sums_to"], found["link"], found["unit"]) == ("prediction", "identity", answer["unit"])
        assert set(found["features"]) == set(served.model.contract.compiled.names)
        assert set(found["fields"]) == set(served.model.contract.by_name)
        for parts in (found["features"], found["fields"]):
            assert found["bias"] + sum(parts.values()) == pytest.approx(answer["prediction"], rel=1e-5)
        assert answer["prediction"] == read(rows.predict_one(served, call(row)))["prediction"]
        assert answer["interval"] == read(rows.predict_one(served, call(row)))["interval"]


def test_a_feature_of_several_fields_counts_for_them_in_equal_parts(parcels: Served) -> None:
    found = explained(parcels, PARCEL)["explanation"]
    features, fields = found["features"], found["fields"]
    assert fields["carrier"] == fields["size"] == pytest.approx(features["carrier_size"] / 2)
    assert fields["volume"] == pytest.approx(features["density"] / 2)
    assert fields["weight"] == pytest.approx(features["density"] / 2 + features["weight"])
    assert fields["due_at"] == fields["sent_at"] == pytest.approx(features["seconds"] / 2)


def test_a_feature_of_one_field_twice_counts_for_it_once(tmp_path: Path) -> None:
    served = _fitted(
        tmp_path, "reg:squarederror", [Ratio(name="one", left="a", right="a"), Identity(name="b", field="b")]
    )
    found = explained(served, {"a": 2, "b": 5})["explanation"]
    assert found["fields"] == {"a": found["features"]["one"], "b": found["features"]["b"]}


def test_contributions_are_shapley_values(tmp_path: Path) -> None:
    """Against the definition: every order of the features, absent ones by the paths that training rows take."""
    served = _fitted(tmp_path, "reg:squarederror")
    found = explained(served, {"a": 3, "b": 8})["explanation"]
    names, worth = list(found["features"]), _worth(tmp_path / bundle.MODEL, {"a": 3.0, "b": 8.0})
    for name, share in found["features"].items():
        marginals = []
        for order in itertools.permutations(names):
            before = frozenset(order[: order.index(name)])
            marginals.append(worth(before | {name}) - worth(before))
        assert share == pytest.approx(sum(marginals) / len(marginals), abs=1e-4)


@pytest.mark.parametrize(
    ("objective", "link", "back"),
    [("binary:logistic", "logit", lambda p: math.log(p / (1 - p))), ("count:poisson", "log", math.log)],
)
def test_elsewhere_they_add_up_to_the_margin_and_say_so(tmp_path: Path, objective: str, link: str, back: Any) -> None:
    answer = explained(_fitted(tmp_path, objective), {"a": 3, "b": 8})
    found = answer["explanation"]
    assert (found["sums_to"], found["link"], found["unit"]) == ("margin", link, None)
    assert found["bias"] + sum(found["fields"].values()) == pytest.approx(back(answer["prediction"]), abs=1e-4)


def test_without_the_option_nothing_is_explained(bikes: Served) -> None:
    assert "explanation" not in read(rows.predict_one(bikes, call(ROW, {"explain": "false"})))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*ROW, "rows", "x"]), inner),
)


@given(JSON, st.booleans())
def test_any_document_is_answered_or_refused(bikes: Served, document: Any, explain: bool) -> None:
    for ask in (rows.predict_one, rows.predict_batch):
        for body in (document, {"rows": document}, {"rows": [document, ROW]}, {**ROW, "docks": document}):
            assert _status(ask, bikes, call(body, {"explain": str(explain).lower()})) < 500


def _status(ask: Any, served: Served, asked: Call) -> int:
    try:
        answer: Answer = ask(served, asked)
    except (ContractError, ServingError) as error:
        answer = rows.refusal(error)
    read(answer)
    return answer.status


def _fitted(folder: Path, objective: str, features: list[Any] | None = None) -> Served:
    contract = Contract(
        name="small",
        fields=[Number(name=name, description=name, example=1, minimum=-99, maximum=99) for name in "ab"],
        features=features or [Identity(name="a", field="a"), Identity(name="b", field="b")],
        output=Output(name="outcome", unit="piece"),
    )
    many = [{"a": float(a), "b": float(b)} for a in range(1, 9) for b in range(9)]
    matrix = contract.compiled.rows(Rows(contract).parse_batch(json.dumps({"rows": many}).encode()))
    outcome = np.array([row["a"] * row["b"] > 20 for row in many], dtype=np.float32)
    trained = xgboost.train(
        {"objective": objective, "max_depth": 3, "nthread": 1}, xgboost.DMatrix(matrix, outcome), num_boost_round=5
    )
    predictions = [float(value) for value in trained.inplace_predict(matrix)]
    bundle.write(folder, contract, bytes(trained.save_raw("ubj")), Golden(rows=many, predictions=predictions))
    model = booster.load(folder)
    return Served(model, Record(name="small", version="1", run_id="r", metrics={}), "1", 1, datetime.now(UTC))


def _worth(model: Path, row: Mapping[str, float]) -> Any:
    document = json.loads(xgboost.Booster(model_file=model).save_raw("json"))
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    return lambda known: sum(_expected(tree, 0, row, known) for tree in trees)


def _expected(tree: Any, node: int, row: Mapping[str, float], known: frozenset[str]) -> float:
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left == -1:
        return float(tree["split_conditions"][node])
    name = "ab"[tree["split_indices"][node]]
    if name in known:
        return _expected(tree, left if row[name] < tree["split_conditions"][node] else right, row, known)
    cover = tree["sum_hessian"]
    sides = (cover[left], left), (cover[right], right)
    return float(sum(weight * _expected(tree, side, row, known) for weight, side in sides) / cover[node])
