"""A declaration that is sound, and its schema."""

import json
from pathlib import Path

import jsonschema
import pytest
from trainer.usecase.declaration import CategoryField
from trainer.usecase.folder import find, find_all
from trainer.usecase.problems import NoSuchUseCase
from trainer.usecase.reading import parse, schema

COMMITTED = Path(__file__).parents[3] / "usecases" / "usecase.schema.json"


def test_the_committed_schema_is_that_of_the_models() -> None:
    made = json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
    assert COMMITTED.read_text() == made, "write it: python -m trainer.usecase schema > usecases/usecase.schema.json"


def test_the_schema_takes_what_is_read_and_refuses_what_is_not(rentals: str) -> None:
    from ruamel.yaml import YAML

    document = YAML(typ="safe").load(rentals)
    jsonschema.validate(document, schema())
    document["table"]["colums"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_no_is_a_text_as_in_every_table(rentals: str) -> None:
    field = parse(rentals, "usecase.yaml").fields["station"]
    assert isinstance(field, CategoryField)
    assert field.values == ["north", "south", "no"]


def test_one_broken_folder_keeps_no_other_from_being_found(rentals: str, tmp_path: Path) -> None:
    for name, text in {
        "rentals": rentals,
        "broken": "name: broken",
        "cars": rentals.replace(": rentals", ": cars"),
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "usecase.yaml").write_text(text)
    (tmp_path / "no-declaration").mkdir()
    found = find_all(tmp_path)
    assert [declaration.name for declaration in found.sound] == ["cars", "rentals"]
    assert [Path(error.file).parent.name for error in found.broken] == ["broken"]
    assert find(tmp_path, "cars").name == "cars"
    with pytest.raises(NoSuchUseCase, match="broken, cars, rentals"):
        find(tmp_path, "boats")
    with pytest.raises(NoSuchUseCase):
        find(tmp_path / "cars", "../rentals")
