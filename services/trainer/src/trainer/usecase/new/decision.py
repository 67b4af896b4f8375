"""From what is measured to what a declaration says, and to what a person should look at."""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trainer.data.errors import DataError
from trainer.usecase.declaration import Period
from trainer.usecase.new.profile import MOST_VALUES, Profile

INDEX_NAMES = {"rownames", "unnamed: 0", "column 1", "index", "id", "row", "row_id", "rowid", ""}
FREE_TEXT_LENGTH, FREE_TEXT_BLANKS = 40, 4
ALMOST_ALL = 0.9
"""Share of different values from which on a column names its rows."""
ROWS_PER_VALUE = 5
"""That a value of a vocabulary has at least, where there are more than fit."""
MANY_MISSING = 0.5
FEW_CLASSES = 10
TELLING, TELLING_MUCH = 0.99, 0.9
"""Correlation with the target from which on a column is left out, and from which on it is worth a look."""
ALIKE = 0.8
PAIRS_BY_CHANCE = 10
"""Pairs of the same number, of so many in such a range, from which on to find none is no chance."""
LEAST_PERIODS, LEAST_ROWS = 3, 100
SENTINELS = (-1.0, -9.0, -99.0, -999.0, -9999.0, 999.0, 9999.0, 99999.0)
LATER_SHARE = 0.95
KNOWN = "is it known when a prediction is asked for?"


class BadChoice(DataError):
    """What was asked for doesn't fit the table."""


@dataclass(frozen=True)
class Decided:
    """A column and what it is used for."""

    profile: Profile
    use: str
    """``field``, ``target``, ``time``, ``key`` or ``left out``."""
    why: str = ""

    @property
    def is_field(self) -> bool:
        return self.use in {"field", "time"}


@dataclass(frozen=True)
class Decision:
    """A whole table."""

    columns: Sequence[Decided]
    target: Profile
    time: Profile | None
    period: Period
    key: Sequence[str]
    warnings: Sequence[str]

    @property
    def fields(self) -> list[Profile]:
        return [column.profile for column in self.columns if column.is_field]


@dataclass(frozen=True)
class Relations:
    """What columns have to do with others, measured on a sample."""

    telling: Mapping[str, float]
    """Size of the correlation with the target, of numbers."""
    later: Mapping[str, float]
    """Share of rows in which a time lies after the event's."""
    periods: Mapping[Period, int]
    """How many there are of each kind that have rows enough, the longest kind first."""


