"""Flows are forms that people who don't code fill in."""

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.flows import Flow, load_flow_from_entrypoint
from trainer.deployment.deployments import DEPLOYMENTS, Deployment
from trainer.flows.monitor import monitor
from trainer.flows.outcomes import outcomes
from trainer.flows.promote import promote
from trainer.flows.respond import respond
from trainer.flows.retain import retain
from trainer.flows.rollback import rollback
from trainer.flows.train import train


@pytest.mark.parametrize("flow", [promote, rollback, train, respond, outcomes, retain, monitor])
def test_every_parameter_is_explained_and_none_has_to_be_given(flow: Flow[..., Any]) -> None:
    schema = flow.parameters.model_dump()

    assert schema["required"] == []
    assert all(each.get("description") for each in schema["properties"].values())


@pytest.mark.parametrize(
    ("flow", "parameters", "named"),
    [
        (promote, {"version": "0"}, "version"),
        (promote, {"version": "eight"}, "version"),
        (promote, {"holdout": "2021-13"}, "holdout"),
        (promote, {"wait_seconds": -1}, "wait_seconds"),
        (rollback, {"version": "v3"}, "version"),
        (train, {"holdout_days": 28}, "holdout_days"),
        (respond, {"cool_down_hours": -1}, "cool_down_hours"),
        (respond, {"alarm": {"fields": {"trip_distance": "far"}}}, "trip_distance"),
        (retain, {"days": 0}, "days"),
        (monitor, {"version": "v3"}, "version"),
        (monitor, {"window_days": 0}, "window_days"),
        (monitor, {"since": "yesterday"}, "since"),
        (monitor, {"terms": {"most_psi": -1}}, "most_psi"),
        (monitor, {"terms": {"resamples": 500}}, "can't tell an alpha"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_before_anything_runs(
    flow: Flow[..., Any], parameters: dict[str, Any], named: str
) -> None:
    with pytest.raises(ParameterTypeError, match=named):
        flow.validate_parameters(parameters)


def test_only_people_start_promotions_and_rollbacks() -> None:
    schedules = {deployment.full_name: deployment.cron for deployment in DEPLOYMENTS}

    assert schedules["promote/trip-duration"] is None
    assert schedules["rollback/trip-duration"] is None
    assert schedules["reconcile/trip-duration"] == "*/5 * * * *"
    assert schedules["monitor/trip-duration"] == "30 * * * *"


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment.full_name)
def test_each_deployment_names_a_flow_that_is_there(deployment: Deployment) -> None:
    assert load_flow_from_entrypoint(deployment.entrypoint, use_placeholder_flow=False).name == deployment.flow
