"""The ledger of rollouts as a table: what was served when, why and by whose decision."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from console.terminal import Terminal
from console.web import call

HEAD = ("begun", "kind", "version", "outcome", "seconds", "by", "why")
WIDEST = 60
"""Characters of a cell; the last column is never cut."""

Rollout = dict[str, Any]


def read(serving: str) -> list[Rollout]:
    """The model service's history, the newest first.

    Raises:
        WebError: it doesn't answer, or has none.
    """
    found: list[Rollout] = call(f"{serving}/model/history")["rollouts"]
    return found


def show(rollouts: Sequence[Rollout], stack: str, terminal: Terminal) -> None:
    terminal.heading(f"Rollouts of the {stack} stack, the newest first")
    if not rollouts:
        terminal.text("  none yet")
        return
    for line in table([HEAD, *map(_cells, rollouts)]):
        terminal.text(f"  {line}")


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns as wide as their widest cell."""
    cut = [[*map(_shortened, row[:-1]), row[-1]] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cut]


def _cells(rollout: Rollout) -> list[str]:
    begun = datetime.fromisoformat(rollout["begun_at"]).astimezone()
    seconds = rollout["seconds"]
    return [
        f"{begun:%Y-%m-%d %H:%M:%S}",
        rollout["kind"],
        f"{rollout['from'] or 'none'} -> {rollout['to']}",
        rollout["outcome"],
        "" if seconds is None else f"{seconds:.1f}",
        rollout["actor"],
        "; ".join(filter(None, [rollout["failure"], rollout["reason"]])),
    ]


def _shortened(cell: str) -> str:
    return cell if len(cell) <= WIDEST else f"{cell[: WIDEST - 3]}..."
