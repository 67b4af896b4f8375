"""What the replicas of the model service have counted since the last monitoring."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from trainer.monitoring.measurement import Measurement

COUNTERS = ("serving_requests", "serving_rows", "serving_refused")
PREDICTING = ("/predict", "/invocations", "/v2/models")
"""Where the routes begin that predict."""


@dataclass(frozen=True, order=True)
class Series:
    """One counter with its labels, of one replica."""

    replica: str
    counter: str
    """Without ``_total``."""
    label: str = ""
    """Its route, or the reason of a refusal."""
    status: str = ""


Counts = Mapping[Series, float]


def read_counters(replica: str, text: str) -> dict[Series, float]:
    """Those of ``COUNTERS`` in a replica's ``/metrics``."""
    found: dict[Series, float] = {}
    for family in text_string_to_metric_families(text):
        if family.name in COUNTERS:
            for sample in family.samples:
                if sample.name == f"{family.name}_total":
                    labels = sample.labels
                    label = labels.get("route") or labels.get("reason") or ""
                    found[Series(replica, family.name, label, labels.get("status", ""))] = sample.value
    return found


def since(before: Counts, now: Counts) -> dict[Series, float]:
    """What was counted in between. A counter that is lower than before began anew at zero, as does a new replica."""
    return {
        series: value - before.get(series, 0.0) if value >= before.get(series, 0.0) else value
        for series, value in now.items()
    }


@dataclass(frozen=True)
class Traffic:
    """Of all replicas together."""

    requests: int
    """That asked for predictions."""
    refused: int
    """Those of them that were answered with 4xx."""
    failed: int
    """The same with 5xx."""
    rows: int
    """Predicted."""
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Of all refusals, on whatever route."""

    @classmethod
    def of(cls, counted: Counts) -> "Traffic":
        answers: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        rows = 0.0
        for series, value in counted.items():
            if series.counter == "serving_refused":
                reasons[series.label] += int(value)
            elif series.label.startswith(PREDICTING):
                if series.counter == "serving_rows":
                    rows += value
                else:
                    answers[series.status[:1]] += int(value)
        reasons += Counter()  # without those of zero
        return cls(answers.total(), answers["4"], answers["5"], int(rows), dict(reasons.most_common()))

    def measurements(self) -> Iterator[Measurement]:
        for name in ("requests", "refused", "failed", "rows"):
            yield Measurement(kind="traffic", name=name, measure="count", value=float(getattr(self, name)))
        share = self.refused / self.requests if self.requests else None
        yield Measurement(kind="traffic", name="refused", measure="share", value=share)
        for reason, count in self.reasons.items():
            yield Measurement(kind="traffic", name=f"refused: {reason}", measure="count", value=float(count))
