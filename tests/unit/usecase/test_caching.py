"""What a declaration decides is part of the keys of caches: a change of it is never answered with what was before."""

from collections.abc import Callable

import pytest
from trainer.usecase.declaration import Declaration
from trainer.usecase.folder import digest_of

Change = Callable[..., Declaration]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("closed: bikes = 0", "closed: bikes < 2"),
        ("minimum: -40", "minimum: -30"),
        ("unit: bike, minimum: 0", "unit: bike, minimum: 1"),
        ("target: ", "features: [{op: identity, name: temperature, field: temperature}]\ntarget: "),
        ("target: ", "judge: {share: 0.3}\ntarget: "),
        ("target: ", "train: {most_rows: 5000}\ntarget: "),
        ("  key: [id]", "  key: [id]\n  group: [station]"),
    ],
)
def test_what_decides_a_trainings_rows_and_features_is_another_key(declare: Change, old: str, new: str) -> None:
    assert digest_of(declare(old, new)) != digest_of(declare())


def test_what_decides_nothing_of_them_isnt(declare: Change) -> None:
    changed = declare("name: rentals\n", 'name: rentals\ndescription: Bikes.\ntrain: {schedule: "0 4 * * *"}\n')
    assert digest_of(changed) == digest_of(declare())
