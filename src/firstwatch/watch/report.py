"""The report of a day: verdicts by one set of rules, a sentence for each check, and what to do next.

Pure: the same inputs give the same report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from firstwatch.trading.verdicts import Change, CheckName, MismatchCause, Verdict
from firstwatch.trading.watch import (
    Check,
    Fan,
    HourCell,
    Identity,
    LimitGap,
    Locked,
    Mismatch,
    SinceStart,
    WatchReport,
)
from firstwatch.watch.changes import OWN_CHANGES
from firstwatch.watch.costs import CostsJudged
from firstwatch.watch.day import LiveDay
from firstwatch.watch.edge import EdgeJudged
from firstwatch.watch.fill_prices import FillsJudged
from firstwatch.watch.identity import is_alarm
from firstwatch.watch.joint import JOINT_CHECKS, Judgement, Tables, crossings, judge, observed
from firstwatch.watch.limit_gap import gap_words
from firstwatch.watch.windows import Looks

LEAST_SHARE = 0.1
"""Share of the day before which no check has enough data."""

_MOST_CERTAIN = 0.999
"""Highest probability that a text names: a finite baseline makes nothing certain."""
_HOUR_MS = 3_600_000
_SEVERITY = (Verdict.NOT_ENOUGH_DATA, Verdict.CONSISTENT, Verdict.WATCH, Verdict.DIVERGED)
_OBSERVED = {CheckName.DRAWDOWN: 0, CheckName.TRADE_FREQUENCY: 1, CheckName.EXITS: 2}
"""Index of the observed quantity that a check shows."""
_WORDS = {
    Change.HALF_RATE: "half the trades",
    Change.QUARTER_RATE: "a quarter of the trades",
    Change.DOUBLE_RATE: "twice the trades",
    Change.DOUBLE_LOSSES: "losses twice as large",
    Change.DOUBLE_STOPS: "twice the exits by stop",
    Change.SLIPPAGE_2: "2 bps more slippage",
    Change.SLIPPAGE_5: "5 bps more slippage",
    Change.SLIPPAGE_10: "10 bps more slippage",
    Change.MISSED: "one entry in twenty missed",
    Change.EDGE_GONE: "a lost edge",
}


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """Input of the joint checks: the tables of the day, and its looks so far."""

    tables: Tables
    looks: Looks
    """The live day, ``(1, L)``; NaN where a look was not made."""
    paused: str = ""
    """Why the checks keep their last result; empty: they go on."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Everything that a day's report is made of. None: not known; the sentence beside it says why."""

    run_id: str
    mode: Literal["paper", "testnet", "live"]
    capital: float
    day: LiveDay
    is_over: bool
    """The run has ended: there will be no further look."""
    is_paused: bool
    """Its entries are paused now."""
    joint: Joint | None
    no_joint: str
    """Why there is none, and what would help."""
    compared: int
    """Decisions that were compared with the shadow's."""
    mismatches: Sequence[Mismatch]
    no_parity: str
    """Why signals are not compared; empty: they are."""
    identity: Identity | None
    fills: FillsJudged
    limits: LimitGap | None
    """Since the run began."""
    costs: CostsJudged
    edge: EdgeJudged
    since_start: SinceStart
    locked: Locked | None
    before: WatchReport | None = None
    """The last report of the day."""


