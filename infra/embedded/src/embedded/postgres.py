"""A Postgres of its own for one folder: the system's programs or a package's, TCP on 127.0.0.1, passwords.

    server = postgres.start(Path("folder"))
    server.url("warehouse")     # postgresql://warehouse:…@127.0.0.1:54321/warehouse
    server.stop()

Databases and roles are those of ``infra/postgres/init``, made by the same script. A second start in the same folder
finds them and their data again.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import psycopg2

from embedded import binaries as programs
from embedded import credentials, ports
from embedded.accounts import Account, unprivileged
from embedded.binaries import Binaries
from embedded.errors import CommandFailed
from embedded.processes import Process, spawn
from embedded.readiness import wait_until
from embedded.root import ROOT

SUPERUSER = "postgres"
DATABASES = ("prefect", "mlflow", "warehouse")
ROLES = (*DATABASES, "serving")
"""One for each database, and the model service's, which has none of its own."""

INIT_SCRIPT = ROOT / "infra" / "postgres" / "init" / "10-databases.sh"


@dataclass(frozen=True, slots=True)
class Server:
    """A running Postgres."""

    process: Process
    port: int
    passwords: Mapping[str, str]
    """By role: ``ROLES``, and the superuser."""
    home: Path
    """Where data and log are; not below the folder asked for when the server's user couldn't enter that."""
    binaries: Binaries | None = None
    """What was started; None of a server that somebody else started."""

    def url(self, role: str, database: str | None = None) -> str:
        """``postgresql://role:password@127.0.0.1:port/database``; the database defaults to the role's own."""
        name = database or role
        return f"postgresql://{role}:{self.passwords[role]}@{ports.LOOPBACK}:{self.port}/{name}"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    def stop(self) -> None:
        # SIGINT is Postgres's fast shutdown: it ends sessions, rolls back what is open and writes a checkpoint
        self.process.stop(grace=20, first=signal.SIGINT)


def start(folder: Path, *, port: int = 0, settings: Mapping[str, str] = MappingProxyType({})) -> Server:
    """Starts Postgres with its data below ``folder``, making databases and roles at the first start.

    Args:
        folder: made if absent; also has the passwords, below ``secrets``.
        port: 0 for any free one.
        settings: Of Postgres, beyond its defaults.

    Raises:
        OtherRelease: the data are another major release's, which isn't here.
        StackError: it couldn't be made or didn't start; the text has its output.
    """
    account = unprivileged()
    home = _home(folder, account)
    binaries = _binaries(home, account)
    credentials.make(folder)
    kept = credentials.passwords(folder)
    chosen = ports.choose([port])
    fresh = not (home / "ready").exists()
    if fresh:
        _initialise(binaries, home, kept[SUPERUSER], account)
    process = spawn(
        _command(binaries.folder, home, chosen, settings),
        env=_environment(),
        log=home / "postgres.log",
        cwd=home,
        account=account,
    )
    server = Server(process, chosen, kept, home, binaries)
    try:
        wait_until("postgres", lambda: _answers(server), process=process, log=server.log, seconds=60)
        if _missing_roles(server):
            _create_databases(binaries.folder, server, folder)
    except BaseException:
        server.stop()
        raise
    return server


def running(folder: Path, process: Process, port: int) -> Server:
    """The server that was started in ``folder`` earlier, by another interpreter perhaps."""
    return Server(process, port, credentials.passwords(folder), (folder / "postgres").resolve())


@contextlib.contextmanager
def temporary(**settings: str) -> Iterator[Server]:
    """A Postgres in a folder that is gone, with all data, when the block ends.

    Args:
        settings: Of Postgres, such as ``fsync="off"`` where no loss of power has to be survived.
    """
    with tempfile.TemporaryDirectory(prefix="roundhouse-postgres-") as folder:
        server = start(Path(folder), settings=settings)
        try:
            yield server
        finally:
            server.stop()
            remove(Path(folder))


def remove(folder: Path) -> None:
    """Deletes the data of a stopped server."""
    home = folder / "postgres"
    shutil.rmtree(home.resolve(), ignore_errors=True)
    if home.is_symlink():
        home.unlink()


