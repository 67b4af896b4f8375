"""The serving tests share one registry: a model's name belongs to one module, whoever runs first beside it."""

import re
from collections import defaultdict
from pathlib import Path

SERVING = Path(__file__).parents[2] / "integration" / "serving"


def test_no_two_modules_of_the_serving_tests_publish_the_same_model() -> None:
    modules: dict[str, set[str]] = defaultdict(set)
    for module in SERVING.glob("test_*.py"):
        for name in re.findall(r'"([a-z-]+-demand)"', module.read_text()):
            modules[name].add(module.name)
    assert len(modules) > 10
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}
