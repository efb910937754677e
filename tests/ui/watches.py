"""Runs on watch, one for each thing that a first watch can say: what the tab is tested and pictured on."""

import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.baseline import settings_json, settings_of_run
from firstwatch.store import (
    algorithms,
    backtests,
    equity,
    fills,
    live,
    paper,
    runs,
    trades,
    wallets,
    watch,
)
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Session
from firstwatch.trading.ids import client_order_id
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.orders import Fill, OrderSide, Side
from firstwatch.trading.runs import ExitReason, Exposure
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS, Change, CheckName, MismatchCause, Verdict
from firstwatch.trading.watch import Check, Fan, HourCell, Locked, Mismatch, SinceStart, WatchReport
from tests.ui import scenes
from tests.ui.scenes import HOUR_MS, NOW_MS, SYMBOL

CONSISTENT, WATCH = Verdict.CONSISTENT, Verdict.WATCH
DIVERGED, EARLY = Verdict.DIVERGED, Verdict.NOT_ENOUGH_DATA
LOOKS = 96
MINUTE_MS = 60_000


def fan(hours: float, drift: float) -> Fan:
    """Bands that open with the root of time, and a live curve that drifts away by ``drift`` in a day."""
    minutes = tuple(15.0 * look for look in range(1, LOOKS + 1))
    spread = [0.016 * math.sqrt(minute / 1440) for minute in minutes]

    def quantile(z: float) -> tuple[float, ...]:
        return tuple(
            1 + 0.002 * minute / 1440 + z * width for minute, width in zip(minutes, spread, strict=True)
        )

    curve = (
        1 + drift * minute / 1440 + 0.0016 * (math.sin(minute / 70) + 0.6 * math.sin(minute / 23))
        for minute in minutes
    )
    live_curve = tuple(
        value if minute <= hours * 60 else None for minute, value in zip(minutes, curve, strict=True)
    )
    return Fan(
        minutes=minutes, p5=quantile(-1.2), p25=quantile(-0.5), p50=quantile(0.0), p75=quantile(0.5),
        p95=quantile(1.2), live=live_curve,
    )  # fmt: skip


def strip(hours: float, verdicts: dict[int, Verdict], down: dict[int, float]) -> tuple[HourCell, ...]:
    begun = math.ceil(hours)
    return tuple(
        HourCell(
            hour=hour,
            trades=(hour * 7 + 3) % 4 % 3 if hour < begun else None,
            verdict=verdicts.get(hour, CONSISTENT if hour > 2 else EARLY) if hour < begun else None,
            down_minutes=down.get(hour, 0.0),
        )
        for hour in range(24)
    )


def check(name: CheckName, verdict: Verdict, sentence: str, **figures: object) -> Check:
    return Check.model_validate({"name": name, "verdict": verdict, "sentence": sentence, **figures})


def usual_checks() -> dict[CheckName, Check]:
    """The checks of a run that does what it should, in its seventh hour."""
    more_ms = NOW_MS + 3 * HOUR_MS
    return {
        each.name: each
        for each in (
            check(
                CheckName.SIGNAL_PARITY, CONSISTENT, "All 14 decisions are the backtest's.",
                observed=0, expected=0, n=14,
            ),
            check(
                CheckName.FILL_PRICES, CONSISTENT, "14 fills cost 2.1 bps on average, as assumed.",
                observed=2.1, expected=2.0, band=(0.8, 3.3), n=14, e_value=0.42,
                smallest_effect=Change.SLIPPAGE_5,
            ),
            check(
                CheckName.TRADE_FREQUENCY, CONSISTENT, "7 entries in 7 hours; the backtest has 4 to 11.",
                observed=7, expected=8, band=(4, 11), n=7, n_expected=7.6, p_adjusted=0.81,
                smallest_effect=Change.QUARTER_RATE, more_at=more_ms,
            ),
            check(
                CheckName.DRAWDOWN, CONSISTENT, "Drawdown 0.31 % is less than on most days of the backtest.",
                observed=0.0031, expected=0.0042, band=(0.0008, 0.0151), n=7, p_adjusted=0.9,
                smallest_effect=Change.DOUBLE_LOSSES, more_at=more_ms,
            ),
            check(
                CheckName.EXITS, EARLY, "2 of 7 exits by stop: twice as many could not be seen yet.",
                observed=2, expected=2, band=(0, 4), n=7, p_adjusted=0.7, more_at=more_ms,
            ),
            check(
                CheckName.COSTS, CONSISTENT, "Fees and funding are what was assumed.",
                observed=9.0, expected=9.0, n=14,
            ),
            check(
                CheckName.EDGE, EARLY, "The edge can be judged after 41 days.", more_at=NOW_MS + 984 * HOUR_MS
            ),
        )
    }  # fmt: skip


