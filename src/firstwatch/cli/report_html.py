"""A report of the first watch as one self-contained page: plots as inline SVG, light and dark, no script.

The page loads nothing, and its policy forbids it to. All text is escaped.
"""

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
from firstwatch.trading.verdicts import Sign, Verdict
from firstwatch.trading.watch import Check, HourCell, Identity, Mismatch, WatchReport

_CLASSES = {
    Verdict.CONSISTENT: "consistent",
    Verdict.WATCH: "watch",
    Verdict.DIVERGED: "diverged",
    Verdict.NOT_ENOUGH_DATA: "unknown",
}
_WIDTH, _HEIGHT = 960, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 28
_TICKS = 5
_CSS = """
:root{color-scheme:light dark;--page:#fff;--text:#1b1f24;--soft:#59636e;--line:#d1d9e0;--band:#0969da;
--consistent:#1a7f37;--watch:#8a5a00;--diverged:#cf222e;--unknown:#59636e}
@media(prefers-color-scheme:dark){:root{--page:#0d1117;--text:#e6edf3;--soft:#9198a1;--line:#30363d;
--band:#58a6ff;--consistent:#3fb950;--watch:#d29922;--diverged:#f85149;--unknown:#9198a1}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1040px;padding:24px;background:var(--page);color:var(--text);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:20px;margin:0}h2{font-size:16px;margin:28px 0 8px}p{margin:4px 0}.soft{color:var(--soft)}
.badge{display:inline-block;padding:2px 10px;border-radius:12px;border:1px solid;font-weight:600}
.consistent{color:var(--consistent)}.watch{color:var(--watch)}.diverged{color:var(--diverged)}
.unknown{color:var(--unknown)}
.next{border-left:4px solid var(--band);padding:6px 12px;margin:14px 0}
table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600;color:var(--soft)}
th,td{padding:6px 8px;border-bottom:1px solid var(--line);vertical-align:top}
td.figure,th.figure{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
svg{display:block;width:100%;height:auto}svg.bar{width:120px}
text{fill:var(--soft);font:12px system-ui,sans-serif}
text.cell{fill:var(--text)}
""".strip()


def report_page(report: WatchReport, hints: Sequence[str] = (), signs: Sequence[Sign] = ()) -> str:
    """Return the page; ``hints``: what to adjust afterwards; ``signs`` of tuning, of all days."""
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
        yield "(stale data, or no engine).</p>"
    if report.fan is not None and (curves := FanCurves.of(report.fan)) is not None:
        yield f"<h2>Equity since the day began</h2>{_fan(curves)}"
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
    """Draw 24 cells: the verdict's colour and sign, the trades, and the time that the run was down."""
    by_hour = {cell.hour: cell for cell in cells}
    parts = []
    for hour in range(24):
        cell = by_hour.get(hour)
        x = hour * 40
        has_begun = cell is not None and cell.trades is not None
        verdict = cell.verdict if cell is not None and has_begun else None
        kind = _CLASSES[verdict or Verdict.NOT_ENOUGH_DATA]
        about = f"hour {hour}"
        if cell is not None and has_begun:
            about += (
                f": {cell.trades} trades, {verdict or 'no verdict'}, {number(cell.down_minutes)} min down"
            )
        parts.append(f'<g class="{kind}"><title>{escape(about)}</title>')
        fill = "0.22" if has_begun else "0.04"
        parts.append(
            f'<rect x="{x + 2}" y="2" width="36" height="40" rx="4" fill="currentColor" '
            f'fill-opacity="{fill}" stroke="currentColor" stroke-opacity="0.5"/>'
        )
        if cell is not None and has_begun:
            sign = "▸" if verdict is None else SIGNS[verdict]
            parts.append(f'<text class="cell" x="{x + 20}" y="20" text-anchor="middle">{sign}</text>')
            parts.append(
                f'<text class="cell" x="{x + 20}" y="36" text-anchor="middle">{number(cell.trades)}</text>'
            )
            down = min(max(cell.down_minutes, 0.0), 60.0) / 60 * 36
            parts.append(f'<rect x="{x + 2}" y="44" width="{down:.1f}" height="4" fill="var(--diverged)"/>')
        parts.append(f'<text x="{x + 20}" y="62" text-anchor="middle">{hour}</text></g>')
    return f'<svg viewBox="0 0 960 68" role="img" aria-label="hours of the day">{"".join(parts)}</svg>'