def report_of(evidence: Evidence) -> WatchReport:
    """Return the report of the day so far."""
    day, joint, before = evidence.day, evidence.joint, evidence.before
    now_ms = day.now_ms
    judgement = None if joint is None else judge(joint.tables, joint.looks)
    found = [
        _with_residuals(
            parity_check(evidence.compared, evidence.mismatches, bars=len(day), missing=evidence.no_parity),
            evidence,
            now_ms,
        ),
        fills_check(evidence.fills, day.hours / 24, evidence.limits),
        *joint_checks(joint, judgement, day, evidence.no_joint),
        costs_check(evidence.costs),
        edge_check(evidence.edge),
    ]
    checks = [kept(check, None if before is None else before.check(check.name)) for check in found]
    checks = [_named_by_fills(check, checks) for check in checks]
    first = first_diverged(checks)
    return WatchReport(
        run=evidence.run_id,
        mode=evidence.mode,
        day=day.number,
        hours=min(day.hours, 24.0),
        verdict=run_verdict(checks),
        first_at=None if first is None else first.first_at,
        locked=evidence.locked,
        next_look_at=None if joint is None or evidence.is_over else _next_look(joint.tables, day),
        checks=tuple(checks),
        since_start=evidence.since_start,
        mismatches=tuple(evidence.mismatches),
        identity=evidence.identity,
        limit_fills=evidence.limits,
        hours_strip=hours_strip(joint, day, checks, evidence.mismatches),
        fan=None if joint is None else fan_of(joint),
        next=what_next(checks, is_paused=evidence.is_paused, is_over=evidence.is_over),
    )


# --- the checks --------------------------------------------------------------------------------------


def parity_check(compared: int, mismatches: Sequence[Mismatch], *, bars: int, missing: str = "") -> Check:
    """Return the check of signal parity: decisions of live run and shadow on so many bars, and differences.

    A mismatch without a cause is a defect and diverges at once; one whose cause an operator should look at is
    to be watched; the others are how a run is led, or how venues work.
    """
    unexplained = [each for each in mismatches if each.cause is MismatchCause.UNEXPLAINED]
    watched = [each for each in mismatches if not each.cause.is_harmless]
    if unexplained:
        verdict = Verdict.DIVERGED
        words = f"{_count(len(unexplained), 'difference')} from the backtest's core that nothing explains"
    elif watched:
        verdict = Verdict.WATCH
        words = f"{_count(len(watched), 'difference')} with a cause to look at: {_causes(watched)}"
    elif missing:
        verdict, words = Verdict.NOT_ENOUGH_DATA, missing
    elif bars:
        verdict = Verdict.CONSISTENT
        words = (
            f"{_count(compared, 'decision')} on {_count(bars, 'bar')}, the same as the backtest's core makes"
        )
        if mismatches:
            words = f"{_count(len(mismatches), 'difference')}, each explained: {_causes(mismatches)}"
    else:
        verdict, words = Verdict.NOT_ENOUGH_DATA, "no bar has closed yet"
    return Check(
        name=CheckName.SIGNAL_PARITY,
        verdict=verdict,
        first_at=min((each.time for each in unexplained), default=None),
        observed=float(len(mismatches)),
        expected=0.0,
        n=compared,
        sentence=_sentence(words),
    )


def _with_residuals(check: Check, evidence: Evidence, now_ms: int) -> Check:
    """Return signal parity, diverged if there is money that no term of the accounting explains."""
    identity = evidence.identity
    if identity is None:
        return check
    said = []
    if is_alarm(identity.residual, evidence.capital):
        said.append(f"{identity.residual:+.2f} of the PnL that no term of the accounting explains")
    if is_alarm(identity.venue_residual, evidence.capital):
        said.append(f"{identity.venue_residual:+.2f} between the venue's equity and the ledger's")
    if not said:
        return check
    if check.verdict is Verdict.DIVERGED:
        said.insert(0, check.sentence.rstrip("."))
    return check.model_copy(
        update={
            "verdict": Verdict.DIVERGED,
            "first_at": now_ms if check.first_at is None else check.first_at,
            "sentence": _sentence(*said),
        }
    )