def find(profiles: Sequence[Profile], name: str, variable: str) -> Profile:
    """Raises BadChoice: there is no such column."""
    for profile in profiles:
        if profile.name == name:
            return profile
    near = difflib.get_close_matches(name, [profile.name for profile in profiles], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise BadChoice(f"{variable}={name}: there is no such column{hint}")


def check_target(target: Profile) -> None:
    """Raises BadChoice: it can't be what a regression predicts."""
    if target.type not in {"number", "integer"}:
        raise BadChoice(
            f"TARGET={target.name}: its values are {'times' if target.type == 'timestamp' else 'texts'}"
            f"{_few(target)}; a regression predicts a number, and classes can't be predicted yet"
        )
    if target.distinct < 2:
        raise BadChoice(f"TARGET={target.name}: has {target.distinct} different values: there is nothing to predict")


def find_time(profiles: Sequence[Profile], chosen: str | None, target: Profile) -> Profile | None:
    """The column with the event's moment: the one that is chosen, or the only one that can be.

    Raises:
        BadChoice: the chosen one has no times.
    """
    if chosen:
        found = find(profiles, chosen, "TIME")
        if found.type != "timestamp":
            raise BadChoice(f"TIME={chosen}: its values are no times")
        return found
    times = [each for each in profiles if each.type == "timestamp" and each is not target and each.present == each.rows]
    return times[0] if len(times) == 1 else None


def find_key(profiles: Sequence[Profile], chosen: Sequence[str]) -> list[str]:
    """The chosen columns, or the one that numbers the rows."""
    if chosen:
        return [find(profiles, name, "KEY").name for name in chosen]
    for profile in profiles:
        numbers = profile.type == "integer" and profile.distinct == profile.rows == profile.present
        if numbers and profile.name.strip().lower() in INDEX_NAMES:
            return [profile.name]
    return []


def decide(
    profiles: Sequence[Profile], target: Profile, time: Profile | None, key: Sequence[str], relations: Relations
) -> Decision:
    """What each column is used for."""
    period = _period(time, relations)
    # a time that doesn't tell periods apart says nothing that a model could learn from
    columns = [_use(profile, target, time, key, relations) for profile in profiles]
    if not any(column.is_field for column in columns):
        raise BadChoice("no column is left that could be a field of a request")
    warnings = list(_warnings(columns, target, relations, time))
    return Decision(columns, target, time, period, key, warnings)


def _use(profile: Profile, target: Profile, time: Profile | None, key: Sequence[str], relations: Relations) -> Decided:
    if profile is target:
        return Decided(profile, "target")
    if time is not None and profile.name == time.name:
        return Decided(profile, "time")
    if profile.name in key:
        return Decided(profile, "key")
    if why := _unfit(profile):
        return Decided(profile, "left out", why)
    if relations.telling.get(profile.name, 0) > TELLING:
        told = relations.telling[profile.name]
        return Decided(profile, "left out", f"all but tells the target (correlation {told:.3f}): a leak?")
    return Decided(profile, "field")


def _unfit(profile: Profile) -> str:
    if not profile.present:
        return "has no values"
    if profile.distinct == 1:
        return "has the same value in every row" if profile.present == profile.rows else "has one value only"
    if profile.type == "text":
        if profile.length > FREE_TEXT_LENGTH or profile.blanks > FREE_TEXT_BLANKS:
            return "free text"
        if profile.distinct > profile.present * ALMOST_ALL and profile.distinct > FEW_CLASSES:
            return "names the row: nearly every value is another"
        if not vocabulary(profile):
            return "too many different values with too few rows each"
    if profile.type == "integer" and profile.distinct == profile.rows and _numbers_rows(profile):
        return "numbers the rows"
    return ""


def _numbers_rows(profile: Profile) -> bool:
    """Of whole numbers of which no two are the same: whether they are meant so, by the column's name or their range.

    Of counts and measurements in so small a range some would be the same by chance.
    """
    if _is_identifier(profile.name):
        return True
    if profile.low is None or profile.high is None:
        return False
    return profile.rows**2 / (2 * (profile.high - profile.low + 1)) > PAIRS_BY_CHANCE


def _is_identifier(name: str) -> bool:
    lower = name.strip().lower()
    return lower in INDEX_NAMES or re.search(r"(^|[_ .-])(id|uuid|guid|key|no|nr)$", lower) is not None


def vocabulary(profile: Profile) -> list[str]:
    """The values of a category: all, or where there are too many those with rows enough."""
    listed = profile.values
    if profile.distinct > MOST_VALUES or profile.distinct * 2 > profile.present:
        listed = [(value, rows) for value, rows in listed if rows >= ROWS_PER_VALUE]
    return sorted(value for value, _ in listed)


def _period(time: Profile | None, relations: Relations) -> Period:
    if time is None:
        return "all"
    enough = (kind for kind, count in relations.periods.items() if count >= LEAST_PERIODS)
    return next(enough, "all")


def _warnings(columns: Sequence[Decided], target: Profile, relations: Relations, time: Profile | None) -> Iterator[str]:
    if target.type == "integer" and target.distinct <= FEW_CLASSES:
        yield f"{target.name}, the target, has {target.distinct} different values: is it a class rather than a number?"
    if target.missing_share:
        yield f"{target.name}, the target, is missing in {target.missing_share:.1%} of the rows, which are left out"
    for column in columns:
        profile = column.profile
        if not column.is_field:
            continue
        told = relations.telling.get(profile.name, 0)
        if told > TELLING_MUCH:
            yield f"{profile.name} tells much of the target (correlation {told:.2f}): {KNOWN}"
        elif _alike(profile.name, target.name):
            yield f"{profile.name} is called nearly as the target: {KNOWN}"
        if (later := relations.later.get(profile.name, 0)) > LATER_SHARE:
            yield f"{profile.name} lies after the event in {later:.0%} of the rows: {KNOWN}"
        if profile.missing_share > MANY_MISSING:
            yield f"{profile.name} is missing in {profile.missing_share:.0%} of the rows"
        yield from _odd_values(profile)
    times = [column.profile.name for column in columns if column.profile.type == "timestamp"]
    if time is None and len(times) > 1:
        yield f"several columns have times ({', '.join(times)}): TIME=… says when the event begins"


def _odd_values(profile: Profile) -> Iterator[str]:
    for value in (profile.low, profile.high):
        others = profile.middle
        if value in SENTINELS and others is not None and abs(value) > 10 * max(abs(others), 1):
            yield f"{profile.name} has {value:g}, which may stand for no value: add it to `missing` if so"
    if profile.words:
        yield f"{profile.name} has numbers, and the words {', '.join(map(repr, profile.words))}, taken for missing"


def _alike(name: str, target: str) -> bool:
    plain, other = (re.sub(r"[^a-z0-9]", "", text.lower()) for text in (name, target))
    if min(len(plain), len(other)) < 4:
        return False
    return plain in other or other in plain or difflib.SequenceMatcher(None, plain, other).ratio() > ALIKE


def _few(profile: Profile) -> str:
    if profile.type != "text" or profile.distinct > FEW_CLASSES:
        return ""
    return f" ({', '.join(repr(value) for value, _ in profile.values[:FEW_CLASSES])})"


def range_of(profile: Profile) -> tuple[float | None, float | None]:
    """Wider than what was seen: from the lowest value less the span to the highest and the span more, rounded."""
    if profile.low is None or profile.high is None:
        return None, None
    span = profile.high - profile.low
    low, high = _rounded(profile.low - span, down=True), _rounded(profile.high + span, down=False)
    return (0.0 if profile.low >= 0 else low), (0.0 if profile.high <= 0 else high)


def _rounded(value: float, *, down: bool) -> float:
    """To two digits, outwards."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    steps = math.floor(value / step) if down else math.ceil(value / step)
    return float(f"{steps * step:.12g}")


def example_of(profile: Profile) -> Any:
    """A value that occurs, or one in the middle."""
    if profile.type == "timestamp":
        return profile.latest.replace(microsecond=0) if isinstance(profile.latest, datetime) else None
    if profile.type == "integer":
        return None if profile.middle is None else int(profile.middle)
    if profile.type == "number":
        return None if profile.middle is None else float(f"{profile.middle:.6g}")
    return profile.values[0][0] if profile.values else None
