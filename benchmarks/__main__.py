"""``python -m benchmarks``: measures, prints and writes the figures. Exits with 1 for a wrong answer or an error."""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    environments,
    inplace,
    isolation,
    load,
    machine,
    model,
    one_row,
    processes,
    recording,
    report,
    scaling,
    servers,
    swaps,
)
from benchmarks.results import Results

HERE = Path(__file__).parent
PARTS = ("inplace", "isolation", "recording", "scaling", "swaps")

log = logging.getLogger("benchmarks")


def main() -> int:
    options = _options()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    processes.end_on_sigterm()
    try:
        results = _measure(options)
    except (environments.InstallationFailed, *load.ERRORS, *machine.ERRORS, *processes.ERRORS) as error:
        log.error("benchmark: %s", error)  # noqa: TRY400  (the message says it all)
        return 1
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(report.markdown(results))
    if options.out:
        report.write(results, options.out)
    return 0


def _options() -> argparse.Namespace:
    every = (*servers.BUILDERS, *PARTS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=3, help="in each, everything is measured once (default 3)")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement (default 5)")
    parser.add_argument("--only", type=lambda text: tuple(text.split(",")), help=f"some of {','.join(every)}")
    parser.add_argument("--out", type=Path, help="folder for results.md and .json; here, if everything is measured")
    options = parser.parse_args()
    if unknown := set(options.only or ()) - set(every):
        parser.error(f"--only: {', '.join(sorted(unknown))}: not one of {', '.join(every)}")
    if options.only is None:
        options.out = options.out or HERE
        options.only = every
    return options


def _measure(options: argparse.Namespace) -> Results:
    load.find()
    cores = machine.Cores.choose()
    results = Results(machine.describe(), options.rounds, options.seconds)
    os.sched_setaffinity(0, {cores.load})
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        log.info("training the model")
        subject = model.make(_new(folder, "bundle"))
        chosen = [servers.build(name, subject, _new(folder, name)) for name in servers.BUILDERS if name in options.only]
        for number in range(1, options.rounds + 1):
            log.info("round %s of %s", number, options.rounds)
            _round(chosen, subject, folder, cores, options, results)
        _ours_alone(subject, folder, cores, options, results)
    return results


def _round(
    chosen: list[servers.Server],
    subject: model.Subject,
    folder: Path,
    cores: machine.Cores,
    options: argparse.Namespace,
    results: Results,
) -> None:
    for server in chosen:
        log.info("  %s", server.name)
        results.add(server, one_row.visit(server, folder / server.name, cores, options.seconds))
    if "inplace" in options.only:
        log.info("  inplace")
        results.inplace.append(inplace.measure(subject, folder, cores.server, options.seconds))


def _ours_alone(
    subject: model.Subject, folder: Path, cores: machine.Cores, options: argparse.Namespace, results: Results
) -> None:
    if "isolation" in options.only:
        log.info("isolation")
        place = _new(folder, "isolation")
        server = servers.ours(subject, place)
        results.isolation = isolation.measure(server, place, cores, options.rounds, options.seconds)
    if "swaps" in options.only:
        log.info("swaps")
        place = _new(folder, "swaps")
        results.swaps = swaps.measure(subject, place, cores, options.rounds, options.seconds)
    if "recording" in options.only:
        log.info("recording")
        place = _new(folder, "recording")
        results.recording = recording.measure(subject, place, cores, options.rounds, options.seconds)
    if "scaling" in options.only:
        log.info("scaling")
        place = _new(folder, "scaling")
        results.scaling = scaling.measure(subject, place, cores, options.rounds, options.seconds)


def _new(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


if __name__ == "__main__":
    sys.exit(main())
