"""What ``make new`` and ``make check`` tell."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from trainer.usecase.check import Checked
from trainer.usecase.declaration import Declaration
from trainer.usecase.new.command import New
from trainer.usecase.new.decision import Decided
from trainer.usecase.periods import Period

WIDEST = 40
MOST_LINES = 40
"""Of a table of columns; a table with 300 has its left-out ones first."""


def of_new(new: New, root: Path) -> str:
    """The table of what was found and decided, and the warnings.

    Args:
        root: what the file's path is shown relative to.
    """
    found = new.decision
    lines = [f"{new.rows:,} rows{' (the first; there are more)' if new.cut else ''}, {len(found.columns)} columns", ""]
    shown = found.columns
    if len(shown) > MOST_LINES:
        others = [column for column in found.columns if column.use != "field"]
        shown = [*others, *(column for column in found.columns if column.use == "field")][:MOST_LINES]
    lines += table(
        ["column", "type", "used as", "found"],
        [[column.profile.name, column.profile.type, column.use, _found(column)] for column in shown],
    )
    if len(found.columns) > len(shown):
        lines.append(f"  … and {len(found.columns) - len(shown)} more fields")
    if new.left_out:
        lines += ["", f"Nested columns can't be in a table and are left out: {', '.join(new.left_out)}"]
    split = (
        f"by {found.period}, in the order of {found.time.name}"
        if found.time and found.period != "all"
        else f"by {'its key' if found.key else 'its content'}: {0.2:.0%} of the rows judge"
    )
    lines += ["", f"Rows are split {split}."]
    if found.warnings:
        lines += ["", "Please look at:", *(f"  ! {warning}" for warning in found.warnings)]
    return "\n".join([*lines, "", f"Written: {new.file.relative_to(root)}"])


def of_check(declaration: Declaration, checked: Checked) -> str:
    """Rows by what becomes of them, and the split."""
    read = sum(counted.read for counted in checked.periods.values())
    rejected: dict[str, int] = {}
    for counted in checked.periods.values():
        for reason, rows in counted.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + rows
    periods = [Period(day, declaration.table.period) for day in checked.periods if day is not None]
    lines = [f"{declaration.name}: the declaration is sound.", "", f"{read:,} rows read"]
    if declaration.table.period != "all" and periods:
        lines[-1] += f", {len(periods)} periods of a {declaration.table.period} from {min(periods)} to {max(periods)}"
    lines += _counted("rejected", rejected, read)
    lines += _counted("left out", checked.left_out, read)
    if checked.missing:
        lines += ["", "Missing values of the rows that are used:"]
        lines += [
            f"  {name}: {share:.1%}" for name, share in sorted(checked.missing.items(), key=lambda each: -each[1])
        ]
    if checked.unknown:
        lines += ["", "Values outside of a vocabulary, which count as missing:"]
        lines += [f"  {name}: {rows:,} rows" for name, rows in checked.unknown.items()]
    lines += [
        "",
        f"Trains on {checked.training}: {checked.training_rows:,} rows.",
        f"Judged on {checked.holdout}: {checked.holdout_rows:,} rows.",
    ]
    if checked.training_rows + checked.holdout_rows > checked.most_rows:
        lines.append(f"Of these, about {checked.most_rows:,} are drawn (train.most_rows).")
    if checked.few:
        named = ", ".join(map(str, checked.few))
        lines.append(f"Left out, with few rows, as if only begun: {named}.")
    return "\n".join(lines)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side; the last may be as long as it is."""
    shortened = [[*(_short(cell) for cell in row[:-1]), " ".join(row[-1].split())] for row in rows]
    widths = [max(len(row[at]) for row in [heads, *shortened]) for at in range(len(heads) - 1)]
    return [_row(row, widths) for row in [heads, *shortened]]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
    return f"  {'  '.join([*padded, cells[-1]])}".rstrip()


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= WIDEST else f"{plain[: WIDEST - 1]}…"


def _found(column: Decided) -> str:
    return "; ".join(_parts(column))


def _parts(column: Decided) -> Iterator[str]:
    profile = column.profile
    if column.why:
        yield column.why
    if profile.type == "timestamp" and profile.earliest and profile.latest:
        yield f"{profile.earliest:%Y-%m-%d} to {profile.latest:%Y-%m-%d}"
    elif profile.low is not None and profile.high is not None:
        yield f"{profile.low:g} to {profile.high:g}"
    elif profile.type == "text" and column.use == "field":
        yield f"{profile.distinct:,} values"
    if profile.missing_share:
        yield f"{profile.missing_share:.1%} missing"


def _counted(what: str, counts: dict[str, int] | object, read: int) -> list[str]:
    assert isinstance(counts, dict)
    total = sum(counts.values())
    share = f" ({total / read:.1%})" if read and total else ""
    return [f"{total:,} {what}{share}", *(f"  {reason}: {rows:,}" for reason, rows in counts.items())]
