"""A report of the first watch as lines for a person: at most 80 columns, charts in block characters.

Plain characters without colour, so that a pipe, a log and NO_COLOR get the same. The figures of a check are
written here for the page as well.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from textwrap import wrap

from firstwatch.trading.clock import iso
from firstwatch.trading.text import clean
from firstwatch.trading.verdicts import CheckName, Sign, Verdict
from firstwatch.trading.watch import Check, Fan, HourCell, Identity, Mismatch, WatchReport

COLUMNS = 80
LABELS = {
    CheckName.SIGNAL_PARITY: "signal parity",
    CheckName.FILL_PRICES: "fill prices",
    CheckName.TRADE_FREQUENCY: "trade frequency",
    CheckName.DRAWDOWN: "drawdown",
    CheckName.EXITS: "exits by stop",
    CheckName.COSTS: "costs",
    CheckName.EDGE: "edge (Sharpe)",
}
SIGNS = {
    Verdict.CONSISTENT: "✓",
    Verdict.WATCH: "!",
    Verdict.DIVERGED: "✗",
    Verdict.NOT_ENOUGH_DATA: "·",
}
IDENTITY_TITLE = "PnL of the run, and of its shadow (the backtest's core on the same bars), in quote"
SIGNS_TITLE = "Signs that the algorithm needs tuning, over all whole days"
_IDENTITY = (
    ("live_pnl", "run"),
    ("shadow_pnl", "shadow"),
    ("missed", "trades only the shadow has"),
    ("extra", "trades only the run has"),
    ("entry", "entry prices"),
    ("exit", "exit prices"),
    ("exit_reason", "exit prices, for another reason"),
    ("size", "amounts"),
    ("fees", "fees"),
    ("funding", "funding"),
    ("residual", "residual: not explained"),
    ("venue_residual", "venue's equity less the books'"),
)
UNKNOWN = "–"
_IN_BPS = frozenset({CheckName.FILL_PRICES, CheckName.COSTS})
_HEIGHT = 11
_AXIS = 11
_SHOWN_MISMATCHES = 20
_PERCENT = 100
_HUGE = 10**15


@dataclass(frozen=True, slots=True)
class FanCurves:
    """The fan as changes since the begin of the day (fractions), all of the same length, and their range."""

    minutes: tuple[float, ...]
    p5: tuple[float, ...]
    p25: tuple[float, ...]
    p50: tuple[float, ...]
    p75: tuple[float, ...]
    p95: tuple[float, ...]
    live: tuple[float | None, ...]
    low: float
    high: float

    @classmethod
    def of(cls, fan: Fan) -> "FanCurves | None":
        """Return the curves of a fan; None: it is empty."""
        count = min(map(len, (fan.minutes, fan.p5, fan.p25, fan.p50, fan.p75, fan.p95)))
        if not count:
            return None
        p5, p25, p50, p75, p95 = (
            tuple(value - 1 for value in curve[:count])
            for curve in (fan.p5, fan.p25, fan.p50, fan.p75, fan.p95)
        )
        live = tuple(None if value is None else value - 1 for value in fan.live[:count])
        values = [0.0, *p5, *p95, *(value for value in live if value is not None)]
        low, high = min(values), max(values)
        if not 0 < high - low < _HUGE:
            low, high = -0.001, 0.001
        return cls(
            fan.minutes[:count], p5, p25, p50, p75, p95, live + (None,) * (count - len(live)), low, high
        )

    def height(self, value: float) -> float:
        """Return the place of a value between the lowest and the highest: 0 to 1."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def report_lines(report: WatchReport, hints: Sequence[str] = (), signs: Sequence[Sign] = ()) -> Iterator[str]:
    """Yield the lines of a report; ``hints``: what to adjust; ``signs``: signs of tuning over all days."""
    yield from _head(report)
    if report.hours_strip:
        yield ""
        yield from _strip(report.hours_strip)
    if report.fan is not None:
        yield ""
        yield from _fan_lines(report.fan)
    yield ""
    yield from _check_lines(report.checks)
    yield ""
    yield from _wrapped(f"since the start: {since_start_text(report)}")
    if report.identity is not None:
        yield ""
        yield from _identity_lines(report.identity)
    if report.mismatches:
        yield ""
        yield from _mismatch_lines(report.mismatches)
    if signs:
        yield ""
        yield SIGNS_TITLE
        for sign in signs:
            yield from _wrapped(f"{sign_mark(sign)} {sign.name:<14} {sign.sentence}", " " * 17)
    for hint in hints:
        yield ""
        yield from _wrapped(f"afterwards: {hint}", "            ")


def figure(name: CheckName, value: float | None, *, has_unit: bool = True) -> str:
    """Return a check's figure in its unit."""
    if value is None:
        return UNKNOWN
    if name in _IN_BPS:
        return f"{number(value)} bps" if has_unit else number(value)
    if name is CheckName.DRAWDOWN:
        percent = number(value * _PERCENT)
        return f"{percent} %" if has_unit else percent
    return number(value)


