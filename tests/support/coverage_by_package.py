"""What of each package the tests reach: ``coverage_by_package.py < coverage.json``, the report of coverage.py."""

import json
import sys
from collections import Counter, defaultdict

FIGURES = ("covered_lines", "num_statements", "covered_branches", "num_branches")


def main() -> None:
    packages: dict[str, Counter[str]] = defaultdict(Counter)
    for file, found in json.load(sys.stdin)["files"].items():
        summary = {name: found["summary"][name] for name in FIGURES}
        for package in (_package(file), "all"):
            packages[package].update(summary)
    width = max(map(len, packages))
    sys.stdout.write(f"{'package':{width}}  lines  branches\n")
    for package in [*sorted(packages.keys() - {"all"}), "all"]:
        lines, statements, taken, branches = (packages[package][name] for name in FIGURES)
        sys.stdout.write(f"{package:{width}}  {_share(lines, statements)}     {_share(taken, branches)}\n")


def _package(file: str) -> str:
    """``trainer.rollout`` of ``services/trainer/src/trainer/rollout/transaction.py``."""
    return ".".join(file.rpartition("/src/")[2].split("/")[:-1])


def _share(part: int, whole: int) -> str:
    return f"{part / whole:5.0%}" if whole else "    -"


if __name__ == "__main__":
    main()
