"""A table of one's own, with Docker alone."""

from pathlib import Path
from typing import Any

from console.following import follow
from console.runs import DEPLOYING
from console.terminal import Terminal


def rows(count: int) -> str:
    lines = (
        f"{number % 31},{'red' if number % 3 else 'blue'},{number % 31 * 3 + number * 37 % 40}"
        for number in range(count)
    )
    return "size,colour,price\n" + "\n".join(lines) + "\n"


def test_a_table_is_declared_trained_and_served_with_docker_alone(trained: Any, checkout: Path) -> None:
    (checkout / "data/goods.csv").write_text(rows(600))
    made = trained.declare("new", NAME="goods", DATA="data/goods.csv", TARGET="price")
    assert made.returncode == 0, made.stderr
    assert "Written: usecases/goods/usecase.yaml" in made.stdout
    assert (checkout / "usecases/goods/usecase.yaml").stat().st_uid == checkout.stat().st_uid
    checked = trained.declare("check", USECASE="goods")
    assert "600 rows read" in checked.stdout, checked.stderr

    # while the stack is up: nothing is built, nothing restarts
    done = trained.make("train", USECASE="goods")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "goods version 1 is champion; the service serves trip-duration: first model" in done.stdout


def test_data_from_elsewhere_and_use_cases_that_are_not_there_are_said(trained: Any, checkout: Path) -> None:
    refused = trained.declare("new", NAME="others", DATA="/etc/passwd", TARGET="price")
    assert refused.returncode == 1
    assert "the containers see the folder data/ alone" in refused.stderr
    assert not (checkout / "usecases/others").exists()
    done = trained.make("train", USECASE="boats")
    assert done.returncode == 1
    assert "`make check USECASE=boats` says what is wrong with it" in done.stdout


ORDERS = """\
name: orders
sources:
  database:
    url: ORDERS_DB
    query: SELECT id, placed, amount, weight FROM orders WHERE placed >= :start AND placed < :end
table:
  time: placed
  period: day
  key: [id]
  columns:
    id: {type: integer}
    placed: {type: timestamp}
    amount: {type: number}
    weight: {type: number}
target: {column: amount}
fields: {weight: {type: number}}
"""
MAKE = """
CREATE ROLE reader LOGIN PASSWORD 'reads';
CREATE TABLE orders (id bigint, placed timestamp, amount float, weight float);
GRANT CONNECT ON DATABASE warehouse TO reader;
GRANT USAGE ON SCHEMA public TO reader;
GRANT SELECT ON orders TO reader;
"""
DAY = """
INSERT INTO orders SELECT {day} * 1000 + n, timestamp '2024-05-01' + interval '1 day' * {day} + interval '1 minute' * n,
    n % 17 * 2 + n * 31 % 13, n % 17 FROM generate_series(1, 300) AS n
"""


def test_a_query_brings_each_day_once(trained: Any, checkout: Path) -> None:
    def tell(statement: str) -> None:
        trained.compose("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", "warehouse", "-c", statement)

    def ended(deployment: str) -> str:
        return str(follow(trained.runs, trained.runs.start(deployment, {}), Terminal())["state"]["message"])

    tell(MAKE)
    for day in (1, 2, 3):
        tell(DAY.format(day=day))
    (checkout / "usecases/orders").mkdir()
    (checkout / "usecases/orders/usecase.yaml").write_text(ORDERS)
    ended(DEPLOYING)
    assert "orders version 1 is champion" in ended("train/orders")
    tell(DAY.format(day=4))
    assert ended("ingest/orders") == "300 rows loaded in 1 periods; 1 unchanged"
