"""The watch of a run as the screen writes it: marks, words, numbers. Unknown is ``–``."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from firstwatch.manager.views import RunView, WatchCount, WatchSummary, WatchView
from firstwatch.trading.verdicts import DAY_MS, Change, CheckName, Sign, SignName, Verdict
from firstwatch.tui import formats
from firstwatch.tui.widgets.table import Tone

if TYPE_CHECKING:
    # Not at run time: the screen starts without the models of reports.
    from firstwatch.manager.run_views import RunDetails
    from firstwatch.trading.watch import Check, WatchReport

NONE = "–"
SIGNS: dict[Verdict, tuple[str, Tone]] = {
    Verdict.CONSISTENT: ("✔", "gain"),
    Verdict.WATCH: ("!", "warning"),
    Verdict.DIVERGED: ("✘", "error"),
    Verdict.NOT_ENOUGH_DATA: ("·", "dim"),
}
WORDS: dict[Verdict, str] = {
    Verdict.CONSISTENT: "CONSISTENT",
    Verdict.WATCH: "WATCH",
    Verdict.DIVERGED: "DIVERGED",
    Verdict.NOT_ENOUGH_DATA: "too early",
}
WORST_FIRST = (Verdict.DIVERGED, Verdict.WATCH, Verdict.CONSISTENT, Verdict.NOT_ENOUGH_DATA)
LABELS: dict[CheckName, str] = {
    CheckName.SIGNAL_PARITY: "signal parity",
    CheckName.FILL_PRICES: "fill prices",
    CheckName.TRADE_FREQUENCY: "frequency",
    CheckName.DRAWDOWN: "drawdown",
    CheckName.EXITS: "stops",
    CheckName.COSTS: "costs",
    CheckName.EDGE: "edge (Sharpe)",
}
JOINT_CHECKS = (CheckName.TRADE_FREQUENCY, CheckName.DRAWDOWN, CheckName.EXITS)
"""Checks judged by one calibration: in an unusual market true runs diverge in all of them together."""
TOGETHER = (
    "True days diverge together when the market is odd: 13 to 18 % of them in 1 month of 20. See whether "
    "other runs diverge too."
)
SHORT: dict[CheckName, str] = {
    CheckName.SIGNAL_PARITY: "parity",
    CheckName.FILL_PRICES: "fills",
    CheckName.TRADE_FREQUENCY: "trades",
    CheckName.DRAWDOWN: "draw",
    CheckName.EXITS: "stops",
    CheckName.COSTS: "costs",
    CheckName.EDGE: "edge",
}
EFFECTS: dict[Change, str] = {
    Change.HALF_RATE: "half the trades",
    Change.QUARTER_RATE: "a quarter of trades",
    Change.DOUBLE_RATE: "twice the trades",
    Change.DOUBLE_LOSSES: "double losses",
    Change.DOUBLE_STOPS: "twice the stops",
    Change.SLIPPAGE_2: "+2 bps slippage",
    Change.SLIPPAGE_5: "+5 bps slippage",
    Change.SLIPPAGE_10: "+10 bps slippage",
    Change.MISSED: "1 in 20 missed",
    Change.EDGE_GONE: "no edge left",
}
_BPS = frozenset({CheckName.FILL_PRICES, CheckName.COSTS})
_MARK_WIDTH = 9
_SILENT_MS = 60_000


class Window(StrEnum):
    """The span of the watch that is shown."""

    DAY = "24 h"
    WEEK = "7 d"
    ALL = "all"

    def signs_of(self, details: "RunDetails") -> tuple[Sign, ...]:
        """Return the signs of tuning over its days; empty: a day is too short for any."""
        return {Window.DAY: (), Window.WEEK: details.week_signs, Window.ALL: details.all_signs}[self]

    def of(self, days: Sequence[WatchView]) -> Sequence[WatchView]:
        """Return the days that it shows, the first one first."""
        return days[-{Window.DAY: 1, Window.WEEK: 7, Window.ALL: len(days)}[self] :]


def worst(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the most serious of some verdicts; None: there are none."""
    return min(verdicts, key=WORST_FIRST.index, default=None)


def figure(name: CheckName, value: float | None) -> str:
    """Return a check's observed or expected value in its own unit."""
    if value is None:
        return NONE
    if name in _BPS:
        return f"{value:.1f} bps"
    if name is CheckName.DRAWDOWN:
        return f"{value * 100:.2g} %"
    if name is CheckName.SIGNAL_PARITY:
        return f"{value:.0f} differ"
    return f"{value:.2f}" if name is CheckName.EDGE else f"{value:.4g}"


def expectation(check: "Check") -> str:
    """Return the median with its band, in the unit of ``figure``: ``10 (6–15)``."""
    if check.band is None or check.expected is None:
        return figure(check.name, check.expected)
    median, low, high = (figure(check.name, each).split(" ")[0] for each in (check.expected, *check.band))
    return f"{median} ({low}–{high})"