def report(
    run_id: str,
    verdict: Verdict,
    advice: str,
    *changed: Check,
    day: int = 1,
    hours: float = 7.2,
    drift: float = 0.002,
    verdicts: dict[int, Verdict] | None = None,
    down: dict[int, float] | None = None,
    mismatches: tuple[Mismatch, ...] = (),
    has_baseline: bool = True,
    next_look_ms: int | None = NOW_MS + HOUR_MS,
) -> WatchReport:
    checks = {**usual_checks(), **{each.name: each for each in changed}}
    first = next((each.first_at for each in checks.values() if each.first_at), None)
    return WatchReport(
        run=run_id,
        mode="paper",
        day=day,
        hours=hours,
        verdict=verdict,
        first_at=first,
        locked=Locked(hash="9f3c51d2", at=NOW_MS - 8 * HOUR_MS) if has_baseline else None,
        next_look_at=next_look_ms,
        checks=tuple(checks.values()),
        since_start=SinceStart(e_value=0.7 if day > 1 else None, verdict=CONSISTENT if day > 1 else EARLY),
        mismatches=mismatches,
        hours_strip=strip(hours, verdicts or {}, down or {}),
        fan=fan(hours, drift) if has_baseline else None,
        next=advice,
    )


def young(run_id: str) -> WatchReport:
    early = (
        check(
            each.name, EARLY, "1 of about 6 trades: too early.", n=1, n_expected=1.2, more_at=NOW_MS + HOUR_MS
        )
        for each in usual_checks().values()
        if each.name is not CheckName.SIGNAL_PARITY
    )
    return report(run_id, EARLY, "Nothing to do: the first checks know more in an hour.", *early, hours=1.1)


def consistent(run_id: str) -> WatchReport:
    return report(run_id, CONSISTENT, "Nothing to do.", down={4: 12.0})


def worth_a_look(run_id: str) -> WatchReport:
    fills_check = check(
        CheckName.FILL_PRICES, WATCH,
        "14 fills cost 5.1 bps on average, 3.1 more than the backtest assumes.",
        observed=5.1, expected=2.0, band=(0.8, 3.3), n=14, e_value=52.0, smallest_effect=Change.SLIPPAGE_5,
        more_at=NOW_MS + HOUR_MS,
    )  # fmt: skip
    return report(
        run_id, WATCH, "Raise slippage_bps to 5 and test again; nothing has to be done before hour 24.",
        fills_check, verdicts={6: WATCH, 7: WATCH}, drift=-0.012,
    )  # fmt: skip


def found_out(run_id: str) -> WatchReport:
    first_ms = NOW_MS - NOW_MS % HOUR_MS - 5 * HOUR_MS
    lost = tuple(
        Mismatch(
            time=first_ms + hour * HOUR_MS,
            what="enter long",
            cause=cause,
            live=live_side,
            shadow="enter long at 97,204.10: rsi(14) 28.4 < 30",
        )
        for hour, cause, live_side in (
            (0, MismatchCause.UNEXPLAINED, None),
            (2, MismatchCause.REJECTED, "refused: insufficient margin"),
            (4, MismatchCause.UNEXPLAINED, None),
        )
    )
    parity = check(
        CheckName.SIGNAL_PARITY, DIVERGED, "2 of 14 decisions did not happen, and no event says why: a bug.",
        first_at=first_ms, observed=3, expected=0, n=14,
    )  # fmt: skip
    fills_check = check(
        CheckName.FILL_PRICES, DIVERGED, "11 fills cost 10.2 bps on average, 8.2 more than assumed.",
        first_at=first_ms + HOUR_MS, observed=10.2, expected=2.0, band=(0.8, 3.3), n=11, e_value=4410.0,
        smallest_effect=Change.SLIPPAGE_2,
    )  # fmt: skip
    draw = check(
        CheckName.DRAWDOWN, DIVERGED, "Drawdown 3.10 % is beyond 99 % of what the backtest does in 7 hours.",
        first_at=NOW_MS - HOUR_MS, observed=0.031, expected=0.0042, band=(0.0008, 0.0151), n=7,
        p_adjusted=0.012, smallest_effect=Change.DOUBLE_LOSSES,
    )  # fmt: skip
    return report(
        run_id, DIVERGED,
        "Decisions of the algorithm do not happen: pause entries (p), then compare the journal with the "
        "mismatches (enter on signal parity).",
        parity, fills_check, draw,
        drift=-0.09, verdicts=dict.fromkeys(range(2, 8), DIVERGED), mismatches=lost, down={5: 31.0},
    )  # fmt: skip