def fills_check(judged: FillsJudged, day_share: float, limits: LimitGap | None = None) -> Check:
    """Return the check of fill prices; a green light only after a tenth of the day.

    ``limits``: how much of the limit entries filled, which is said beside and not judged.
    """
    verdict = judged.verdict
    if verdict is Verdict.CONSISTENT and day_share < LEAST_SHARE:
        verdict = Verdict.NOT_ENOUGH_DATA
    return Check(
        name=CheckName.FILL_PRICES,
        verdict=verdict,
        first_at=judged.first_at_ms if verdict is Verdict.DIVERGED else None,
        observed=judged.observed_bps,
        expected=judged.expected_bps,
        band=judged.band_bps,
        n=judged.n,
        e_value=judged.e_value,
        smallest_effect=judged.smallest_effect,
        sentence=judged.sentence if limits is None else _sentence(judged.sentence, gap_words(limits)),
    )


def costs_check(judged: CostsJudged) -> Check:
    """Return the check of costs."""
    return Check(
        name=CheckName.COSTS,
        verdict=judged.verdict,
        observed=judged.paid_bps,
        expected=judged.assumed_bps,
        n=judged.n,
        sentence=judged.sentence,
    )


def edge_check(judged: EdgeJudged) -> Check:
    """Return the check of the edge."""
    return Check(
        name=CheckName.EDGE,
        verdict=judged.verdict,
        first_at=None,
        observed=judged.observed,
        expected=judged.expected,
        n=judged.n,
        n_expected=judged.days_needed,
        more_at=judged.more_at_ms,
        sentence=judged.sentence,
    )


def joint_checks(joint: Joint | None, judgement: Judgement | None, day: LiveDay, missing: str) -> list[Check]:
    """Return trade frequency, drawdown and exits."""
    if joint is None or judgement is None:
        return [
            Check(
                name=name,
                verdict=Verdict.NOT_ENOUGH_DATA,
                observed=_live_value(name, day),
                n=_live_count(name, day),
                sentence=_sentence(missing),
            )
            for name in JOINT_CHECKS
        ]
    return [_joint_check(name, joint, judgement, day) for name in JOINT_CHECKS]


def _joint_check(name: CheckName, joint: Joint, judgement: Judgement, day: LiveDay) -> Check:
    tables, look = joint.tables, judgement.look
    one = judgement.checks[name]
    enough = tables.enough_look(name)
    if one.first_look is not None:
        verdict = Verdict.DIVERGED
    elif one.is_watch:
        verdict = Verdict.WATCH
    elif enough is not None and 0 <= enough <= look:
        verdict = Verdict.CONSISTENT
    else:
        verdict = Verdict.NOT_ENOUGH_DATA
    band = tables.bands[_OBSERVED[name], :, look].tolist() if look >= 0 else None
    value = float(observed(joint.looks)[_OBSERVED[name]][0, look]) if look >= 0 else _live_value(name, day)
    # As many exits as entries are expected.
    n_expected = float(tables.bands[_OBSERVED[CheckName.TRADE_FREQUENCY], 1, look]) if look >= 0 else None
    words = [_finding(name, value, band, one.p_adjusted, day)]
    if name is CheckName.DRAWDOWN and value is not None and band is not None and value <= band[2]:
        words += _worst_look(verdict, one.p_adjusted)
    if one.is_never_seen:
        words.append("never so in the baseline")
    effect = tables.smallest_effect(name, look)
    if joint.paused:
        words.append(joint.paused)
    elif verdict is Verdict.NOT_ENOUGH_DATA:
        words.append(_too_early(name, tables, look, enough))
    elif verdict is Verdict.CONSISTENT and effect is not None:
        words.append(f"{_WORDS[effect]} would have been seen by now")
    waits = verdict is Verdict.NOT_ENOUGH_DATA and enough is not None and not joint.paused
    return Check(
        name=name,
        verdict=verdict,
        first_at=None if one.first_look is None else day.begin_ms + int(tables.grid_ms[one.first_look]),
        observed=value,
        expected=None if band is None else band[1],
        band=None if band is None else (band[0], band[2]),
        n=_live_count(name, day),
        n_expected=n_expected,
        p_adjusted=one.p_adjusted,
        smallest_effect=effect,
        more_at=day.begin_ms + int(tables.grid_ms[enough]) if waits and enough is not None else None,
        sentence=_sentence(*words),
    )


