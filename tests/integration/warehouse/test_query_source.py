"""A query on PostgreSQL as the source of a table."""

from datetime import datetime
from pathlib import Path

import pytest
from trainer.data.errors import DataError, SourceUnavailable
from trainer.data.transaction import Connection, transaction
from trainer.usecase.declaration import Declaration
from trainer.usecase.periods import Asked
from trainer.usecase.reading import parse
from trainer.usecase.rows import opened_rows

TABLE = """\
name: orders
sources:
  database:
    url: ORDERS_DB
    query: |
      SELECT id, placed, note, amount, paid, 100 % 7 AS rest
      FROM orders WHERE placed >= :start AND placed < :end AND note::text LIKE '%'
table:
  time: placed
  period: day
  key: [id]
  columns:
    id: {type: integer}
    placed: {type: timestamp}
    note: {type: text}
    amount: {type: number}
    paid: {type: boolean}
    rest: {type: integer}
target: {column: amount}
fields: {paid: {type: integer}}
"""


@pytest.fixture
def orders(connection: Connection, url: str, monkeypatch: pytest.MonkeyPatch) -> Declaration:
    with transaction(connection) as cursor:
        cursor.execute(
            "CREATE TABLE orders (id bigint, placed timestamp, note text, amount numeric(9, 2), paid boolean);"
            "INSERT INTO orders VALUES (1, '2024-05-01 08:00', 'a \"b\",' || chr(10) || 'NA', 18.55, true),"
            " (2, '2024-05-02 09:00:00.5', '', NULL, false)"
        )
    monkeypatch.setenv("ORDERS_DB", url)
    return parse(TABLE, "usecase.yaml")


def test_rows_come_as_they_are_typed(orders: Declaration, tmp_path: Path) -> None:
    with opened_rows(orders, orders.sources["database"], tmp_path, tmp_path) as rows:
        found = rows.table().to_pylist()
        assert {str(day): counted.read for day, counted in rows.counts().items()} == {"2024-05-01": 1, "2024-05-02": 1}
    assert [(row["note"], row["amount"], row["paid"], row["rest"]) for row in found] == [
        ('a "b",\nNA', 18.55, True, 2),
        (None, None, False, 2),
    ]
    assert list(tmp_path.iterdir()) == []


def test_only_rows_from_a_moment_on_are_asked_for(orders: Declaration, tmp_path: Path) -> None:
    source = orders.sources["database"]
    with opened_rows(orders, source, tmp_path, tmp_path, Asked(since=datetime(2024, 5, 2))) as rows:
        assert rows.table()["id"].to_pylist() == [2]


@pytest.mark.parametrize(
    ("old", "new", "error", "said"),
    [
        ("FROM orders", "FROM odrers", DataError, 'the query of ORDERS_DB: relation "odrers" does not exist'),
        ("SELECT id, placed", "DELETE FROM orders RETURNING id, placed", DataError, "ORDERS_DB"),
        ("SELECT id, placed", "WITH gone AS (DELETE FROM orders) SELECT id, placed", DataError, "ORDERS_DB"),
        ("SELECT id, placed,", "SELECT id,", DataError, "no column for placed"),
        ("LIKE '%'", "LIKE '%'); DROP TABLE orders; SELECT (1", DataError, "ORDERS_DB"),
        ("url: ORDERS_DB", "url: OTHER_DB", DataError, "the environment has no OTHER_DB"),
    ],
)
def test_a_query_that_cannot_be_run_says_so_and_changes_nothing(
    orders: Declaration, connection: Connection, tmp_path: Path, old: str, new: str, error: type[Exception], said: str
) -> None:
    declaration = parse(TABLE.replace(old, new), "usecase.yaml")
    with (
        pytest.raises(error, match=said),
        opened_rows(declaration, declaration.sources["database"], tmp_path, tmp_path) as rows,
    ):
        rows.counts()
    with transaction(connection) as cursor:
        cursor.execute("SELECT count(*) FROM orders")
        assert cursor.fetchone() == (2,)


def test_a_database_that_is_away_may_be_there_later_and_its_password_is_not_shown(
    orders: Declaration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERS_DB", "postgresql://someone:hunter2@127.0.0.1:9/orders")
    with (
        pytest.raises(SourceUnavailable) as error,
        opened_rows(orders, orders.sources["database"], tmp_path, tmp_path),
    ):
        pass
    assert "hunter2" not in str(error.value)