def band_mark(check: "Check") -> str:
    """Return ``band_bar`` of a check; empty: it has no band."""
    return "" if check.band is None or check.observed is None else band_bar(check.observed, *check.band)


def band_bar(observed: float, low: float, high: float) -> str:
    """Return the band as a bar with a dot where the observed value lies in it, or beside it."""
    bar = list(" ├─────┤ ")
    first, last = 2, _MARK_WIDTH - 3
    if low <= observed <= high:
        share = (observed - low) / (high - low) if high > low else 0.5
        place = first + round(share * (last - first))
    else:
        place = 0 if observed < low else _MARK_WIDTH - 1
    bar[place] = "●"
    return "".join(bar)


def count_text(check: "Check") -> str:
    """Return the number of observations of a check, and how many are expected by now: ``7/9``."""
    if check.n is None:
        return NONE
    return str(check.n) if check.n_expected is None else f"{check.n}/{check.n_expected:.0f}"


def power_text(check: "Check") -> str:
    """Return the mildest change that the check can detect by now."""
    return NONE if check.smallest_effect is None else EFFECTS[check.smallest_effect]


def evidence_text(check: "Check") -> str:
    """Return the evidence of a verdict: p or e, when it diverged, power, and when more is known."""
    parts = []
    if check.p_adjusted is not None:
        parts.append(f"p {check.p_adjusted:.2g}")
    if check.e_value is not None:
        parts.append(f"e {check.e_value:.3g}")
    if check.first_at is not None:
        parts.append(f"diverged at {formats.short_moment(check.first_at)}")
    if check.smallest_effect is not None:
        parts.append(f"sees by now: {power_text(check)}")
    if check.more_at is not None:
        parts.append(f"knows more at {formats.short_moment(check.more_at)}")
    return " · ".join(parts)


def sign_verdict(sign: Sign) -> Verdict:
    """Return the verdict as which a sign of tuning is shown: it is advice, never ``DIVERGED``."""
    if sign.is_present is None:
        return Verdict.NOT_ENOUGH_DATA
    return Verdict.WATCH if sign.is_present else Verdict.CONSISTENT


def sign_text(sign: Sign) -> str:
    """Return the figures of a sign of tuning in short; without figures its sentence."""
    if sign.live is None or sign.test is None:
        return sign.sentence
    match sign.name:
        case SignName.SHARPE:
            return f"{sign.live:.2f}, the test's {sign.test:.2f}"
        case SignName.DRAWDOWN:
            return f"{sign.live * 100:.1f} %, in the test up to {sign.test * 100:.1f} %"
        case SignName.FREQUENCY:
            return f"{sign.live:.0f}, in the test at least {sign.test:.0f}"
        case SignName.STOPS:
            return f"{sign.live * 100:.0f} %, in the test {sign.test * 100:.0f} %"


def tuning_lines(name: CheckName, shown: Sequence[WatchView], signs: Sequence[Sign]) -> list[str]:
    """Return lines on tuning for a check: its sign over the shown days, and what to adjust."""
    mine = [sign for sign in signs if sign.name.check is name]
    hints = [view.hints[name] for view in shown if name in view.hints]
    hints += [sign.hint for sign in mine if sign.hint]
    lines = [f"over whole days: {sign.sentence}" for sign in mine]
    return [*lines, *(f"AFTERWARDS  {hint}" for hint in dict.fromkeys(hints))]


def watch_time(seen: "WatchReport | WatchSummary") -> str:
    """Return how long the run has been on watch: ``7 h``, ``2.1 d``."""
    hours = (seen.day - 1) * DAY_MS / 3_600_000 + seen.hours
    return f"{hours:.0f} h" if seen.day == 1 else f"{hours / 24:.1f} d"


def list_cell(run: RunView) -> tuple[str, Tone]:
    """Return the verdict with the check that caused it or, for a good one, the time on watch.

    ``✘ fills``, ``✔ 7 h``.
    """
    if run.watch is None:
        return NONE, "dim"
    sign, tone = SIGNS[run.watch.verdict]
    named = run.watch.failing
    return f"{sign} {SHORT[named[0]] if named else watch_time(run.watch)}", tone


def count_sentence(count: WatchCount) -> str:
    """Return how many runs diverge and how many would by chance; empty: none is watched."""
    if not count.watched:
        return ""
    return f"{count.diverged} of {count.watched} diverged, {count.by_chance:.2g} expected by chance"


def silent_ms(run: RunView, view: WatchView, now_ms: int) -> int:
    """Return how long ago (ms) the watch last reported, if its next look is overdue; otherwise 0."""
    due_ms, close_ms = view.report.next_look_at, run.last_close_ms
    silent = now_ms - view.made_ms
    is_due = due_ms is not None and close_ms is not None and close_ms > due_ms
    return silent if is_due and run.state.is_active and silent > _SILENT_MS else 0
