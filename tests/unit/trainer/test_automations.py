"""An automation that is as wanted is recognised as such, and left alone."""

from prefect.events.actions import DoNothing
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from trainer.deployment import automations

EVENTS = [f"event {number}" for number in range(100)]
"""So many that a set of them has another order when it is made in another order."""


def waiting_for(events: list[str]) -> AutomationCore:
    return AutomationCore(name="any", trigger=EventTrigger(expect=set(events)), actions=[DoNothing()])


def test_the_order_of_the_events_that_are_waited_for_makes_no_difference() -> None:
    backwards = list(reversed(EVENTS))
    assert list(set(EVENTS)) != list(set(backwards))
    assert automations._contents(waiting_for(EVENTS)) == automations._contents(waiting_for(backwards))
    assert automations._contents(waiting_for(EVENTS)) != automations._contents(waiting_for(EVENTS[1:]))
