"""MLflow's scoring protocol as functions, with bodies that MLflow's and pandas' own code writes."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contract import ContractError
from contract.errors import BadJson
from hypothesis import given
from hypothesis import strategies as st
from mlflow.pyfunc.scoring_server import SUPPORTED_FORMATS
from mlflow.utils.proto_json_utils import dump_input_data
from mlflow.version import VERSION
from serving.calls import Answer, Call, Limits
from serving.errors import BodyTooLarge, NoModel, ServingError
from serving.predictions import Served
from serving.protocols import invocations, rows
from serving.protocols.frames import FORMS

LIMITS = Limits(1 << 20, 100)
CSV = {"content-type": "text/csv"}


def call(body: Any, headers: Mapping[str, str] | None = None, limits: Limits = LIMITS) -> Call:
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return Call(BytesIO(content), limits, {"content-type": "application/json"} if headers is None else headers)


def read(answer: Answer) -> Any:
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)


def predictions(served: Served, body: Any, headers: Mapping[str, str] | None = None) -> list[float]:
    answer = invocations.invocations(served, call(body, headers))
    found: list[float] = read(answer)["predictions"]
    assert set(read(answer)) == {"predictions"}
    assert answer.rows == len(found)
    return found


def refused(served: Served, body: Any, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    with pytest.raises((ContractError, ServingError)) as caught:
        invocations.invocations(served, call(body, headers))
    answer = invocations.refusal(caught.value)
    document = read(answer)
    assert set(document) == {"error_code", "message"}
    assert answer.refusal
    return answer.status, document["message"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "at": pd.to_datetime("2024-05-01T08:00:00") + pd.to_timedelta(np.arange(30) * 37, unit="min"),
            "station": 5 + np.arange(30) % 7,
            "temperature": np.arange(30) / 3 - 2,
            "docks": [np.nan if n % 5 == 0 else float(n) for n in range(30)],
        }
    )


@pytest.fixture(scope="module")
def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "at": row["at"].isoformat(),
            "station": int(row["station"]),
            "temperature": row["temperature"],
            "docks": None if np.isnan(row["docks"]) else int(row["docks"]),
        }
        for row in frame.to_dict(orient="records")
    ]


@pytest.fixture(scope="module")
def expected(bikes: Served, records: list[dict[str, Any]]) -> list[float]:
    """As ``/predict/batch`` answers."""
    found: list[float] = read(rows.predict_batch(bikes, call({"rows": records})))["predictions"]
    return found


def test_the_forms_are_mlflows() -> None:
    assert set(FORMS) == SUPPORTED_FORMATS
    assert invocations.VERSION == VERSION


def test_a_frame_of_mlflows_client(bikes: Served, frame: pd.DataFrame, expected: list[float]) -> None:
    assert predictions(bikes, dump_input_data(frame)) == expected
    assert predictions(bikes, dump_input_data(frame, params={"anything": 1})) == expected


@pytest.mark.parametrize("orient", ["split", "records"])
def test_frames_that_pandas_writes(bikes: Served, frame: pd.DataFrame, expected: list[float], orient: Any) -> None:
    text = frame.to_json(orient=orient, date_format="iso", date_unit="us")
    assert predictions(bikes, f'{{"dataframe_{orient}": {text}}}') == expected


def test_every_json_form(bikes: Served, records: list[dict[str, Any]], expected: list[float]) -> None:
    names = list(records[0])
    lists = [list(record.values()) for record in records]
    turned = [{name: record[name] for name in reversed(names)} for record in records]
    for body in (
        {"dataframe_records": records},
        {"dataframe_split": {"columns": names, "data": lists}},
        {"dataframe_split": {"columns": names, "index": list(range(30)), "data": lists}},
        {"dataframe_split": {"data": lists}},
        {"instances": records},
        {"instances": turned},
        {"instances": lists},
        {"inputs": records},
        {"inputs": lists},
        {"inputs": {name: [record[name] for record in records] for name in names}},
        {"inputs": records, "params": {}, "more": 1},
    ):
        assert predictions(bikes, body) == expected


def test_one_row_of_plain_values(bikes: Served, records: list[dict[str, Any]], expected: list[float]) -> None:
    assert predictions(bikes, {"inputs": records[3]}) == expected[3:4]


def test_csv_that_pandas_writes(bikes: Served, frame: pd.DataFrame, expected: list[float]) -> None:
    text = frame.to_csv(date_format="%Y-%m-%dT%H:%M:%S")
    assert predictions(bikes, text, CSV) == expected
    assert predictions(bikes, frame.to_csv(index=False), CSV) == expected
    for media_type in ("text/csv; charset=utf-8", 'Text/CSV;charset="UTF-8"'):
        assert predictions(bikes, text, {"content-type": media_type}) == expected
    assert predictions(bikes, "\ufeff" + frame.to_csv(index=False, lineterminator="\r\n"), CSV) == expected


def test_texts_and_missing_values_in_every_form(parcels: Served) -> None:
    known = [
        {"carrier": "bike", "size": 3, "weight": 2.5, "volume": 3.0, "sent_at": "2024-05-01T08:00:00"},
        {"carrier": "drone", "size": 4, "weight": 0, "volume": None, "sent_at": "2024-05-01 08:00", "due_at": None},
        {
            "carrier": "post",
            "size": 1e30,
            "weight": 1,
            "sent_at": "2024-05-01T08:00:00.5",
            "due_at": "2024-05-02T08:00:00",
        },
    ]
    expected = read(rows.predict_batch(parcels, call({"rows": known})))["predictions"]
    names = list(parcels.model.contract.by_name)
    columns = {name: [row.get(name) for row in known] for name in names}
    assert predictions(parcels, {"dataframe_records": known}) == expected
    assert predictions(parcels, {"inputs": columns}) == expected
    assert predictions(parcels, pd.DataFrame(columns).to_csv(), CSV) == expected
    some = [{name: row.get(name) for name in names if name not in ("volume", "due_at")} for row in known]
    for form in ("instances", "dataframe_records"):
        assert len(predictions(parcels, {form: some})) == 3
    assert len(predictions(parcels, {"inputs": {name: [row[name] for row in some] for name in some[0]}})) == 3


def test_missing_values_as_mlflow_writes_them(bikes: Served, records: list[dict[str, Any]]) -> None:
    (expected,) = predictions(bikes, {"instances": [{**records[1], "docks": None}]})
    body = json.dumps({"instances": [{**records[1], "docks": float("nan")}]})
    assert "NaN" in body
    assert predictions(bikes, body) == [expected]


def test_a_time_that_pandas_has_not(parcels: Served) -> None:
    row = {"carrier": "bike", "size": 3, "weight": 2.5, "sent_at": "2024-05-01T08:00:00"}
    assert predictions(parcels, {"instances": [{**row, "due_at": "NaT"}]}) == predictions(parcels, {"instances": [row]})


def test_columns_that_are_no_field_are_ignored(bikes: Served, records: list[dict[str, Any]], expected: Any) -> None:
    more = [{**record, "extra": [n], "other": "x"} for n, record in enumerate(records)]
    assert predictions(bikes, {"dataframe_records": more}) == expected
    split = {"columns": [*more[0], "extra"], "data": [[*record.values(), 1] for record in more]}
    assert predictions(bikes, {"dataframe_split": split}) == expected


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"station": 99}, "row 2: station is 99"),
        ({"station": 7.5}, "row 2: station is 7.5"),
        ({"station": True}, "row 2: station is True, a boolean"),
        ({"station": "7"}, "row 2: station is '7', a text"),
        ({"temperature": None}, "row 2: temperature is null"),
        ({"temperature": 51}, "row 2: temperature is 51"),
        ({"temperature": {}}, "row 2: temperature is an object"),
        ({"at": "yesterday"}, "row 2: at is 'yesterday', not a time"),
        ({"at": "2024-05-01T08:00:00Z"}, "with an offset"),
        ({"at": 1714550400}, "row 2: at is 1714550400"),
        ({"docks": 3.5}, "row 2: docks is 3.5"),
        ({"docks": 2**70}, "row 2: docks is"),
    ],
)
def test_a_wrong_value_is_named_as_predict_does(
    bikes: Served, records: list[dict[str, Any]], change: dict[str, Any], problem: str
) -> None:
    wrong = [*records[:2], {**records[2], **change}]
    columns = {name: [row[name] for row in wrong] for name in wrong[0]}
    for body in (
        {"dataframe_records": wrong},
        {"inputs": columns},
        {"instances": [list(row.values()) for row in wrong]},
    ):
        status, message = refused(bikes, body)
        assert status == 400
        assert problem in message


def test_a_wrong_value_in_csv_is_named(bikes: Served, frame: pd.DataFrame) -> None:
    lines = frame.to_csv(index=False).splitlines()
    for cell, problem in (
        ("2024-05-01,7,warm,1", "row 30: at"),
        ("2024-05-01 08:00:00,7,warm,1", "row 30: temperature is 'warm', a text"),
        ("2024-05-01 08:00:00,7,inf,1", "temperature is 'inf'"),
        ("2024-05-01 08:00:00,,1,1", "row 30: station is null"),
        ("2024-05-01 08:00:00,7,51,1", "row 30: temperature is 51"),
    ):
        status, message = refused(bikes, "\n".join([*lines, cell]), CSV)
        assert status == 400
        assert problem in message
    status, message = refused(bikes, frame.drop(columns="station").to_csv(), CSV)
    assert "station is missing: no such column" in message


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"columns": [], "data": []},
        {"instances": [], "inputs": []},
        {"instances": []},
        {"instances": 7},
        {"instances": [1, 2]},
        {"instances": [[1], {}]},
        {"instances": [{}]},
        {"inputs": {}},
        {"inputs": {"at": [1, 2], "station": [1]}},
        {"inputs": {"at": [1], "station": 1}},
        {"inputs": None},
        {"dataframe_split": []},
        {"dataframe_split": {"columns": ["at"]}},
        {"dataframe_split": {"columns": "at", "data": [[1]]}},
        {"dataframe_split": {"columns": ["at", "at"], "data": [[1, 1]]}},
        {"dataframe_split": {"columns": ["at"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": ["at"], "data": [[1]], "more": 1}},
        {"dataframe_records": {"at": [1]}},
        {"inputs": [], "params": 7},
        [],
        7,
        None,
    ],
)
def test_a_body_without_a_table_is_refused(bikes: Served, body: Any) -> None:
    assert refused(bikes, body)[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"instances": [{"at": "\\ud800"}]}',
        b'{"inputs": {"at": ["\\ud800"], "station": [7], "temperature": [1]}}',
        b'{"inputs": {"at": [1e999], "station": [Infinity], "temperature": [1]}}',
        b"[" * 100_000,
        b'{"instances": ' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'{"instances": [' + b"9" * 5000 + b"]}",
    ],
)
def test_a_body_that_is_no_json_is_refused(bikes: Served, body: bytes) -> None:
    assert refused(bikes, body)[0] == 400


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"at", b"at,station\n1", b'"', b"\xff\xfe\x00", b"a,a\n1,2", b"at,at\n1,2"]
)
def test_a_body_that_is_no_csv_is_refused(bikes: Served, body: bytes) -> None:
    assert refused(bikes, body, CSV)[0] == 400


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-parquet", "text/csv; charset=latin-1", "application/json; x=1", "", ";"],
)
def test_another_content_type_is_refused(bikes: Served, media_type: str) -> None:
    assert refused(bikes, {"inputs": []}, {"content-type": media_type})[0] == 415


def test_rows_and_bytes_are_limited(bikes: Served, records: list[dict[str, Any]]) -> None:
    assert "101 rows" in refused(bikes, {"instances": [records[0]] * 101})[1]
    with pytest.raises(BodyTooLarge):
        invocations.invocations(bikes, call({"instances": records}, limits=Limits(100, 100)))


def test_errors_that_are_not_the_callers() -> None:
    for error, status, code in (
        (NoModel("none yet"), 503, "TEMPORARILY_UNAVAILABLE"),
        (ZeroDivisionError("internal wiring"), 500, "INTERNAL_ERROR"),
        (BadJson("x"), 400, "BAD_REQUEST"),
    ):
        answer = invocations.refusal(error)
        assert (answer.status, read(answer)["error_code"]) == (status, code)
        assert "wiring" not in read(answer)["message"]


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["2024-05-01T08:00:00", "NaT", 7, 18.5])
)
JSON = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["at", "station", "temperature", "docks", "columns", "data", "x", *FORMS]),
            inner,
            max_size=5,
        )
    ),
)


def _status(served: Served, body: bytes, headers: Mapping[str, str]) -> int:
    try:
        answer = invocations.invocations(served, call(body, headers))
    except (ContractError, ServingError) as error:
        answer = invocations.refusal(error)
    read(answer)
    return answer.status


@given(st.sampled_from(sorted(FORMS)), JSON)
def test_any_document_is_answered_or_refused(bikes: Served, form: str, document: Any) -> None:
    for body in (document, {form: document}, {form: [document]}):
        assert _status(bikes, json.dumps(body).encode(), {}) < 500


@given(
    st.sampled_from(sorted(FORMS)),
    st.fixed_dictionaries({"at": VALUES, "station": VALUES, "temperature": VALUES}, optional={"docks": VALUES}),
)
def test_any_row_is_taken_exactly_if_predict_takes_it(bikes: Served, form: str, row: dict[str, Any]) -> None:
    table = {"columns": list(row), "data": [list(row.values())]} if form == "dataframe_split" else [row]
    plain = {name: value for name, value in row.items() if value != "NaT"}
    plain = {name: None if isinstance(value, float) and value != value else value for name, value in plain.items()}
    try:
        expected = read(rows.predict_batch(bikes, call({"rows": [plain]})))["predictions"]
    except ContractError:
        assert refused(bikes, {form: table})[0] == 400
    else:
        assert predictions(bikes, {form: table}) == expected


@given(st.data())
def test_damaged_bodies_are_answered_or_refused(bikes: Served, data: st.DataObject) -> None:
    body, headers = data.draw(
        st.sampled_from(
            [
                (b'{"inputs":{"at":["2024-05-01T08:00:00"],"station":[7],"temperature":[1.5]}}', {}),
                (b'at,station,temperature,docks\n2024-05-01T08:00:00,7,1.5,\n"2024-05-01T08:00:00",8,1,3\n', CSV),
            ]
        )
    )
    at, with_ = data.draw(st.integers(0, len(body))), data.draw(st.binary(max_size=3))
    damaged = body[:at] + with_ + body[at + data.draw(st.integers(0, 3)) :]
    assert _status(bikes, damaged, headers) < 500