def number(value: float | None, places: int = 1) -> str:
    """Return a number in at most nine characters: integers without decimals, huge ones with an exponent."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) >= 1e4:
        return f"{value:.2g}" if abs(value) >= 1e6 else f"{value:.0f}"
    text = f"{value:.{places}f}"
    if float(text) == 0:
        return "0" if value == 0 else f"{0:.{places}f}"
    return f"{value:.0f}" if value == int(value) else text


def signed_money(value: Decimal) -> str:
    """Return an amount in quote with its sign and four places; huge ones with an exponent."""
    if abs(value) >= _HUGE:
        return f"{value:+.6g}"
    text = f"{value:+.4f}"
    return text if value and text.strip("+-0.") else f"{0:.4f}"


def band_text(check: Check) -> str:
    """Return the band of a check: ``6 to 15``."""
    if check.band is None:
        return UNKNOWN
    low, high = (figure(check.name, end, has_unit=False) for end in check.band)
    return f"{low} to {high}"


def detail_texts(check: Check) -> Iterator[str]:
    """Yield the details of a check besides its values: counts, evidence, power, times."""
    if check.n is not None and check.n_expected is not None:
        yield f"n {check.n} of {number(check.n_expected)} expected"
    elif check.n is not None:
        yield f"n {check.n}"
    if check.p_adjusted is not None:
        yield f"adjusted p {check.p_adjusted:.3f}"
    if check.e_value is not None:
        yield f"e-value {number(check.e_value)}"
    if check.smallest_effect is not None:
        yield f"would see {check.smallest_effect} by now"
    if check.first_at is not None:
        yield f"since {iso(check.first_at)}"
    if check.more_at is not None:
        yield f"knows more at {iso(check.more_at)}"


def place_in_band(check: Check) -> float | None:
    """Return where the observed figure lies: 0 at the band's low end, 1 at its high one; None: not known."""
    if check.observed is None or check.band is None:
        return None
    low, high = check.band
    width = high - low
    if not 0 < width < math.inf:
        return None
    # Halved first: the distance between two finite numbers may not be finite.
    return (check.observed / 2 - low / 2) / width * 2


def title(report: WatchReport) -> str:
    """Return the title: run, kind of money, day."""
    return f"run {report.run} · {report.mode.upper()} · day {report.day}, {number(report.hours)} of 24 h"


def head_texts(report: WatchReport) -> Iterator[str]:
    """Yield since when the verdict holds, what was locked, and when the next look is."""
    if report.first_at is not None:
        yield f"diverged since {iso(report.first_at)}"
    if report.locked is not None:
        yield f"recipe {clean(report.locked.hash[:12])} locked {iso(report.locked.at)}"
    if report.next_look_at is not None:
        yield f"next look {iso(report.next_look_at)}"


def since_start_text(report: WatchReport) -> str:
    """Return the verdict over all days."""
    since = report.since_start
    e_value = "" if since.e_value is None else f" (e-value {number(since.e_value)}, alarm at 20)"
    return f"{since.verdict}{e_value}"


def sign_mark(sign: Sign) -> str:
    """Return the mark of a sign of tuning: to be looked at, absent, or not known."""
    if sign.is_present is None:
        return SIGNS[Verdict.NOT_ENOUGH_DATA]
    return SIGNS[Verdict.WATCH if sign.is_present else Verdict.CONSISTENT]


def _head(report: WatchReport) -> Iterator[str]:
    yield from _wrapped(f"{SIGNS[report.verdict]} {report.verdict}  {title(report)}", "  ")
    yield from _joined(head_texts(report), "  ")
    yield from _wrapped(f"NEXT  {report.next}", "      ")


def _strip(cells: Sequence[HourCell]) -> Iterator[str]:
    by_hour = {cell.hour: cell for cell in cells}
    row = [by_hour.get(hour) for hour in range(24)]
    yield "hour     " + "".join(f"{hour:<18}" if hour < 18 else f"{hour}" for hour in (0, 6, 12, 18))
    signs = ("" if cell is None or cell.trades is None else _sign(cell) for cell in row)
    yield "verdict  " + "".join(f"{sign or '·':<3}" for sign in signs).rstrip()
    trades = ("" if cell is None or cell.trades is None else _count(cell.trades) for cell in row)
    yield ("trades   " + "".join(f"{count:<3}" for count in trades)).rstrip()
    down = sum(min(max(cell.down_minutes, 0.0), 60.0) for cell in cells)
    if down > 0:
        yield f"down     {number(down)} minutes of the day"


def _sign(cell: HourCell) -> str:
    return "▸" if cell.verdict is None else SIGNS[cell.verdict]


