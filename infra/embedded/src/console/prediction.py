"""One prediction, for an example that the served model's own contract gives."""

import json
from dataclasses import dataclass
from typing import Any

from console.terminal import Terminal
from console.web import call


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model service says."""

    request: dict[str, Any]
    response: dict[str, Any]
    metrics: dict[str, Any]


def ask(serving: str) -> Answer:
    """Has the served model predict its contract's example.

    Raises:
        WebError: it has no model yet, or doesn't answer.
    """
    model = call(f"{serving}/model")
    example = {field["name"]: field["example"] for field in model["contract"]["fields"]}
    return Answer(example, call(f"{serving}/predict", example), model["metrics"])


def show(answer: Answer, serving: str, terminal: Terminal) -> None:
    terminal.heading("Prediction")
    terminal.text(f"  POST {serving}/predict")
    terminal.text(f"  {json.dumps(answer.request, ensure_ascii=False)}")
    terminal.text(f"  {json.dumps(answer.response, ensure_ascii=False)}")
    terminal.heading("Metrics of the served model")
    for name, value in sorted(answer.metrics.items()):
        terminal.text(f"  {name:<28} {value:,.4f}" if isinstance(value, float) else f"  {name:<28} {value}")
