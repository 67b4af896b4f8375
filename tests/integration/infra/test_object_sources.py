"""A use case's files in an object store: a real one, SeaweedFS, which is asked by S3."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as fs
import pytest
from embedded import ports
from programs import Program, until
from small_tables import declared
from trainer.data.errors import SourceUnavailable
from trainer.usecase.declaration import Declaration
from trainer.usecase.files import NoFiles
from trainer.usecase.objects import ObjectsRefused
from trainer.usecase.periods import Asked
from trainer.usecase.rows import opened_rows

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(180)]

KEY, SECRET = "a-key-for-tests", "a-secret-for-tests"
IDENTITIES = {
    "identities": [
        {
            "name": "tests",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
    ]
}


class Store:
    """The server, and what tests put there."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._files = fs.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=address,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )

    def put(self, name: str, content: str) -> None:
        with self._files.open_output_stream(f"data/{name}") as stream:
            stream.write(content.encode())

    def ready(self) -> bool:
        try:
            self._files.create_dir("data")
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("objects")
    (folder / "s3.json").write_text(json.dumps(IDENTITIES))
    (folder / "data").mkdir()
    chosen = {
        name: ports.choose()
        for part in ("master", "volume", "filer", "s3")
        for name in (f"{part}.port", f"{part}.port.grpc")
    }
    command = [str(Path(sys.executable).with_name("weed")), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
    command += [f"-dir={folder / 'data'}", f"-s3.config={folder / 's3.json'}", "-master.telemetry=false"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=8", f"-filer.localSocket={folder / 'filer.sock'}"]
    server = Program([*command, *(f"-{name}={port}" for name, port in chosen.items())], {}, folder / "weed.log")
    server.start()
    try:
        found = Store(f"127.0.0.1:{chosen['s3.port']}")
        until(found.ready, 120, "the object store takes a bucket")
        yield found
    finally:
        server.kill()


@pytest.fixture(autouse=True)
def account(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{store.address}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def ids(declaration: Declaration, kept: Path) -> list[int]:
    kept.mkdir(exist_ok=True)
    with opened_rows(declaration, declaration.sources["files"], kept, kept, Asked(), kept) as rows:
        found: list[int] = rows.table()["id"].to_pylist()
    return found


def test_one_a_prefix_a_glob_and_periods(store: Store, tmp_path: Path) -> None:
    for month in (1, 2):
        store.put(f"r/2024-{month:02}.csv", f"id,at\n{month},2024-{month:02}-03\n")
    store.put("r/notes.md", "not a table")
    store.put("r/old/2023-01.csv", "id,at\n9,2023-01-03\n")
    assert ids(declared("s3://data/r/2024-01.csv"), tmp_path / "kept") == [1]
    assert ids(declared("s3://data/r/{period}.csv"), tmp_path / "kept") == [1, 2]
    assert ids(declared("s3://data/r/*.csv"), tmp_path / "kept") == [1, 2]
    assert ids(declared("s3://data/r/"), tmp_path / "kept") == [1, 2, 9]


def test_an_object_is_fetched_again_only_when_it_has_changed(store: Store, tmp_path: Path) -> None:
    store.put("once.csv", "id,at\n1,2024-01-03\n")
    rentals = declared("s3://data/once.csv")
    assert ids(rentals, tmp_path / "kept") == [1]
    (fetched,) = (tmp_path / "kept").glob("*once.csv")
    before = fetched.stat().st_ino
    assert ids(rentals, tmp_path / "kept") == [1]
    assert fetched.stat().st_ino == before
    store.put("once.csv", "id,at\n22,2024-01-03\n")
    assert ids(rentals, tmp_path / "kept") == [22]


def test_what_is_not_there_or_not_for_us_or_away_is_told_apart(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoFiles, match=r"no object is named s3://data/none\.csv"):
        ids(declared("s3://data/none.csv"), tmp_path)
    with pytest.raises((NoFiles, ObjectsRefused), match="s3://nowhere/"):
        ids(declared("s3://nowhere/{period}.csv"), tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(ObjectsRefused, match=r"s3://data/r/2024-01\.csv") as refused:
        ids(declared("s3://data/r/2024-01.csv"), tmp_path)
    assert "another" not in str(refused.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{ports.choose()}")
    with pytest.raises(SourceUnavailable, match=r"s3://data/r/2024-01\.csv"):
        ids(declared("s3://data/r/2024-01.csv"), tmp_path)
