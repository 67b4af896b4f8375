"""A monitoring as one HTML file that needs nothing else: no script, no font, no picture from anywhere."""

import base64
from collections.abc import Iterator, Sequence
from html import escape

from trainer.monitoring.assess import Assessment
from trainer.monitoring.drift import Drift
from trainer.monitoring.measurement import Measurement
from trainer.monitoring.monitoring import ORDER, Monitoring
from trainer.monitoring.pictures import distribution, error_by_day, indices, predictions_by_day
from trainer.monitoring.rendering import HEAD, SECTIONS, cells, figure, scope, shown

DISTRIBUTIONS_SHOWN = 6

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; background: #f5f7fa; margin: 0; }
main { max-width: 960px; margin: 0 auto; padding: 24px; }
section { background: #fff; border: 1px solid #dfe5ec; border-radius: 8px; padding: 16px 20px; margin: 16px 0; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 0 0 8px; }
p { margin: 4px 0; } .quiet { color: #5c6b7a; }
.verdict { display: inline-block; padding: 2px 12px; border-radius: 12px; font-weight: 600; color: #fff; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(125px, 1fr)); gap: 12px; margin-top: 12px; }
.card { background: #f5f7fa; border-radius: 6px; padding: 8px 12px; }
.card b { display: block; font-size: 18px; } .card span { color: #5c6b7a; font-size: 13px; }
.pictures { display: flex; flex-wrap: wrap; gap: 12px; } img { max-width: 100%; }
.key i { display: inline-block; width: 12px; height: 12px; margin: 0 4px 0 12px; vertical-align: -1px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: left; color: #5c6b7a; font-weight: 600; }
th, td { padding: 3px 8px; border-bottom: 1px solid #edf1f5; }
td:nth-child(n+3), th:nth-child(n+3) { text-align: right; font-variant-numeric: tabular-nums; }
tr.alarm td { background: #fbeeeb; color: #a43d27; font-weight: 600; }
"""
COLORS = {"quiet": "#2f7d4f", "too few predictions": "#6b7a8a", "no reference": "#6b7a8a"}
ALARM = "#c8553d"


def page(assessment: Assessment) -> str:
    """The report."""
    monitoring = assessment.monitoring
    title = escape(f"{monitoring.model} version {monitoring.version}")
    body = "\n".join(f"<section>{part}</section>" for part in _parts(assessment, title) if part)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Monitoring of {title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    )


def _parts(assessment: Assessment, title: str) -> Iterator[str]:
    monitoring, drifts = assessment.monitoring, assessment.drifts
    yield _head(monitoring, title)
    if drifts:
        yield f"<h2>How far each distribution has moved</h2>{_image(indices(drifts, monitoring.terms), 'PSI of each')}"
        pictures = "".join(_image(distribution(drift), drift.now.name) for drift in _furthest(drifts))
        yield (
            "<h2>Then and now</h2><p class='key quiet'>Shares of rows that have a value:"
            f"<i style='background:#a9b8cc'></i>training<i style='background:{ALARM}'></i>now</p>"
            f"<div class='pictures'>{pictures}</div>"
        )
    yield _days(assessment)
    for heading, kinds in SECTIONS.items():
        rows = shown(monitoring, kinds)
        if rows:
            yield f"<h2>{heading}</h2>{_table(rows)}"
    yield _method(monitoring)


def _head(monitoring: Monitoring, title: str) -> str:
    said = "" if monitoring.message == monitoring.verdict else f"<p>{escape(monitoring.message)}</p>"
    color = COLORS.get(monitoring.verdict, ALARM)
    cards = "".join(
        f"<div class='card'><b>{value}</b><span>{name}</span></div>" for name, value in _figures(monitoring)
    )
    notes = "".join(f"<p class='quiet'>{escape(note)}.</p>" for note in monitoring.notes)
    return (
        f"<h1>{title} <span class='verdict' style='background:{color}'>{monitoring.verdict}</span></h1>"
        f"{said}<p class='quiet'>{escape(scope(monitoring))}</p>{notes}"
        f"<div class='cards'>{cards}</div>"
    )


def _figures(monitoring: Monitoring) -> Iterator[tuple[str, str]]:
    yield "predictions", f"{monitoring.rows:,}"
    yield "alarms", str(len(monitoring.alarms))
    for row in monitoring.measurements:
        if row.kind == "error" and row.expected is not None:
            now, promised = (figure(row.measure, value) for value in (row.value, row.expected))
            yield f"{row.measure.upper() if row.measure != 'coverage' else 'coverage'}, {promised} promised", now
        elif (row.kind, row.name, row.measure) == ("traffic", "refused", "share") and row.value is not None:
            yield "of requests refused", figure(row.measure, row.value)


def _furthest(drifts: Sequence[Drift]) -> list[Drift]:
    own = [drift for drift in drifts if drift.now.same_as is None and drift.psi is not None]
    own.sort(key=lambda drift: (not drift.drifted, ORDER.index(drift.now.kind), -(drift.psi or 0.0)))
    return own[:DISTRIBUTIONS_SHOWN]


def _days(assessment: Assessment) -> str:
    days, monitoring = assessment.seen.days, assessment.monitoring
    if not days:
        return ""
    pictures = _image(predictions_by_day(days), "predictions by day")
    promised = next((m.expected for m in monitoring.measurements if (m.kind, m.measure) == ("error", "rmse")), None)
    if promised is not None:
        pictures += _image(error_by_day(days, monitoring.version, promised, assessment.unit), "error by day")
    return f"<h2>Day by day</h2><div class='pictures'>{pictures}</div>"


def _table(rows: Sequence[Measurement]) -> str:
    # the row's colour says what the last column does
    filled = [position for position in range(len(HEAD) - 1) if any(cells(row)[position] for row in rows)]
    head = "".join(f"<th>{HEAD[position]}</th>" for position in filled)
    body = "".join(
        f"<tr{' class=alarm' if row.alarm else ''}>"
        + "".join(f"<td>{escape(cells(row)[position])}</td>" for position in filled)
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _method(monitoring: Monitoring) -> str:
    terms = monitoring.terms
    said = (
        "PSI is the population stability index of the values that are there, in tenths of the training rows, less what"
        " chance alone gives; whether values are missing is told apart.",
        f"Something has drifted if its index is at least {terms.most_psi:g} and a test says it is no chance, with p"
        f" below {terms.alpha:g}, adjusted for all tests (Holm). The tests are Kolmogorov's and Smirnov's of numbers,"
        " chi-squared of categories, Fisher's of what is missing.",
        "The error has decayed if the RMSE is above what the holdout promised by more than"
        f" {terms.most_error_growth:.0%}, in a slice of at least {terms.least_slice_rows:,} rows by more than"
        f" {terms.most_slice_growth:.0%}, or if {terms.most_coverage_loss:.0%} of all outcomes fewer lie in the"
        " interval than promised, and that is no chance either.",
    )
    return "<h2>How to read this</h2>" + "".join(f"<p class='quiet'>{sentence}</p>" for sentence in said)


def _image(svg: str, what: str) -> str:
    encoded = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(what)}" src="data:image/svg+xml;base64,{encoded}">'
