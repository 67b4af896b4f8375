"""A drill: what a stack had is there again in another one, with other passwords."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from backup.demo import DemoStack
from backup.errors import NotEmpty, ToolFailed
from backup.folder import check, writing
from backup.restore import restore
from backup.save import KEY, save
from backup.stacks import query
from console.prediction import ask
from cryptography.fernet import Fernet
from embedded import credentials
from embedded.demo import has_champion
from embedded.stack import Stack
from pipelines import MODEL, Pipeline

pytestmark = pytest.mark.thorough

ROWS = {
    "mlflow": "SELECT (SELECT count(*) FROM model_versions), (SELECT count(*) FROM runs)",
    "warehouse": "SELECT (SELECT count(*) FROM trips), (SELECT count(*) FROM predictions), "
    "(SELECT count(*) FROM rollouts)",
    "prefect": "SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED'",
}
PATIENT = {"TRAINER_FIRST_TRAINING": "false"}


@pytest.fixture(scope="module")
def kept(pipeline: Pipeline, first_training: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a stack that has a champion and has answered; it goes on meanwhile."""
    before = pipeline.count("predictions")
    ask(pipeline.stack.url("serving"))
    pipeline.wait(lambda: pipeline.count("predictions") > before, 30, "the answer is recorded")
    target = tmp_path_factory.mktemp("backups") / "one"
    save(DemoStack(pipeline.stack.folder), target, "abc")
    return target


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Stack]:
    """Another stack, of which nothing but the folder is there."""
    stack = Stack(tmp_path / "other", any_ports=True, variables=PATIENT)
    yield stack
    Stack(stack.folder).remove()


def told(folder: Path) -> list[str]:
    """How much each database has."""
    stack = DemoStack(folder)
    with stack.running():
        return [query(stack, database, statement) for database, statement in ROWS.items()]


def unloadable(kept: Path) -> Path:
    """Another backup, as whole as the first by its sums, of which the second database's dump is none."""
    target = kept.with_name("unloadable")
    with writing(target, "abc", check(kept).postgres) as folder:
        for file in check(kept).files:
            shutil.copy(kept / file, folder / file)
        (folder / "warehouse.dump").write_bytes(b"PGDMP and no more")
        (folder / KEY).write_bytes(Fernet.generate_key())
    return target


def test_a_restored_stack_has_all_and_goes_on(pipeline: Pipeline, champion: str, kept: Path, other: Stack) -> None:
    restore(DemoStack(other.folder), kept)
    passwords = [credentials.passwords(folder) for folder in (pipeline.stack.folder, other.folder)]
    assert not set(passwords[0].values()) & set(passwords[1].values())
    keys = [(credentials.of(folder, "kept") / KEY).read_text() for folder in (pipeline.stack.folder, other.folder)]
    assert keys[0] == keys[1]
    has = told(other.folder)

    other = Stack(other.folder, any_ports=True, variables=PATIENT)
    other.start()
    restored = Pipeline(other)
    restored.wait(lambda: restored.get("/model")["version"] == champion, 60, "the champion is served")
    # so `make demo` there replaces it by no other, unasked
    assert has_champion(other, "trip-duration")
    assert restored.count("predictions") == int(has[1].split("|")[1])
    assert ask(other.url("serving")).response["model"]["version"] == champion
    restored.wait(lambda: restored.count("predictions") > int(has[1].split("|")[1]), 30, "the next answer is recorded")
    assert restored.get("/model/history")["rollouts"] == pipeline.get("/model/history")["rollouts"]
    trained = pipeline.runs.newest(f"train/{MODEL}")
    assert trained is not None
    assert restored.runs.read(trained)["state"]["type"] == "COMPLETED"
    settled = restored.run(f"reconcile/{MODEL}", {})
    assert settled["state"]["type"] == "COMPLETED", restored.runs.log(settled["id"])

    # what has something of its own isn't written over, unless it is told to be
    other.stop()
    has = told(other.folder)
    with pytest.raises(NotEmpty, match="registered models, loaded trips, a ledger of rollouts, recorded predictions"):
        restore(DemoStack(other.folder), kept)
    assert told(other.folder) == has
    key = (credentials.of(other.folder, "kept") / KEY).read_text()
    with pytest.raises(ToolFailed, match="pg_restore"):
        restore(DemoStack(other.folder), unloadable(kept), over=True)
    assert told(other.folder) == has
    assert (credentials.of(other.folder, "kept") / KEY).read_text() == key
    restore(DemoStack(other.folder), kept, over=True)
    assert told(other.folder) != has
    stack = DemoStack(other.folder)
    with stack.running():
        assert query(stack, "warehouse_before", ROWS["warehouse"]) == has[1]