def _live_value(name: CheckName, day: LiveDay) -> float | None:
    if not len(day):
        return None
    match name:
        case CheckName.DRAWDOWN:
            peak = max(1.0, float(day.equity.max()))
            return 1 - float(day.equity[-1]) / peak
        case CheckName.EXITS:
            return float(day.stops[-1])
        case _:
            return float(day.entries[-1])


def _live_count(name: CheckName, day: LiveDay) -> int:
    counts = day.exits if name is CheckName.EXITS else day.entries
    return int(counts[-1]) if len(day) else 0


def _finding(
    name: CheckName, value: float | None, band: list[float] | None, p: float | None, day: LiveDay
) -> str:
    """Return the observed and the expected value in words."""
    if value is None or band is None:
        return "no look yet"
    hours = f"in {day.hours:.0f} hours"
    low, middle, high = band
    if name is CheckName.DRAWDOWN:
        usual = f"(usual {_percent(middle)}, up to {_percent(high)})"
        if value <= high:
            return f"drawdown {_percent(value)} is within what the backtest does {hours} {usual}"
        if p is None:
            return f"drawdown {_percent(value)} is beyond all that the backtest does {hours} {usual}"
        share = _percent(min(1 - p, _MOST_CERTAIN))
        return f"drawdown {_percent(value)} is beyond {share} of what the backtest does {hours} {usual}"
    noun = "exit by stop" if name is CheckName.EXITS else "entry"
    return f"{_count(round(value), noun)} {hours}, {middle:.0f} expected ({low:.0f} to {high:.0f})"


def _worst_look(verdict: Verdict, p: float | None) -> list[str]:
    """Return why a day is not as tested although its drawdown is usual now."""
    if verdict not in (Verdict.WATCH, Verdict.DIVERGED) or p is None:
        return []
    share = _percent(min(1 - p, _MOST_CERTAIN))
    return [
        f"but its worst moment is beyond {share} of the backtest's days, by drawdown or by loss for its "
        "volatility"
    ]


def _too_early(name: CheckName, tables: Tables, look: int, enough: int | None) -> str:
    """Return which change the check could detect by now, or by the end of the day if that is never enough."""
    at = look if enough is not None else tables.looks - 1
    power, change = max(
        ((tables.power_of(name, change, at), change) for change in OWN_CHANGES[name]),
        key=lambda each: each[0],
    )
    if enough is None:
        return f"one day is too short to know: it shows {_WORDS[change]} in {power * 100:.0f} % of cases"
    return f"too early: {_WORDS[change]} would have been seen in {power * 100:.0f} % of cases by now"


def _named_by_fills(check: Check, checks: Sequence[Check]) -> Check:
    """Say in a bad drawdown check that the fills cost more than expected, if that check is bad too."""
    fills = next(each for each in checks if each.name is CheckName.FILL_PRICES)
    bad = (Verdict.WATCH, Verdict.DIVERGED)
    if check.name is not CheckName.DRAWDOWN or check.verdict not in bad or fills.verdict not in bad:
        return check
    cost = (
        ""
        if fills.observed is None or fills.expected is None
        else f" {fills.observed - fills.expected:.1f} bps"
    )
    words = f"the fills cost{cost} more than expected, which is a part of it"
    return check.model_copy(update={"sentence": _sentence(check.sentence, words)})


def kept(check: Check, before: Check | None) -> Check:
    """Return the check, diverged if it was before on this day: that stays, with the time when it began."""
    if before is None or before.verdict is not Verdict.DIVERGED or check.name is CheckName.EDGE:
        return check
    if check.verdict is Verdict.DIVERGED:
        firsts = [each for each in (before.first_at, check.first_at) if each is not None]
        return check.model_copy(update={"first_at": min(firsts, default=None)})
    return check.model_copy(
        update={
            "verdict": Verdict.DIVERGED,
            "first_at": before.first_at,
            "sentence": f"It diverged today. Now: {check.sentence}",
        }
    )