def _count(trades: int) -> str:
    return str(trades) if -10 < trades < 100 else "9+"


def _fan_lines(fan: Fan) -> Iterator[str]:
    """Draw the band of the baseline's days, 5 to 95 % light and 25 to 75 % darker, the live curve on it."""
    curves = FanCurves.of(fan)
    if curves is None:
        return
    count = len(curves.minutes)
    width = COLUMNS - _AXIS - 2
    grid = [[" "] * width for _ in range(_HEIGHT)]

    def row_of(value: float) -> int:
        return round((1 - curves.height(value)) * (_HEIGHT - 1))

    for column in range(width):
        place = column * count // width
        for sign, upper, lower in (
            ("░", curves.p95[place], curves.p5[place]),
            ("▒", curves.p75[place], curves.p25[place]),
            ("─", curves.p50[place], curves.p50[place]),
        ):
            top, bottom = sorted((row_of(upper), row_of(lower)))
            for line in range(top, bottom + 1):
                grid[line][column] = sign
        live = curves.live[place]
        if live is not None:
            grid[row_of(live)][column] = "█"
    yield "equity since the day began: █ live, ─ median, ▒ 50 %, ░ 90 % of days"
    zero = row_of(0.0)
    labels = {0: curves.high, _HEIGHT - 1: curves.low, zero: 0.0}
    for line, cells in enumerate(grid):
        label = f"{number(labels[line] * _PERCENT, 2)} %" if line in labels else ""
        yield f"{label:>{_AXIS}} {'┼' if line == zero else '┤'}{''.join(cells)}".rstrip()
    last = number(curves.minutes[-1] / 60)
    yield f"{'':>{_AXIS}} └0 h{'─' * max(1, width - 5 - len(last))}{last} h"


def _check_lines(checks: Iterable[Check]) -> Iterator[str]:
    yield f"  {'CHECK':<16} {'LIVE':>13} {'EXPECTED (90 %)':>17} {'':<12} VERDICT"
    for check in checks:
        live = figure(check.name, check.observed)
        row = f"{SIGNS[check.verdict]} {LABELS[check.name]:<16} {live:>13} {_expected(check):>17} "
        yield from _wrapped(f"{row}{_bar(place_in_band(check)):<12} {check.verdict}", "    ")
        yield from _wrapped(f"    {check.sentence}", "    ")
        yield from _joined(detail_texts(check), "    ")


def _expected(check: Check) -> str:
    """Return what was expected and its band, in the unit of the figure before it: ``9 (6 to 15)``."""
    middle = figure(check.name, check.expected, has_unit=False)
    return middle if check.band is None else f"{middle} ({band_text(check)})"


def _bar(place: float | None) -> str:
    """Return where in its band a figure lies; beyond an end the sign stands outside."""
    if place is None:
        return ""
    if place < 0:
        return "●▕───────▏"
    if place > 1:
        return " ▕───────▏●"
    cells = ["─"] * 7
    cells[round(place * 6)] = "●"
    return f" ▕{''.join(cells)}▏"


def identity_rows(identity: Identity) -> Iterator[tuple[str, str]]:
    """Yield the name of each part of the accounting identity, and its amount."""
    for name, text in _IDENTITY:
        value: Decimal | None = getattr(identity, name)
        if value is not None:
            yield text, signed_money(value)


def _identity_lines(identity: Identity) -> Iterator[str]:
    yield from _wrapped(IDENTITY_TITLE)
    for text, value in identity_rows(identity):
        yield f"  {text:<36} {value:>22}"


def _mismatch_lines(mismatches: Sequence[Mismatch]) -> Iterator[str]:
    yield f"{len(mismatches)} mismatch{'es' if len(mismatches) > 1 else ''} of run and shadow"
    for mismatch in islice(mismatches, _SHOWN_MISMATCHES):
        sides = "; ".join(
            f"{name} {text}"
            for name, text in (("live", mismatch.live), ("shadow", mismatch.shadow))
            if text is not None
        )
        text = f"{iso(mismatch.time)}  {mismatch.what}: {mismatch.cause}{f' ({sides})' if sides else ''}"
        yield from _wrapped(f"  {text}", "      ")
    if len(mismatches) > _SHOWN_MISMATCHES:
        yield f"  … and {len(mismatches) - _SHOWN_MISMATCHES} more: --html shows all"


def _joined(texts: Iterable[str], indent: str) -> Iterator[str]:
    """Join short texts into lines, none of them broken where it fits."""
    line = ""
    for text in texts:
        if line and len(indent) + len(line) + len(text) + 3 > COLUMNS:
            yield from _wrapped(f"{indent}{line}", indent)
            line = ""
        line = f"{line} · {text}" if line else text
    if line:
        yield from _wrapped(f"{indent}{line}", indent)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return wrap(text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False) or [""]
