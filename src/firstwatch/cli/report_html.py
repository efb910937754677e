"""A report of the first watch as one self-contained page: plots as inline SVG, light and dark, no script.

The page loads nothing, and its policy forbids it to. All text is escaped.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from firstwatch.cli.report_text import (
    IDENTITY_TITLE,
    LABELS,
    SIGNS,
    SIGNS_TITLE,
    UNKNOWN,
    FanCurves,
    band_text,
    detail_texts,
    figure,
    head_texts,
    identity_rows,
    number,
    place_in_band,
    sign_mark,
    since_start_text,
    title,
)
from firstwatch.trading.clock import iso
from firstwatch.trading.verdicts import FILLS_ALPHA, JOINT_ALPHA, Sign, Verdict
from firstwatch.trading.watch import Check, HourCell, Identity, Mismatch, WatchReport
from firstwatch.watch.fill_sequence import LEAST_EXCESS_BPS

_CLASSES = {
    Verdict.CONSISTENT: "consistent",
    Verdict.WATCH: "watch",
    Verdict.DIVERGED: "diverged",
    Verdict.NOT_ENOUGH_DATA: "unknown",
}
_PLOT = 1000
"""Width and height of the plot, which is stretched to the page's width; its labels are not."""
_STEPS = 4
"""Approximate number of labelled steps of equity."""
_HOURS_IN_ROW = 8
"""Hours in each of the strip's three parts, which are side by side or, on a narrow page, stacked."""
_RUNNING = "▸"
_KEY = ", ".join(f"{sign} {verdict.lower()}" for verdict, sign in SIGNS.items()) + f", {_RUNNING} not over."
_COLUMNS = (
    "Expected, 5 to 95 %: the median of the baseline's days at the same hour, and where nine in ten of them "
    "lie. Adjusted p: the share of such days that stray as far in any joint check (trade frequency, "
    f"drawdown, exits) at any look; {Verdict.DIVERGED} from {JOINT_ALPHA:g} down. E-value: the evidence that "
    f"fills cost more than the backtest's; {Verdict.DIVERGED} once it was {1 / FILLS_ALPHA:g} while they "
    f"cost at least {LEAST_EXCESS_BPS:g} bps more."
)
_CSS = """
:root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--soft:#59636e;--line:#d1d9e0;--band:#0969da;
--consistent:#1a7f37;--watch:#8a5a00;--diverged:#cf222e;--unknown:#59636e}
@media(prefers-color-scheme:dark){:root{--page:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#30363d;
--band:#58a6ff;--consistent:#3fb950;--watch:#d29922;--diverged:#f85149;--unknown:#9198a1}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1040px;padding:24px;background:var(--page);color:var(--text);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:20px;margin:0}h2{font-size:16px;margin:28px 0 8px}p{margin:4px 0}.soft{color:var(--soft)}
.badge{display:inline-block;padding:2px 10px;border-radius:12px;border:1px solid;font-weight:600;
white-space:nowrap}
.consistent{color:var(--consistent)}.watch{color:var(--watch)}.diverged{color:var(--diverged)}
.unknown{color:var(--unknown)}
.next{border-left:4px solid var(--band);padding:6px 12px;margin:14px 0}
table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600;color:var(--soft)}
th,td{padding:6px 8px;border-bottom:1px solid var(--line);vertical-align:top}
td.figure,th.figure{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
svg{display:block;width:100%;height:auto}svg.bar{width:120px;margin-top:4px}
text{fill:var(--soft);font:12px system-ui,sans-serif}
text.cell{fill:var(--text)}
.strip{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));row-gap:6px}
.fan{display:grid;grid-template-columns:auto 1fr;column-gap:8px;font-size:12px;line-height:1;
color:var(--soft)}
.levels{display:flex;flex-direction:column;justify-content:space-between;text-align:right;white-space:nowrap}
.plot{height:300px;margin:.5em 0}.plot *{vector-effect:non-scaling-stroke}
.times{grid-column:2;display:flex;justify-content:space-between}
@media(max-width:500px){body{padding:16px}.plot{height:220px}}
@media(max-width:800px){table.wide tr{display:flex;flex-wrap:wrap;align-items:center;padding:8px 0;
border-bottom:1px solid var(--line)}
table.wide tr.heads{display:none}
table.wide td{border:0;padding:2px 16px 2px 0;text-align:left}
table.wide td.whole{flex:0 0 100%;padding-right:0}
table.wide td:empty{display:none}table.wide td[title]::before{content:attr(title) " ";color:var(--soft)}}
@media print{body{padding:0}tr,svg,.fan{break-inside:avoid}h2{break-after:avoid}}
""".strip()


def report_page(report: WatchReport, hints: Sequence[str] = (), signs: Sequence[Sign] = ()) -> str:
    """Return the page; ``hints``: what to adjust afterwards; ``signs``: signs of tuning over all days."""
    return "\n".join(_page(report, hints, signs)) + "\n"


