"""Where the time of one request goes: ``python -m benchmarks.profile_request``.

Loads our service as the benchmark does, first alone, for the processor time of a request, then while py-spy samples the
worker's stacks. What it prints is each function's share of the samples, times that time.
"""

import argparse
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks import environments, load, machine, model, processes, report, servers
from benchmarks.exchange import Client, body_file, wait_for_first_answer

SAMPLES_A_SECOND = 400
TOP = 25
SURROUNDING = 0.95
"""What has a larger share with what it calls is the server around the request, and isn't shown."""
WARM_UP_SECONDS = 1
WAITING = ("PyThread_acquire_lock", "_queue_SimpleQueue_get", "pthread_cond")
"""Functions in which a thread has nothing to do."""

_LINE = re.compile(r"(.*) (\d+)$")
_NUMBER = re.compile(r":\d+\)$")
log = logging.getLogger("benchmarks")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=10, help="of sampling (default 10)")
    parser.add_argument("--python-only", action="store_true", help="count compiled functions to their Python callers")
    parser.add_argument("--out", type=Path, help="file for the stacks, as flame graph tools read them")
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    processes.end_on_sigterm()
    try:
        cores = machine.Cores.choose()
        load.find()
        os.sched_setaffinity(0, {cores.load})
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            sys.stdout.write(_profile(Path(folder), cores, options))
    except KeyboardInterrupt:
        return 130
    except (environments.InstallationFailed, *load.ERRORS, *processes.ERRORS, *machine.ERRORS) as error:
        log.error("profile: %s", error)  # noqa: TRY400  (the message says it all)
        return 1
    return 0


def _profile(folder: Path, cores: machine.Cores, options: argparse.Namespace) -> str:
    py_spy = environments.python("py-spy").with_name("py-spy")
    (folder / "bundle").mkdir()
    server = servers.ours(model.make(folder / "bundle"), folder)
    port = processes.free_port()
    url, body = f"http://127.0.0.1:{port}{server.ones[0].path}", body_file(folder, server.ones)
    begin = time.perf_counter()
    with processes.running(
        server.command(port), server.environment(port), {cores.server}, folder / "server.log"
    ) as program:
        wait_for_first_answer(program, port, server.ones[0], begin)
        load.run(url, body, WARM_UP_SECONDS, {cores.load})
        before = program.cpu_seconds()
        alone = load.run(url, body, options.seconds, {cores.load})
        microseconds = (program.cpu_seconds() - before) / alone.requests * 1e6
        log.info("sampling for %s s", options.seconds)
        stacks = options.out or folder / "stacks"
        client = Client(port)
        worker = server.worker(client)
        client.close()
        assert worker is not None
        # the load must outlast the sampling
        loading = threading.Thread(target=load.run, args=(url, body, options.seconds + 3, {cores.load}))
        loading.start()
        try:
            _sample(py_spy, worker, stacks, options)
        finally:
            loading.join()
    return _tables(stacks, microseconds)


def _sample(py_spy: Path, worker: int, stacks: Path, options: argparse.Namespace) -> None:
    command = [str(py_spy), "record", "--pid", str(worker), "--format", "raw", "--output", str(stacks), "--function"]
    command += ["--rate", str(SAMPLES_A_SECOND), "--duration", str(options.seconds), "--threads"]
    command += [] if options.python_only else ["--native"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise load.Failed(f"py-spy: {finished.stdout}{finished.stderr}")


def _tables(stacks: Path, microseconds: float) -> str:
    itself: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for frames, count in _at_work(stacks):
        itself[frames[-1]] += count
        for name in {frame for frame in frames if ".py)" in frame}:
            within[name] += count
    total = itself.total()

    def table(title: str, found: Counter[str]) -> str:
        rows = [
            [f"`{name}`", f"{count / total:.1%}", f"{count / total * microseconds:.1f}"]
            for name, count in [entry for entry in found.most_common() if entry[1] < SURROUNDING * total][:TOP]
        ]
        return report.table([title, "share", "µs a request"], rows)

    head = f"{microseconds:.0f} µs of processor time a request, {total:,} samples of the worker's stacks"
    parts = [head, table("function itself", itself), table("Python function with what it calls", within)]
    return "\n\n".join(parts) + "\n"


def _at_work(stacks: Path) -> Iterator[tuple[list[str], int]]:
    """Frames, outermost first, and how often they were seen; without threads that wait for work."""
    for line in stacks.read_text().splitlines():
        if matched := _LINE.match(line):
            frames = [_NUMBER.sub(")", frame) for frame in matched[1].split(";")]
            if not any(frame.startswith(WAITING) for frame in frames):
                yield frames, int(matched[2])


if __name__ == "__main__":
    sys.exit(main())