# --- the run -----------------------------------------------------------------------------------------


def run_verdict(checks: Sequence[Check]) -> Verdict:
    """Return the worst of the checks, the edge left out.

    ``CONSISTENT`` needs signal parity and one of trade frequency and drawdown.
    """
    by_name = {check.name: check.verdict for check in checks if check.name is not CheckName.EDGE}
    worst = max(by_name.values(), key=_SEVERITY.index, default=Verdict.NOT_ENOUGH_DATA)
    if worst is not Verdict.CONSISTENT:
        return worst
    others = by_name.get(CheckName.TRADE_FREQUENCY), by_name.get(CheckName.DRAWDOWN)
    is_sure = by_name.get(CheckName.SIGNAL_PARITY) is Verdict.CONSISTENT and Verdict.CONSISTENT in others
    return Verdict.CONSISTENT if is_sure else Verdict.NOT_ENOUGH_DATA


def first_diverged(checks: Sequence[Check]) -> Check | None:
    """Return the check that diverged first, the edge left out."""
    found = [
        check for check in checks if check.verdict is Verdict.DIVERGED and check.name is not CheckName.EDGE
    ]
    return min(found, key=lambda check: check.first_at or 0, default=None)


def hours_strip(
    joint: Joint | None, day: LiveDay, checks: Sequence[Check], mismatches: Sequence[Mismatch]
) -> tuple[HourCell, ...]:
    """Return the 24 hours of the day: entries, what the watch said at the end of each, time lost."""
    cells = []
    lost = day.lost_minutes()
    watched = [each.time for each in mismatches if not each.cause.is_harmless]
    diverged = [check.first_at for check in checks if check.first_at is not None]
    diverged_ms = min(diverged, default=None)
    watch_look = _first_watch_look(joint)
    named = (CheckName.TRADE_FREQUENCY, CheckName.DRAWDOWN)
    looks = [] if joint is None else [joint.tables.enough_look(name) for name in named]
    enough = min((each for each in looks if each is not None), default=None)
    now_ms = day.now_ms
    for hour in range(24):
        begin_ms = day.begin_ms + hour * _HOUR_MS
        if begin_ms >= now_ms:
            cells.append(HourCell(hour=hour))
            continue
        end_ms = min(begin_ms + _HOUR_MS, now_ms)
        low, high = np.searchsorted(day.close_ms, [begin_ms, end_ms], side="right")
        before = int(day.entries[low - 1]) if low else 0
        trades = int(day.entries[high - 1]) - before if high else 0
        look = -1 if joint is None else _looks_by(joint.tables, end_ms - day.begin_ms) - 1
        if diverged_ms is not None and diverged_ms <= end_ms:
            verdict = Verdict.DIVERGED
        elif any(time <= end_ms for time in watched) or (watch_look is not None and watch_look <= look):
            verdict = Verdict.WATCH
        elif enough is not None and enough <= look:
            verdict = Verdict.CONSISTENT
        else:
            verdict = Verdict.NOT_ENOUGH_DATA
        cells.append(HourCell(hour=hour, trades=trades, verdict=verdict, down_minutes=float(lost[hour])))
    return tuple(cells)


def _first_watch_look(joint: Joint | None) -> int | None:
    if joint is None:
        return None
    is_watch = crossings(joint.tables.reference, joint.tables.critical_watch, joint.looks).any(axis=(0, 1))
    return int(np.argmax(is_watch)) if is_watch.any() else None


def _looks_by(tables: Tables, elapsed_ms: int) -> int:
    return int(np.searchsorted(tables.grid_ms, elapsed_ms, side="right"))