def _page(report: WatchReport, hints: Sequence[str], signs: Sequence[Sign]) -> Iterator[str]:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield f"<title>{escape(title(report))}</title><style>{_CSS}</style></head><body>"
    yield f"<h1>{_badge(report.verdict)} {escape(title(report))}</h1>"
    yield f'<p class="soft">{escape(" · ".join(head_texts(report)))}</p>'
    yield f'<p class="next"><b>Next</b> {escape(report.next)}</p>'
    if report.hours_strip:
        yield f"<h2>Hours</h2>{_strip(report.hours_strip)}"
        yield '<p class="soft">Each hour: the worst verdict, the entries, and in red the part that was lost '
        yield f"(stale data, or no engine). {escape(_KEY)}</p>"
    if report.fan is not None and (curves := FanCurves.of(report.fan)) is not None:
        yield f"<h2>Equity since the day began</h2>{''.join(_fan(curves))}"
        yield '<p class="soft">Line: this run. Bands: 5 to 95 % and 25 to 75 % of the baseline\'s days; '
        yield "dashed: their median.</p>"
    yield from _checks(report.checks)
    yield f"<p>Since the start: {escape(since_start_text(report))}</p>"
    if report.identity is not None:
        yield from _identity(report.identity)
    if report.mismatches:
        yield from _mismatches(report.mismatches)
    if signs:
        yield f"<h2>{SIGNS_TITLE}</h2><table>"
        for sign in signs:
            kind = "unknown" if sign.is_present is None else "watch" if sign.is_present else "consistent"
            yield (
                f'<tr><td class="{kind}">{sign_mark(sign)} {escape(sign.name)}</td>'
                f"<td>{escape(sign.sentence)}</td></tr>"
            )
        yield "</table>"
    if hints:
        yield "<h2>Afterwards</h2><ul>"
        yield from (f"<li>{escape(hint)}</li>" for hint in hints)
        yield "</ul>"
    yield "</body></html>"


def _badge(verdict: Verdict) -> str:
    return f'<span class="badge {_CLASSES[verdict]}">{SIGNS[verdict]} {verdict}</span>'


def _strip(cells: Sequence[HourCell]) -> str:
    """Draw 24 cells: the verdict's colour and mark, the trades, and the time that the run was down."""
    by_hour = {cell.hour: cell for cell in cells}
    parts = ['<div class="strip">']
    for first in range(0, 24, _HOURS_IN_ROW):
        parts.append(
            f'<svg viewBox="0 0 {40 * _HOURS_IN_ROW} 68" role="img" '
            f'aria-label="hours {first} to {first + _HOURS_IN_ROW - 1} of the day">'
        )
        for place in range(_HOURS_IN_ROW):
            parts.extend(_hour(first + place, by_hour.get(first + place), place * 40))
        parts.append("</svg>")
    return "".join([*parts, "</div>"])


def _hour(hour: int, cell: HourCell | None, x: int) -> Iterator[str]:
    has_begun = cell is not None and cell.trades is not None
    verdict = cell.verdict if cell is not None and has_begun else None
    kind = _CLASSES[verdict or Verdict.NOT_ENOUGH_DATA]
    about = f"hour {hour}"
    if cell is not None and has_begun:
        about += f": {cell.trades} trades, {verdict or 'no verdict'}, {number(cell.down_minutes)} min down"
    yield f'<g class="{kind}"><title>{escape(about)}</title>'
    fill = "0.22" if has_begun else "0.04"
    yield (
        f'<rect x="{x + 2}" y="2" width="36" height="40" rx="4" fill="currentColor" '
        f'fill-opacity="{fill}" stroke="currentColor" stroke-opacity="0.5"/>'
    )
    if cell is not None and has_begun:
        sign = _RUNNING if verdict is None else SIGNS[verdict]
        yield f'<text class="cell" x="{x + 20}" y="20" text-anchor="middle">{sign}</text>'
        yield f'<text class="cell" x="{x + 20}" y="36" text-anchor="middle">{number(cell.trades)}</text>'
        down = min(max(cell.down_minutes, 0.0), 60.0) / 60 * 36
        yield f'<rect x="{x + 2}" y="44" width="{down:.1f}" height="4" fill="var(--diverged)"/>'
    yield f'<text x="{x + 20}" y="62" text-anchor="middle">{hour}</text></g>'