def without_baseline(run_id: str) -> WatchReport:
    blind = (
        check(each.name, EARLY, "There is no baseline to compare with.", n=each.n)
        for each in usual_checks().values()
        if each.name in (CheckName.TRADE_FREQUENCY, CheckName.DRAWDOWN, CheckName.EXITS, CheckName.EDGE)
    )
    return report(
        run_id, EARLY, "Make a baseline: firstwatch backtest FILE --save; the next run is watched whole.",
        *blind, has_baseline=False, verdicts=dict.fromkeys(range(8), EARLY),
    )  # fmt: skip


def days(run_id: str, number: int) -> list[WatchReport]:
    """A run that diverged on its third day, and is on its last one for 5 hours."""
    made = [
        report(
            run_id,
            DIVERGED if day == 3 else CONSISTENT,
            "Nothing to do: the third day's drawdown was one of those that chance brings.",
            *(
                [
                    check(
                        CheckName.DRAWDOWN, DIVERGED, "Drawdown 4.10 % was beyond 99 % of days.",
                        first_at=NOW_MS - 30 * HOUR_MS, observed=0.041, expected=0.01, band=(0.002, 0.03),
                        n=22,
                    )
                ]
                if day == 3
                else []
            ),
            day=day,
            hours=24.0 if day < number else 5.0,
            drift=(-0.03 if day == 3 else 0.004 * (day % 3) - 0.002),
        )
        for day in range(1, number + 1)
    ]  # fmt: skip
    return made


def save(home: Path, *reports: WatchReport, made_ms: int = NOW_MS - 4_000) -> None:
    with scenes.written(home) as session:
        for each in reports:
            watch.save_report(session, each, now_ms=made_ms)


def on_watch(home: Path, which: str) -> None:
    """The live run of ``busy_day`` with one of the reports of this module; or a run with many days."""
    if which == "after":
        nine_days(home)
        return
    scenes.busy_day(home)
    if which == "paused":
        save(home, worth_a_look(scenes.LIVE))
        pause(home, scenes.LIVE)
    elif which == "silent":
        save(home, replace_next(consistent(scenes.LIVE)), made_ms=NOW_MS - 12 * MINUTE_MS)
    else:
        save(home, globals()[which](scenes.LIVE))


def nine_days(home: Path) -> None:
    """A run in its ninth day whose third one lost more than its backtest ever did, and the backtest."""
    scenes.first_steps(home)
    begin_ms = NOW_MS - NOW_MS % HOUR_MS - 197 * HOUR_MS
    tested_ms = begin_ms - 120 * DAY_MS
    with scenes.written(home) as session:
        version = algorithms.get_version(session, "RSI reversion").id
        settings = _settings("w1")
        tested = tested_ms + np.arange(2_880) * HOUR_MS
        backtests.add_backtest(
            session, version_id=version, symbol=SYMBOL, timeframe=Timeframe.H1, costs_json="{}",
            settings_json=settings_json(settings_of_run(settings)), start_ms=tested_ms, end_ms=begin_ms,
            bars=len(tested), metrics_json="{}",
            trades=[_trade(at_ms, "96800", "96900") for at_ms in tested[::7].tolist()],
            equity=EquityCurve(tested, _wave(2_880, 60.0) + np.arange(2_880) / 4), now_ms=begin_ms - 1,
        )  # fmt: skip
        _start(session, scenes.LIVE, settings, version, begin_ms + MINUTE_MS, Decimal("-58.20"))
        curve = _wave(197, 60.0)
        curve[54:72] -= np.linspace(0, 210, 18)
        curve[72:] -= 210 - np.arange(125)
        times = (begin_ms + np.arange(197) * HOUR_MS).tolist()
        equity.add_equity(session, scenes.LIVE, list(zip(times, curve.tolist(), strict=True)))
        for number, at_ms in enumerate(times[::7]):
            reason = ExitReason.STOP_LOSS if number % 4 == 3 else ExitReason.SIGNAL
            trades.add_trade(session, scenes.LIVE, _trade(at_ms, "96800", "96700", reason))
    save(home, *days(scenes.LIVE, 9))