def _fan(curves: FanCurves) -> str:
    end = max(curves.minutes[-1], 1e-9)

    def x(place: int) -> float:
        share = min(max(curves.minutes[place] / end, 0.0), 1.0)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (1 - curves.height(value)) * (_HEIGHT - _TOP - _BOTTOM)

    def points(places: Iterable[tuple[int, float]]) -> str:
        return " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in places)

    def band(upper: Sequence[float], lower: Sequence[float], opacity: str) -> str:
        outline = [*enumerate(upper), *reversed(list(enumerate(lower)))]
        return f'<polygon points="{points(outline)}" fill="var(--band)" fill-opacity="{opacity}"/>'

    def level(value: float, colour: str) -> str:
        at = f'y1="{y(value):.1f}" y2="{y(value):.1f}"'
        return f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" {at} stroke="var({colour})"/>'

    parts = []
    for step in range(_TICKS):
        value = curves.low + (curves.high - curves.low) * step / (_TICKS - 1)
        label = f"{number(value * 100, 2)} %"
        parts.append(level(value, "--line"))
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{label}</text>')
    parts.append(level(0.0, "--soft"))
    parts.append(band(curves.p95, curves.p5, "0.14") + band(curves.p75, curves.p25, "0.22"))
    parts.append(
        f'<polyline points="{points(enumerate(curves.p50))}" fill="none" stroke="var(--band)" '
        'stroke-dasharray="4 4"/>'
    )
    live = [(place, value) for place, value in enumerate(curves.live) if value is not None]
    if live:
        place, value = live[-1]
        parts.append(
            f'<polyline points="{points(live)}" fill="none" stroke="var(--text)" stroke-width="2"/>'
            f'<circle cx="{x(place):.1f}" cy="{y(value):.1f}" r="4" fill="var(--text)"/>'
        )
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
        anchor = "end" if share == 1 else "middle"
        label = f"{number(end * share / 60)} h"
        parts.append(f'<text x="{at:.0f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{label}</text>')
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    return f'<svg viewBox="{box}" role="img" aria-label="equity and its bands">{"".join(parts)}</svg>'


def _checks(checks: Iterable[Check]) -> Iterator[str]:
    yield '<h2>Checks</h2><table><tr><th>Check</th><th class="figure">Live</th>'
    yield '<th class="figure">Expected</th><th class="figure">5 to 95 %</th><th></th><th>Verdict</th></tr>'
    for check in checks:
        details = " · ".join(detail_texts(check))
        yield (
            f"<tr><td><b>{LABELS[check.name]}</b><br>{escape(check.sentence)}"
            f'<br><span class="soft">{escape(details)}</span></td>'
            f'<td class="figure">{figure(check.name, check.observed)}</td>'
            f'<td class="figure">{figure(check.name, check.expected)}</td>'
            f'<td class="figure">{band_text(check)}</td><td>{_bar(check)}</td>'
            f"<td>{_badge(check.verdict)}</td></tr>"
        )
    yield "</table>"


def _bar(check: Check) -> str:
    """Draw where in its band a figure lies; outside of it the mark stands beside the band."""
    place = place_in_band(check)
    if place is None:
        return ""
    at = 20 + min(max(place, -0.2), 1.2) * 80
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
    yield "<h2>Decisions in which the run and its shadow differ</h2><table>"
    yield "<tr><th>Time</th><th>What</th><th>Cause</th><th>Live</th><th>Shadow</th></tr>"
    for mismatch in mismatches:
        cells = (iso(mismatch.time), mismatch.what, mismatch.cause, mismatch.live, mismatch.shadow)
        yield f"<tr>{''.join(f'<td>{escape(UNKNOWN if cell is None else cell)}</td>' for cell in cells)}</tr>"
    yield "</table>"
