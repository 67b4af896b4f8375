"""The fast way of a batch takes nothing that the way of single rows refuses, and gives the same bits."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving.predictions import Served
from serving.protocols import row_columns, values

pytestmark = pytest.mark.thorough

ODD: list[Any] = [
    *(None, True, False, 0, -0.0, 1, 1.0, 3, 3.5, 7, 9, 1e-42, 1e37, -1e38, 1e300, 2**53 + 1, 2**63, 2**64, -(2**70)),
    *("", "post", "bike", "x", "7", "1.5", "nan", "\x00", "é", [], {}, [1]),
    *("2024-05-01T08:00:00", "2024-05-01 08:00:00", "2024-05-01T08:00", "2024-05-01T08:00:00.5", "2024-05-01"),
    *("2024-05-01T08:00:00.123456", "2024-05-01T08:00:00Z", "2024-05-01T08:00:00+01:00", "2024-02-30T08:00:00"),
    *("0000-01-01T00:00:00", "9999-12-31T23:59:59", "1714550400", "2024-05-01t08:00:00", "2024-05-01T24:00:00"),
]
GOOD: dict[str, dict[str, list[Any]]] = {
    "bikes": {
        "at": ["2024-05-01T08:00:00", "2023-01-31T23:59:59"],
        "station": [5, 7.0, 11],
        "temperature": [18.5, -40, 0],
        "docks": [20, None, 99.0],
    },
    "parcels": {
        "carrier": ["post", "drone"],
        "size": [1, 3.0, 7],
        "weight": [2.5, 0],
        "volume": [None, 3],
        "sent_at": ["2024-05-01T08:00:00"],
        "due_at": [None, "2024-05-02T08:00:00.250000"],
    },
}


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, bytes]:
    """Good rows of one of the models, some of them changed."""
    model = draw(st.sampled_from(sorted(GOOD)))
    fields = GOOD[model]
    rows = draw(
        st.lists(
            st.fixed_dictionaries({name: st.sampled_from(known) for name, known in fields.items()}),
            min_size=1,
            max_size=4,
        )
    )
    for _ in range(draw(st.integers(0, 2))):
        row = draw(st.sampled_from(rows))
        name = draw(st.sampled_from([*fields, "more"]))
        if draw(st.booleans()):
            row[name] = draw(st.sampled_from(ODD))
        else:
            row.pop(name, None)
    return model, json.dumps({"rows": rows}, ensure_ascii=draw(st.booleans())).encode()


@given(batches())
@settings(
    max_examples=1500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_taken_fast_is_taken_row_by_row_too(bikes: Served, parcels: Served, batch: tuple[str, bytes]) -> None:
    name, body = batch
    model = {"bikes": bikes, "parcels": parcels}[name].model
    columns = row_columns.of_body(model.contract, body)
    fast = None if columns is None else values.fast(model.contract, columns)
    if fast is None:
        return
    slow = model.contract.compiled.rows(model.rows.parse_batch(body))  # raises if it should have been refused
    np.testing.assert_array_equal(fast.view(np.uint32), slow.view(np.uint32))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_rows_as_they_should_be_are_taken_fast(name: str, bikes: Served, parcels: Served) -> None:
    contract = {"bikes": bikes, "parcels": parcels}[name].model.contract
    rows = [{field: known[n % len(known)] for field, known in GOOD[name].items()} for n in range(12)]
    columns = row_columns.of_body(contract, json.dumps({"rows": rows}).encode())
    assert columns is not None
    assert values.fast(contract, columns) is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"rows": []}', b'{"rows": [1]}', b'{"rows": [{}], "more": 1}', b'{"rows": [[]]}'],
)
def test_anything_else_is_left_to_the_way_that_explains(bikes: Served, body: bytes) -> None:
    assert row_columns.of_body(bikes.model.contract, body) is None