def _wave(hours: int, size: float) -> NDArray[np.float64]:
    return 5_000 - size * (1 - np.cos(np.arange(hours) / 24 * 2 * np.pi)) / 2


def _trade(entered_ms: int, entry: str, leave: str, reason: ExitReason = ExitReason.SIGNAL) -> Trade:
    amount, fees = Decimal("0.025"), Decimal("2.18")
    gross = (Decimal(leave) - Decimal(entry)) * amount
    return Trade(
        Side.LONG, entered_ms, Decimal(entry), entered_ms + HOUR_MS, Decimal(leave), amount, gross, fees,
        Decimal(0), gross - fees, reason, 1, Decimal(900), Decimal(200),
    )  # fmt: skip


def replace_next(known: WatchReport) -> WatchReport:
    """The report of a watch that should have looked again two hours ago."""
    return known.model_copy(update={"next_look_at": NOW_MS - 2 * HOUR_MS})


def pause(home: Path, run_id: str) -> None:
    with scenes.written(home) as session:
        facts = runs.get_run(session, run_id).facts
        runs.update_side_facts(session, run_id, replace(facts, paused=True, pause_reason="by the operator"))


# --- several runs, for the README ----------------------------------------------------------------

FOUND, STEADY, YOUNG, DEAR = "c0ffee0000000004", "c0ffee0000000003", "c0ffee0000000002", "c0ffee0000000001"


def first_day(home: Path) -> None:
    """Four runs of one algorithm in their first hours; one of them is found out."""
    scenes.first_steps(home)
    with scenes.written(home) as session:
        version = algorithms.get_version(session, "RSI reversion").id
        for number, (run_id, pnl) in enumerate(
            ((DEAR, "-61.20"), (YOUNG, "4.17"), (STEADY, "22.04"), (FOUND, "-155.31"))
        ):
            started_ms = NOW_MS - 7 * HOUR_MS - (9 - number) * MINUTE_MS
            _start(session, run_id, _settings(f"w{number + 1}"), version, started_ms, Decimal(pnl))
        _trades(session, FOUND)
    save(home, found_out(FOUND), consistent(STEADY), young(YOUNG), worth_a_look(DEAR))


def _settings(wallet: str) -> LaunchSettings:
    return LaunchSettings(
        algorithm="RSI reversion", version=1, wallet=wallet, symbol=SYMBOL, capital=Decimal(5_000),
        accepted_warnings="paper money",
    )  # fmt: skip


def _start(
    session: Session, run_id: str, settings: LaunchSettings, version: int, started_ms: int, pnl: Decimal
) -> None:
    wallet = settings.wallet
    made = wallets.create_wallet(session, wallet, venue="paper", kind="paper", now_ms=NOW_MS - 80 * HOUR_MS)
    paper.deposit(session, "paper", wallet, Decimal(10_000), now_ms=NOW_MS - 80 * HOUR_MS)
    scenes.begin(session, run_id, made.id, version, settings, started_ms)
    runs.update_side_facts(session, run_id, runs.SideFacts(exposure=Exposure.FLAT))
    live.upsert_live_status(
        session,
        [live.LiveStatus(run_id, NOW_MS - 1000, 96911.4, Decimal(0), 5_000 + pnl, NOW_MS - HOUR_MS, NOW_MS)],
    )


def _trades(session: Session, run_id: str) -> None:
    for number, (entry, leave, reason) in enumerate(
        (
            ("97204.10", "96232.06", ExitReason.STOP_LOSS),
            ("96410.00", "96702.55", ExitReason.SIGNAL),
            ("96880.25", "95911.45", ExitReason.STOP_LOSS),
        )
    ):
        entered_ms = NOW_MS - NOW_MS % HOUR_MS - (6 - 2 * number) * HOUR_MS
        made = _trade(entered_ms, entry, leave, reason)
        trades.add_trade(session, run_id, made)
        for side, price, at_ms, mid_share in (
            (OrderSide.BUY, entry, entered_ms, 0.99898),
            (OrderSide.SELL, leave, entered_ms + HOUR_MS, 1.00103),
        ):
            order_id = client_order_id(run_id, 2 * number + (side is OrderSide.SELL) + 1)
            fill = Fill(
                f"{run_id}-{number}-{side}", order_id, "w4", SYMBOL, side, made.amount, Decimal(price),
                Decimal("1.09"), at_ms,
            )  # fmt: skip
            fills.add_fill(
                session,
                fills.StoredFill(
                    "paper", run_id, fill, at_ms, mid_at_decision=round(float(price) * mid_share, 2)
                ),
            )
