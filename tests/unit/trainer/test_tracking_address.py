"""What logs in to MLflow isn't part of the address that MLflow shows."""

import os

import mlflow
import pytest
from trainer.registry.runs import client


def test_a_password_in_the_tracking_servers_address_is_told_to_mlflow_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    before = mlflow.get_tracking_uri()
    try:
        found = client("https://ann:p%40ss@mlflow.example:5000/x")
        assert found.tracking_uri == mlflow.get_tracking_uri() == "https://mlflow.example:5000/x"
    finally:
        mlflow.set_tracking_uri(before)
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("ann", "p@ss")