def _next_look(tables: Tables, day: LiveDay) -> int | None:
    """Return the time of the next look; None: the day is over."""
    place = _looks_by(tables, day.now_ms - day.begin_ms)
    return day.begin_ms + int(tables.grid_ms[place]) if place < tables.looks else None


def fan_of(joint: Joint) -> Fan:
    """Return the quantiles of the windows' equity, and the live curve as far as it goes."""
    p5, p25, p50, p75, p95 = (tuple(row) for row in joint.tables.fan.tolist())
    live = joint.looks.equity[0]
    return Fan(
        minutes=tuple((joint.tables.grid_ms / 60_000).tolist()),
        p5=p5,
        p25=p25,
        p50=p50,
        p75=p75,
        p95=p95,
        live=tuple(None if np.isnan(value) else value for value in live.tolist()),
    )


_DIVERGED = {
    CheckName.SIGNAL_PARITY: "Pause entries and look at the mismatches: this is a defect of the program or "
    "of the data, not chance.",
    CheckName.FILL_PRICES: "Consider pausing: look at the fills, then at order type and timeframe.",
    CheckName.TRADE_FREQUENCY: "Consider pausing: compare thresholds and indicators with the baseline's.",
    CheckName.DRAWDOWN: "Consider pausing: look at sizing and stop.",
    CheckName.EXITS: "Consider pausing: look at the distance of the stop, and at the entries before it.",
}
_AFTER_THE_END = "Find out why before the algorithm is launched again."
_WATCH = {
    CheckName.SIGNAL_PARITY: "Look at the mismatches.",
    CheckName.FILL_PRICES: "Look at the fills.",
    CheckName.TRADE_FREQUENCY: "See what the next looks say.",
    CheckName.DRAWDOWN: "See what the next looks say.",
    CheckName.EXITS: "See what the next looks say.",
    CheckName.COSTS: "Compare the fees and the funding with those of the baseline.",
}


def what_next(checks: Sequence[Check], *, is_paused: bool, is_over: bool) -> str:
    """Return what an operator should do next, in words: by the check that weighs most."""
    counted = [check for check in checks if check.name is not CheckName.EDGE]
    first = first_diverged(counted)
    if first is not None:
        if first.name is CheckName.DRAWDOWN and any(
            check.name is CheckName.FILL_PRICES and check.verdict is Verdict.DIVERGED for check in counted
        ):
            # Expensive fills cause the drawdown, not the other way round.
            first = next(check for check in counted if check.name is CheckName.FILL_PRICES)
        if is_over:
            return f"{first.sentence} {_AFTER_THE_END}"
        return f"{first.sentence} {'Entries are paused. ' if is_paused else ''}{_DIVERGED[first.name]}"
    watched = next((check for check in counted if check.verdict is Verdict.WATCH), None)
    if watched is not None:
        return f"{watched.sentence} {_AFTER_THE_END if is_over else _WATCH[watched.name]}"
    if is_over:
        return "The run has ended; nothing is to be done."
    if run_verdict(checks) is Verdict.CONSISTENT:
        return "Nothing to do: the run does what its backtest promised, as far as can be seen by now."
    missing = next((check for check in counted if check.name is CheckName.TRADE_FREQUENCY), None)
    if missing is not None and missing.band is None:
        return missing.sentence
    return "Wait: there is not enough to judge by yet."


def _sentence(*parts: str) -> str:
    text = "; ".join(part.rstrip(".") for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}."


def _percent(fraction: float) -> str:
    return f"{fraction * 100:.1f} %"


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    plural = {"entry": "entries", "exit by stop": "exits by stop"}.get(noun, f"{noun}s")
    return f"{number} {plural}"


def _causes(mismatches: Sequence[Mismatch]) -> str:
    causes = [each.cause.value for each in mismatches]
    return ", ".join(f"{causes.count(cause)} {cause}" for cause in dict.fromkeys(causes))