def _home(folder: Path, account: Account | None) -> Path:
    """``folder/postgres``: a folder, or a link to one elsewhere if the server's user can't enter ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "postgres"
    if home.is_symlink() and not home.exists():
        home.unlink()
    if not home.exists():
        _make_home(folder, home, account)
    return home.resolve()


def _make_home(folder: Path, home: Path, account: Account | None) -> None:
    if account is None or account.reaches(folder):
        home.mkdir(mode=0o700)
    else:
        home.symlink_to(_elsewhere(), target_is_directory=True)
    if account:
        account.own(home)


def _elsewhere() -> Path:
    # /var/tmp outlives a restart of the machine
    lasting = Path("/var/tmp")  # noqa: S108  (mkdtemp makes the name unguessable and the folder private)
    return Path(tempfile.mkdtemp(prefix="roundhouse-postgres-", dir=lasting if lasting.is_dir() else None))


def _binaries(home: Path, account: Account | None) -> Binaries:
    data = home / "data" if (home / "ready").exists() else None
    chosen = programs.choose(data, account.reaches if account else lambda _: True)
    if chosen.packaged and account and not account.reaches(chosen.folder):
        package = _copy(chosen.folder.parents[1], home, account)
        return replace(chosen, folder=package / "pginstall" / "bin")
    return chosen


def _copy(package: Path, home: Path, account: Account) -> Path:
    """The binaries where the server's user can run them, and beside the package, where they look, their libraries."""
    target = home / "binaries"
    if not (target / "complete").exists():
        for folder in (Path(package.name, "pginstall"), Path(f"{package.name}.libs")):
            shutil.copytree(package.parent / folder, target / folder, symlinks=True, dirs_exist_ok=True)
        (target / "complete").touch()
    account.own_all(target)  # each time: a copy of before may be of a version that left it to root
    return target / package.name


def _initialise(binaries: Binaries, home: Path, password: str, account: Account | None) -> None:
    data = home / "data"
    shutil.rmtree(data, ignore_errors=True)  # of a first start that was cut short
    password_file = home / "superuser"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    if account:
        account.own(password_file)
    initdb = [
        os.fspath(binaries.folder / "initdb"),
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        *binaries.initdb_arguments,
        f"--pgdata={data}",
    ]
    as_user = account.identity if account else {}
    try:
        done = subprocess.run(
            initdb, cwd=home, env=_environment(), capture_output=True, text=True, check=False, **as_user
        )
    finally:
        password_file.unlink()
    if done.returncode:
        raise CommandFailed("initdb", done.returncode, done.stdout + done.stderr)


def _command(binaries: Path, home: Path, port: int, settings: Mapping[str, str]) -> list[str | Path]:
    places = {"listen_addresses": ports.LOOPBACK, "port": str(port), "unix_socket_directories": ""}
    options = [part for name, value in {**settings, **places}.items() for part in ("-c", f"{name}={value}")]
    return [binaries / "postgres", "-D", home / "data", *options]


def _environment() -> dict[str, str]:
    # PG… variables of the caller's shell would point Postgres's tools elsewhere
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "POSTGRES"))}


def _answers(server: Server) -> bool:
    with contextlib.closing(psycopg2.connect(server.url(SUPERUSER), connect_timeout=3)):
        return True


def _missing_roles(server: Server) -> Sequence[str]:
    """All of them at the first start; later, those that an older version didn't have."""
    with contextlib.closing(psycopg2.connect(server.url(SUPERUSER))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles")
        present = {name for (name,) in cursor.fetchall()}
    return [role for role in ROLES if role not in present]


def _create_databases(binaries: Path, server: Server, folder: Path) -> None:
    env = _environment() | {
        "PASSWORDS": os.fspath(credentials.of(folder, "postgres")),
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": ports.LOOPBACK,
        "PGPORT": str(server.port),
        "PGPASSWORD": server.passwords[SUPERUSER],
        "POSTGRES_USER": SUPERUSER,
    }
    done = subprocess.run(["bash", INIT_SCRIPT], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(INIT_SCRIPT.name, done.returncode, done.stdout + done.stderr)
    (server.home / "ready").touch()