def _fan(curves: FanCurves) -> Iterator[str]:
    end = max(curves.minutes[-1], 1e-9)
    step, levels = _levels(curves)
    places = max(0, -math.floor(math.log10(step * 100) + 1e-9))

    def x(place: int) -> float:
        return min(max(curves.minutes[place] / end, 0.0), 1.0) * _PLOT

    def y(value: float) -> float:
        return min(max((levels[-1] - value) / (levels[-1] - levels[0]), 0.0), 1.0) * _PLOT

    def points(places: Iterable[tuple[int, float]]) -> str:
        return " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in places)

    def band(upper: Sequence[float], lower: Sequence[float], opacity: str) -> str:
        outline = [*enumerate(upper), *reversed(list(enumerate(lower)))]
        return f'<polygon points="{points(outline)}" fill="var(--band)" fill-opacity="{opacity}"/>'

    yield '<div class="fan"><div class="levels">'
    yield from (f"<span>{number(level * 100, places)} %</span>" for level in reversed(levels))
    yield f'</div><svg class="plot" viewBox="0 0 {_PLOT} {_PLOT}" preserveAspectRatio="none" role="img" '
    yield 'aria-label="equity and its bands">'
    for level in levels:
        colour = "--line" if level else "--soft"
        at = f'y1="{y(level):.1f}" y2="{y(level):.1f}"'
        yield f'<line x1="0" x2="{_PLOT}" {at} stroke="var({colour})"/>'
    yield band(curves.p95, curves.p5, "0.14") + band(curves.p75, curves.p25, "0.22")
    yield (
        f'<polyline points="{points(enumerate(curves.p50))}" fill="none" stroke="var(--band)" '
        'stroke-dasharray="4 4"/>'
    )
    live = [(place, value) for place, value in enumerate(curves.live) if value is not None]
    if live:
        last = points(live[-1:])
        yield f'<polyline points="{points(live)}" fill="none" stroke="var(--text)" stroke-width="2"/>'
        # A line of no length: a dot that stays round when the plot is stretched.
        yield (
            f'<polyline points="{last} {last}" stroke="var(--text)" stroke-width="8" stroke-linecap="round"/>'
        )
    yield '</svg><div class="times">'
    yield from (f"<span>{number(end * share / 60)} h</span>" for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    yield "</div></div>"


def _levels(curves: FanCurves) -> tuple[float, list[float]]:
    """Return the step of the labels (1, 2 or 5 times a power of ten), and levels that enclose the curves."""
    rough = (curves.high - curves.low) / _STEPS
    place = 10.0 ** math.floor(math.log10(rough))
    step = next(place * digit for digit in (1, 2, 5, 10) if place * digit >= rough * (1 - 1e-9))
    first, last = math.floor(curves.low / step + 1e-9), math.ceil(curves.high / step - 1e-9)
    return step, [count * step for count in range(first, last + 1)]


def _checks(checks: Iterable[Check]) -> Iterator[str]:
    yield '<h2>Checks</h2><table class="wide"><tr class="heads"><th>Check</th><th class="figure">Live</th>'
    yield '<th class="figure">Expected</th><th class="figure">5 to 95 %</th><th>In the band</th>'
    yield "<th>Verdict</th></tr>"
    for check in checks:
        details = " · ".join(detail_texts(check))
        yield (
            f'<tr><td class="whole"><b>{LABELS[check.name]}</b><br>{escape(check.sentence)}'
            f'<br><span class="soft">{escape(details)}</span></td>'
            f'<td class="figure" title="Live">{figure(check.name, check.observed)}</td>'
            f'<td class="figure" title="Expected">{figure(check.name, check.expected)}</td>'
            f'<td class="figure" title="5 to 95 %">{band_text(check)}</td><td>{_bar(check)}</td>'
            f'<td class="whole">{_badge(check.verdict)}</td></tr>'
        )
    yield "</table>"
    yield f'<p class="soft">{escape(_COLUMNS)}</p>'


def _bar(check: Check) -> str:
    """Draw the place of a value in its band; outside the band the mark is beside it."""
    place = place_in_band(check)
    if place is None:
        return ""
    at = 20 + min(max(place, -0.18), 1.18) * 80
    return (
        f'<svg class="bar {_CLASSES[check.verdict]}" viewBox="0 0 120 16" role="img" '
        f'aria-label="place in the band"><rect x="20" y="5" width="80" height="6" rx="3" fill="var(--band)" '
        f'fill-opacity="0.25"/><circle cx="{at:.1f}" cy="8" r="5" fill="currentColor"/></svg>'
    )


def _identity(identity: Identity) -> Iterator[str]:
    yield f"<h2>{escape(IDENTITY_TITLE)}</h2><table>"
    for text, value in identity_rows(identity):
        yield f'<tr><td>{escape(text)}</td><td class="figure">{value}</td></tr>'
    yield "</table>"


def _mismatches(mismatches: Iterable[Mismatch]) -> Iterator[str]:
    heads = ("Time", "What", "Cause", "Live", "Shadow")
    yield '<h2>Decisions in which the run and its shadow differ</h2><table class="wide">'
    yield f'<tr class="heads">{"".join(f"<th>{head}</th>" for head in heads)}</tr>'
    for mismatch in mismatches:
        texts = (iso(mismatch.time), mismatch.what, mismatch.cause, mismatch.live, mismatch.shadow)
        cells = (
            f'<td title="{head}">{escape(UNKNOWN if text is None else text)}</td>'
            for head, text in zip(heads, texts, strict=True)
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</table>"
