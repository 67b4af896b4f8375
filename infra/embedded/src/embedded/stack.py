"""The stack in one folder: starts what doesn't run, waits until it is ready, stops what it recorded.

stack = Stack(Path(".demo"))
stack.start()                                    # or start(["mlflow"]): what that needs is started too
stack.url("mlflow"), stack.postgres.url("warehouse"), stack.environment("prefect-worker")
stack.stop()
"""

import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from embedded import credentials, ports, postgres
from embedded.accounts import unprivileged
from embedded.errors import CommandFailed, NotReady, ProcessDied
from embedded.processes import spawn
from embedded.readiness import INTERVAL, answers
from embedded.report import NullReport, Report
from embedded.root import ROOT
from embedded.services import BY_NAME, SERVICES, STOP_ORDER, Service
from embedded.state import Record, State
from embedded.wiring import TEMPORARY, VOLUMES, Program, Wiring, port_variable

PATIENCE = 180.0
"""Seconds that a service may take to be ready."""


class Stack:
    """The services of docker-compose.yml as local processes.

    Raises CopiedStack if the folder is another stack's copy.

    Args:
        folder: everything that the stack writes lies below it.
        variables: values of the compose file's variables, such as ``TRAINER_SOURCE`` or ``SERVING_WORKERS``.
        any_ports: takes free ports rather than the usual ones.
        report: told of the progress.
    """

    def __init__(
        self,
        folder: Path,
        *,
        variables: Mapping[str, str] | None = None,
        any_ports: bool = False,
        report: Report | None = None,
    ) -> None:
        self.folder = folder.resolve()
        # Postgres may run as another user, who then passes through to its own folder and sees nothing on the way
        _private(self.folder, 0o711 if unprivileged() else 0o700)
        self.state = State.read(self.folder)
        self._variables = dict(variables or {})
        self._any_ports = any_ports
        self._report = report or NullReport()
        self._succeeded: dict[str, str] = {}  # digest by job, so that a second start doesn't run it again

    @property
    def postgres(self) -> postgres.Server:
        """The running Postgres."""
        return postgres.running(self.folder, self.state.records["postgres"].process, self.state.ports["postgres"])

    def url(self, name: str) -> str:
        """Base URL of a service; Prefect's API is below it at ``/api``."""
        return f"http://{ports.LOOPBACK}:{self.state.ports[name]}"

    def environment(self, name: str) -> Mapping[str, str]:
        """The environment that a service runs with, for another program that is to be one of its kind."""
        return self._program(name).environment

    def log(self, name: str) -> Path:
        return self.folder / "postgres" / "postgres.log" if name == "postgres" else self.folder / "logs" / f"{name}.log"

    def start(self, names: Iterable[str] | None = None) -> None:
        """Starts the named services and what they need, all by default; what runs with the same settings stays.

        Raises:
            StackError: one of them didn't come up; what this call started has been stopped again.
        """
        services = _with_needs(BY_NAME if names is None else names)
        self.prepare()
        if self.state.place.folder != str(self.folder):  # what runs has its files by names that are no more
            self.stop()
            self.state.place = self.state.place.moved_to(self.folder)
        self._choose_ports()
        before = {name for name in BY_NAME if self.state.running(name)}
        try:
            self._bring_up(services)
        except BaseException:
            self._stop([name for name in self.state.records if name not in before])
            raise

    def stop_changed(self) -> None:
        """Stops what runs with other settings than it is to have, and would be started again by ``start``.

        Whoever hands work to a service does this first: one that is about to be stopped would take it along.
        """
        running = {name: record for name in BY_NAME if name != "postgres" and (record := self.state.running(name))}
        self._stop(name for name, record in running.items() if record.digest != self._program(name).digest)

    def prepare(self) -> None:
        """Makes the folders and secrets that services expect; nobody but their owner can read them."""
        if not any(map(self.state.running, BY_NAME)):
            shutil.rmtree(self.folder / TEMPORARY, ignore_errors=True)  # of services that were killed
        for name in (*VOLUMES, TEMPORARY, "logs"):
            _private(self.folder / name)
        credentials.make(self.folder, self._variables)

    def check(self) -> None:
        """Raises ProcessDied if a service that was started has ended by itself."""
        for name, record in self.state.records.items():
            if not BY_NAME[name].job and not record.process.alive():
                raise ProcessDied(name, self.log(name))

    def stop(self) -> None:
        """Stops what the folder's state records, in order: first asked, then killed."""
        self._stop(list(self.state.records))

    def remove(self) -> None:
        """Stops everything and deletes all data, also what Postgres has outside the folder."""
        self.stop()
        postgres.remove(self.folder)
        shutil.rmtree(self.folder)

    def _bring_up(self, services: list[Service]) -> None:
        launched: dict[str, float] = {}
        ready: set[str] = set()
        reused: set[str] = set()
        while len(ready) < len(services):
            for service in services:
                if service.name not in launched and ready.issuperset(service.after):
                    launched[service.name] = time.monotonic()
                    if not self._launch(service):
                        reused.add(service.name)
            self._report.waiting([service.name for service in services if service.name not in ready])
            for name in launched.keys() - ready:
                waited = time.monotonic() - launched[name]
                if self._is_ready(BY_NAME[name], waited):
                    ready.add(name)
                    if name not in reused:
                        self._report.ready(name, waited, self._address(name))
            if launched.keys() - ready:
                time.sleep(INTERVAL)

    def _launch(self, service: Service) -> bool:
        """Starts a service, or starts it again with other settings; False if that isn't needed."""
        running = self.state.running(service.name)
        if service.name == "postgres":
            return False if running else self._launch_postgres()
        program = self._program(service.name)
        if service.job and self._succeeded.get(service.name) == program.digest:
            return False
        if running and running.digest == program.digest and not service.job:
            return False
        if running:
            running.process.stop(grace=service.grace)
        self.log(service.name).unlink(missing_ok=True)
        process = spawn(program.command, env=program.environment, log=self.log(service.name), cwd=ROOT)
        self._record(service.name, Record(process, program.digest))
        return True

    def _launch_postgres(self) -> bool:
        server = postgres.start(self.folder, port=self.state.ports["postgres"])
        self._record("postgres", Record(server.process, ""))
        if server.binaries and not server.binaries.packaged:
            self._report.note(f"{server.binaries}")
        if not server.home.is_relative_to(self.folder):
            self._report.note(f"Postgres's own user can't enter {self.folder}: its data is in {server.home}")
        return True

    def _record(self, name: str, record: Record) -> None:
        self.state.records[name] = record
        self.state.write(self.folder)

    def _is_ready(self, service: Service, waited: float) -> bool:
        log = self.log(service.name)
        if service.job:
            ready = self._has_succeeded(service)
        elif self.state.records[service.name].process.alive():
            ready = service.ready is None or answers(self.url(service.name) + service.ready)
        else:
            raise ProcessDied(service.name, log)
        if not ready and waited > PATIENCE:
            raise NotReady(service.name, PATIENCE, log, "no answer")
        return ready

    def _has_succeeded(self, service: Service) -> bool:
        record = self.state.records[service.name]
        if self._succeeded.get(service.name) == record.digest:
            return True
        code = record.process.child.poll() if record.process.child else None
        if code:
            raise CommandFailed(service.name, code, self.log(service.name))
        if code == 0:
            self._succeeded[service.name] = record.digest
        return code == 0

    def _address(self, name: str) -> str:
        return "" if BY_NAME[name].job else self.url(name).removeprefix("http://")

    def _stop(self, names: Iterable[str]) -> None:
        for name in sorted(names, key=STOP_ORDER.index):
            self._report.waiting([name])
            if name == "postgres":
                self.postgres.stop()
            else:
                self.state.records[name].process.stop(grace=BY_NAME[name].grace)
            del self.state.records[name]
            self.state.write(self.folder)

    def _choose_ports(self) -> None:
        # of all services, also those that aren't wanted now: the others are told where they will be
        usual = {service.name: service.port for service in SERVICES if not service.job}
        asked = {name: int(self._variables.get(port_variable(name)) or 0) for name in usual}
        if self._any_ports:
            usual, asked = dict.fromkeys(usual, 0), {}
        before = self.state.ports
        self.state.ports = ports.assign(usual, asked, before, [name for name in usual if self.state.running(name)])
        for name, port in self.state.ports.items():
            wanted = asked.get(name) or usual[name]
            if wanted and port not in (wanted, before.get(name)):
                self._report.note(f"port {wanted} is in use: {name} gets {port}")
        self.state.write(self.folder)

    def _program(self, name: str) -> Program:
        return Wiring(self.folder, self.state.ports, self._variables, self.state.place.identity).program(name)


def _private(folder: Path, mode: int = 0o700) -> None:
    """Also a folder that an older version made for everybody to read."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)


def _with_needs(names: Iterable[str]) -> list[Service]:
    wanted: set[str] = set()
    open_ends = list(names)
    while open_ends:
        name = open_ends.pop()
        if name not in wanted:
            wanted.add(name)
            open_ends += BY_NAME[name].needs
    return [service for service in SERVICES if service.name in wanted]
