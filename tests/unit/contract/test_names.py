"""What a registered model may be called, wherever its name is set."""

import os
import subprocess
import sys

import pytest
from contract.names import LONGEST, RULE, check_model_name


@pytest.mark.parametrize("name", ["a", "trip-duration", "Trip duration 2", "a.b_c", "x" * LONGEST])
def test_a_name_is_kept_as_it_is(name: str) -> None:
    assert check_model_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../x", "a/b", "a\\b", " a", "a ", "-a", "a\n", "a\0b", "x" * 300, "a:b", "a%2fb", "é"]
)
def test_another_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(ValueError, match="a registered model's name has 1 to 100 of the letters"):
        check_model_name(name)


def test_the_service_says_the_rule_where_its_name_is_set() -> None:
    wrong = {
        "SERVING_MODEL_NAME": "trips/../x",
        "SERVING_STORE": "/nowhere",
        "SERVING_RELOAD_TOKEN": "a token",
        "SERVING_PORT": "99999",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-m", "serving"], env=os.environ | wrong, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    name, port = sorted(done.stderr.splitlines())
    assert name == f"SERVING_MODEL_NAME: Value error, 'trips/../x': {RULE}"
    assert port.startswith("SERVING_PORT: ")
