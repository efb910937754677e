"""Stores with a story in them, the same to the bit each time: what screens are tested and pictured on."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec

import numpy as np

from firstwatch.engine.agent_check import facts_of
from firstwatch.engine.lock import LOCK_FILE, EngineLock
from firstwatch.manager.agent_plans import stop_plan
from firstwatch.manager.agent_service import Wanted
from firstwatch.settings import Settings
from firstwatch.store import (
    agents,
    algorithms,
    backtests,
    bars,
    commands,
    equity,
    fills,
    hosts,
    journal,
    live,
    orders,
    outlooks,
    paper,
    positions,
    runs,
    trades,
    wallet_status,
    wallets,
)
from firstwatch.store.curves import EquityCurve
from firstwatch.store.database import Session, Store, open_store
from firstwatch.store.files import check_folder, store_path
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading import events
from firstwatch.trading.agents import ASK_MS, PLAN_MS, ActTool, AskState, Caller, Scope
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.commands import CommandOutcome, StopRun
from firstwatch.trading.ids import client_order_id
from firstwatch.trading.launch import LaunchPreview, LaunchSettings
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.orders import Fill, OrderIntent, OrderKind, OrderPurpose, OrderSide, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason, Exposure, Health, Protection, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.why import STOP, TARGET, ConditionValue, Outlook, level

NOW_MS = 1_767_265_440_000
"""2026-01-01 11:04 UTC."""
HOUR_MS = 3_600_000
SYMBOL = "BTC/USDC:USDC"
LIVE, DONE, FAILED = "a1b2c3d4e5f60718", "0f1e2d3c4b5a6978", "7766554433221100"
ENGINE_PID = 31415

SPEC = AlgorithmSpec.from_toml(
    """
name = "RSI reversion"
direction = "long"
timeframe = "1h"
symbol = "BTC/USDC:USDC"

[entry.long]
required = ["rsi(14) < 30"]

[exit.long]
required = ["rsi(14) > 70"]

[stop_loss]
fraction = 0.05
trailing = true

[take_profit]
fraction = 0.10

[sizing]
equity = 0.5
""",
    where="scene",
)
FREE_SPEC = AlgorithmSpec.from_toml(
    """
name = "Band fade"
direction = "both"
timeframe = "15m"

[entry.long]
required = ["close < bbands(20, 2, 2).lowerband"]

[entry.short]
required = ["close > bbands(20, 2, 2).upperband"]

[sizing]
fixed = 500
""",
    where="scene",
)


Given = ParamSpec("Given")
Scene = Callable[Concatenate[Path, Given], None]


def written_once(scene: Scene[Given]) -> Scene[Given]:
    """Write the scene in a fresh folder once in this process, and copy its store from then on."""
    stores: dict[object, bytes] = {}

    @wraps(scene)
    def copied(home: Path, *args: Given.args, **kwargs: Given.kwargs) -> None:
        path = store_path(home)
        if path.exists():
            scene(home, *args, **kwargs)
            return
        key = (args, tuple(kwargs.items()))
        if key not in stores:
            scene(home, *args, **kwargs)
            stores[key] = path.read_bytes()
            return
        check_folder(home, make=True)
        path.touch(0o600)
        path.write_bytes(stores[key])

    return copied


def settings_of(home: Path) -> Settings:
    """Return settings that no environment and no file changes."""
    return Settings(home=home, refresh_hz=20)


def new_store(home: Path) -> Store:
    return open_store(home)


@written_once
def nothing(home: Path) -> None:
    """Make a store in which nothing is yet."""
    new_store(home).close()


def first_steps(home: Path) -> None:
    """A stored algorithm and a funded wallet; nothing has run."""
    with written(home) as session:
        _add(session, SPEC)
        _add(session, FREE_SPEC)
        _wallet(session, "demo", Decimal(10_000))


@written_once
def busy_day(home: Path) -> None:
    """A live run that is long, one that is done, one that failed and left a position."""
    with written(home) as session:
        version = _add(session, SPEC)
        _add(session, FREE_SPEC)
        _baseline(session, version)
        demo = _wallet(session, "demo", Decimal(10_000))
        spare = _wallet(session, "spare", Decimal(2_500))
        _wallet(session, "swing", Decimal("812.5"))
        _done_run(session, spare, version)
        _live_run(session, demo, version)


@written_once
def with_alarm(home: Path) -> None:
    """As ``busy_day``, and a failed run left a position in a wallet that nobody manages."""
    busy_day(home)
    with written(home) as session:
        version = algorithms.get_version(session, "RSI reversion")
        swing = wallets.get_wallet(session, "swing").id
        settings = LaunchSettings(
            algorithm="RSI reversion", version=1, wallet="swing", symbol=SYMBOL, capital=Decimal(800)
        )
        begin(session, FAILED, swing, version.id, settings, NOW_MS - 5 * HOUR_MS)
        runs.transition(
            session, FAILED, RunState.FAILED, "three recoveries in ten minutes",
            author=Author.SYSTEM, local_time_ms=NOW_MS - HOUR_MS,
        )  # fmt: skip
        runs.update_side_facts(
            session,
            FAILED,
            runs.SideFacts(
                health=Health.DEGRADED,
                exposure=Exposure.EXPOSED,
                protection=Protection.PROTECTED,
                sentence="three recoveries in ten minutes",
            ),
        )
        positions.set_position(
            session,
            positions.RunPosition(
                FAILED, SYMBOL, Side.LONG, Decimal("0.0041"), NOW_MS - HOUR_MS,
                entry_price=Decimal("97850.2"), stop=Decimal("92957.69"), margin=Decimal("401.19"),
            ),
        )  # fmt: skip


def run_number(number: int) -> str:
    """Return the id of a run of ``many_runs``."""
    return f"{number:016x}"


@written_once
def many_runs(home: Path, count: int, *, real: int = 0) -> None:
    """``count`` running runs in the wallets w1 and so on, all exposed; the first ``real`` with real money."""
    with written(home) as session:
        version = _add(session, SPEC)
        for number in range(1, count + 1):
            kind = "hyperliquid" if number <= real else "paper"
            wallet = wallets.create_wallet(
                session, f"w{number}", venue=kind, kind=kind, account=f"0x{number:040x}", now_ms=NOW_MS
            )
            settings = LaunchSettings(
                algorithm="RSI reversion", version=1, wallet=wallet.name, symbol=SYMBOL,
                capital=Decimal(100 * number),
            )  # fmt: skip
            run_id = run_number(number)
            begin(session, run_id, wallet.id, version, settings, NOW_MS - (count - number + 1) * HOUR_MS)
            facts = runs.SideFacts(exposure=Exposure.EXPOSED, protection=Protection.PROTECTED)
            runs.update_side_facts(session, run_id, facts)
            status = live.LiveStatus(
                run_id, NOW_MS, 97_000.0, Decimal(0), Decimal(100 * number + number % 3), NOW_MS - HOUR_MS
            )
            live.upsert_live_status(session, [status])


def ask_to_stop(home: Path, run_id: str = LIVE, *, waits_ms: int = ASK_MS) -> int:
    """An agent asks the operator whether it may stop a run; return the number of its question."""
    wanted = Wanted(ActTool.STOP, run_id)
    with written(home) as session:
        run = runs.get_run(session, run_id)
        money = settings_of(home).money_of(run.venue, kind=run.venue)
        act = agents.add_act(
            session,
            Caller(name="helper", scope=Scope.CONTROL),
            wanted.tool,
            arguments_json=wanted.arguments_json,
            command=StopRun(run_id=run_id, mode=StopMode.LEAVE),
            run_id=run_id,
            name=run.settings.name,
            wallet=run.wallet,
            money=money,
            closes=False,
            notional=Decimal(0),
            bound=facts_of(session, run_id),
            plan=stop_plan(session, run, money, closes=False),
            token=f"token of {run_id}",
            now_ms=NOW_MS,
            expires_at_ms=NOW_MS + PLAN_MS,
        )
        return agents.add_ask(session, act.id, now_ms=NOW_MS, expires_at_ms=NOW_MS + waits_ms).id


def answer_ask(home: Path, number: int, state: AskState) -> None:
    """The operator answers a question of an agent at a terminal."""
    with written(home) as session:
        agents.answer_ask(session, number, state, "", approved_by="terminal", now_ms=NOW_MS)


def end_run(home: Path, run_id: str) -> None:
    """A run ends, as another process would write it."""
    with written(home) as session:
        runs.transition(
            session, run_id, RunState.FAILED, "three recoveries", author=Author.SYSTEM, local_time_ms=NOW_MS
        )


@written_once
def lost_reply(home: Path) -> None:
    """A run on a signed wallet whose first order's answer was lost: nobody knows yet whether it executed."""
    with written(home) as session:
        version = _add(session, SPEC)
        wallet = wallets.create_wallet(
            session, "main", venue="hyperliquid", kind="hyperliquid", account=f"0x{33:040x}", now_ms=NOW_MS
        )
        money = wallet_status.WalletMoney(Decimal(2_000), Decimal(0), (), NOW_MS - 12_000)
        wallet_status.set_money(session, wallet.id, money)
        key = wallet_status.WalletKey(
            f"0x{77:040x}", "agent", NOW_MS + 120 * 24 * HOUR_MS, {}, NOW_MS - HOUR_MS
        )
        wallet_status.set_key(session, wallet.id, key)
        settings = LaunchSettings(
            algorithm="RSI reversion", version=1, wallet="main", symbol=SYMBOL, capital=Decimal(1_000)
        )
        begin(session, LIVE, wallet.id, version, settings, NOW_MS - HOUR_MS)
        runs.update_side_facts(session, LIVE, runs.SideFacts(exposure=Exposure.UNKNOWN))
        orders.upsert_order(session, _doubtful_order())


def found_reply(home: Path) -> None:
    """The venue was asked for the order of ``lost_reply``, and had filled it."""
    doubtful = _doubtful_order()
    price = Decimal("96204.25")
    with written(home) as session:
        known = replace(
            doubtful, state=OrderState.FILLED, filled=doubtful.intent.amount, average_price=price,
            updated_at_ms=NOW_MS - 2_000,
            history=(*doubtful.history, orders.OrderMove(NOW_MS - 2_000, OrderState.FILLED, "fill")),
        )  # fmt: skip
        orders.upsert_order(session, known)
        runs.update_side_facts(
            session, LIVE, runs.SideFacts(exposure=Exposure.EXPOSED, protection=Protection.PROTECTED)
        )
        positions.set_position(
            session,
            positions.RunPosition(
                LIVE, SYMBOL, Side.LONG, doubtful.intent.amount, NOW_MS - 2_000, entry_price=price,
                stop=Decimal("91394.03"), target=Decimal("105824.67"), leverage=Decimal(1),
            ),
        )  # fmt: skip
        journal.append_events(
            session, LIVE, [events.Noted(sentence="the order in doubt was filled")],
            author=Author.SYSTEM, venue_time_ms=NOW_MS - 2_000, local_time_ms=NOW_MS - 2_000,
        )  # fmt: skip


def _doubtful_order() -> orders.StoredOrder:
    sent_ms = NOW_MS - 9_000
    intent = OrderIntent(
        client_order_id(LIVE, 1), LIVE, "main", SYMBOL, OrderPurpose.ENTRY, OrderSide.BUY, OrderKind.MARKET,
        Decimal("0.005197"), reduce_only=False,
    )  # fmt: skip
    lost = (
        "Hyperliquid at https://api.hyperliquid.xyz cannot be reached (Server disconnected); check the"
        " network and api_url."
    )
    history = (
        orders.OrderMove(sent_ms, OrderState.PENDING_SUBMIT),
        orders.OrderMove(sent_ms, OrderState.SUBMITTED),
        orders.OrderMove(sent_ms + 400, OrderState.UNKNOWN, lost),
    )
    return orders.StoredOrder(intent, OrderState.UNKNOWN, sent_ms, sent_ms + 400, history=history)


def unprotect(home: Path, run_id: str = LIVE) -> None:
    """A run loses its stop."""
    with written(home) as session:
        runs.update_side_facts(
            session,
            run_id,
            runs.SideFacts(
                health=Health.DEGRADED,
                exposure=Exposure.EXPOSED,
                protection=Protection.UNPROTECTED,
                sentence="the venue refused the stop",
            ),
        )


def refuse_moves(home: Path) -> None:
    """The venue refuses to move the live run's stop and target to where they are wanted."""
    unprotect(home)
    with written(home) as session:
        held = positions.position_of(session, LIVE)
        assert held is not None
        wanted = {"stop_wanted": Decimal("93092.9"), "target_wanted": Decimal("106000")}
        positions.set_position(session, replace(held, **wanted))


def move_stop(home: Path, *levels: str) -> None:
    """The live run's stop moves, and rests at the last of these levels."""
    with written(home) as session:
        for level in levels:
            stops = [each for each in orders.orders_of(session, LIVE) if each.intent.kind is OrderKind.STOP]
            stop = stops[-1]
            orders.upsert_order(session, replace(stop, state=OrderState.CANCELED))
            at_ms = stop.created_at_ms + HOUR_MS
            _order(
                session, OrderSide.SELL, OrderKind.STOP, OrderPurpose.STOP, Decimal(level), at_ms,
                OrderState.ACCEPTED,
            )  # fmt: skip


def end_live_run(home: Path, state: RunState = RunState.DONE) -> None:
    """The live run ends, as another process would write it."""
    with written(home) as session:
        runs.transition(
            session, LIVE, state, "trades limit reached", author=Author.SYSTEM, local_time_ms=NOW_MS
        )
        runs.update_side_facts(session, LIVE, runs.SideFacts(sentence="trades limit reached"))


def move_mark(home: Path, mark: float, pnl: str) -> None:
    """The live run's figures move."""
    with written(home) as session:
        live.upsert_live_status(
            session,
            [
                live.LiveStatus(
                    LIVE, NOW_MS, mark, Decimal(pnl), Decimal("5071.44") + Decimal(pnl), NOW_MS - HOUR_MS
                )
            ],
        )


@written_once
def taken_over(home: Path) -> None:
    """A run that took over the position of its wallet an hour ago, and has decided nothing since."""
    with written(home) as session:
        version = _add(session, SPEC)
        wallet = _wallet(session, "swing", Decimal(5_000))
        settings = LaunchSettings(
            algorithm="RSI reversion", version=1, wallet="swing", symbol=SYMBOL, capital=Decimal(1_000),
            assume_position_now=True,
        )  # fmt: skip
        at_ms = NOW_MS - HOUR_MS
        begin(session, LIVE, wallet, version, settings, at_ms)
        amount, price = Decimal("0.0041"), Decimal("97850.2")
        positions.set_position(
            session, positions.RunPosition(LIVE, SYMBOL, Side.LONG, amount, at_ms, entry_price=price)
        )
        adopted = events.Adopted(side=Side.LONG, amount=amount, entry_price=price, mark=96_911.4)
        journal.append_events(
            session, LIVE, [adopted], author=Author.SYSTEM, venue_time_ms=at_ms, local_time_ms=at_ms
        )


def silence(home: Path, *, bars_ms: int, mark_ms: int) -> None:
    """The streams of the live run have said nothing for so long."""
    with written(home) as session:
        streams = {"bars": NOW_MS - bars_ms, "mark": NOW_MS - mark_ms}
        status = live.LiveStatus(
            LIVE, NOW_MS, 96_911.4, Decimal("18.11"), Decimal("5089.55"), NOW_MS - HOUR_MS, NOW_MS, streams
        )
        live.upsert_live_status(session, [status])


def answer(
    home: Path, number: int, outcome: CommandOutcome, sentence: str, preview: LaunchPreview | None = None
) -> None:
    """The engine elsewhere writes what became of a command; ``preview``: what its checks saw."""
    with written(home) as session:
        result = None if preview is None else preview.model_dump_json()
        if preview is not None or outcome is CommandOutcome.DONE:
            commands.accept_command(session, number, now_ms=NOW_MS)
        commands.finish_command(session, number, outcome, sentence, now_ms=NOW_MS, result_json=result)


@contextmanager
def attached(home: Path, clock: ManualClock) -> Iterator[EngineLock]:
    """Another process's engine, as far as a screen can see one: the lock, its pid, a heartbeat."""
    lock = EngineLock(home)
    with written(home) as session:
        epoch = hosts.claim_host(
            session, pid=ENGINE_PID, host_name="elsewhere", version="0.1.0", now_ms=clock.now_ms()
        )
        hosts.beat(session, epoch, hosts.HostState.RUNNING, now_ms=clock.now_ms())
    with lock:
        (home / LOCK_FILE).write_text(f"{ENGINE_PID}\n")
        yield lock


@contextmanager
def written(home: Path) -> Iterator[Session]:
    store = open_store(home)
    try:
        with store.write() as session:
            yield session
    finally:
        store.close()


def _add(session: Session, spec: AlgorithmSpec) -> int:
    return algorithms.add_version(
        session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=NOW_MS - 90 * HOUR_MS
    ).id


def _wallet(session: Session, name: str, money: Decimal) -> int:
    wallet = wallets.create_wallet(session, name, venue="paper", kind="paper", now_ms=NOW_MS - 80 * HOUR_MS)
    paper.deposit(session, "paper", name, money, now_ms=NOW_MS - 80 * HOUR_MS)
    return wallet.id


def _baseline(session: Session, version_id: int) -> None:
    metrics = (
        '{"total_trades": 61, "win_rate": 0.541, "profit_factor": 1.44, "expectancy": 14.1, "net_pnl": 861.3,'
        ' "total_return": 0.1723, "sharpe": 1.31, "sortino": 1.9, "calmar": 1.12, "max_drawdown": 0.084,'
        ' "average_win": 47.2, "average_loss": -24.9, "average_bars": 18.2, "exposure": 0.21, "fees": 131.4,'
        ' "funding": 12.4, "slippage": 58.0}'
    )
    backtests.add_backtest(
        session,
        version_id=version_id,
        symbol=SYMBOL,
        timeframe=Timeframe.H1,
        costs_json="{}",
        settings_json="{}",
        start_ms=NOW_MS - 365 * 24 * HOUR_MS,
        end_ms=NOW_MS - 24 * HOUR_MS,
        bars=8736,
        metrics_json=metrics,
        trades=[],
        equity=EquityCurve(np.array([NOW_MS]), np.array([5861.3])),
        now_ms=NOW_MS - 20 * HOUR_MS,
    )


def begin(
    session: Session, run_id: str, wallet: int, version: int, settings: LaunchSettings, at_ms: int
) -> None:
    runs.create_run(
        session, run_id, wallet_id=wallet, version_id=version, settings=settings, market=DEFAULT_MARKET,
        author=Author.OPERATOR, now_ms=at_ms, why="asked for",
    )  # fmt: skip
    runs.transition(
        session, run_id, RunState.RUNNING, "all checks passed", author=Author.SYSTEM, local_time_ms=at_ms,
        venue_time_ms=at_ms,
    )  # fmt: skip


def _trade(number: int, reason: ExitReason, pnl: str, entry: str, leave: str) -> Trade:
    start = NOW_MS - (60 - 9 * number) * HOUR_MS
    start -= start % HOUR_MS
    return Trade(
        side=Side.LONG,
        entry_time_ms=start,
        entry_price=Decimal(entry),
        exit_time_ms=start + 6 * HOUR_MS,
        exit_price=Decimal(leave),
        amount=Decimal("0.025611"),
        gross_pnl=Decimal(pnl) + Decimal("2.2"),
        fees=Decimal("2.31"),
        funding=Decimal("-0.11"),
        pnl=Decimal(pnl),
        reason=reason,
        bars_held=6,
        adverse_excursion=Decimal("412.5"),
        favourable_excursion=Decimal("1911.9"),
        expected_entry_price=Decimal(entry) - 10,
        expected_exit_price=Decimal(leave) + 12,
    )


_TRADES = (
    _trade(1, ExitReason.SIGNAL, "61.20", "95120.55", "97501.10"),
    _trade(2, ExitReason.TRAILING_STOP, "-38.94", "97844.01", "96322.70"),
    _trade(3, ExitReason.TAKE_PROFIT, "49.18", "95710.90", "97630.05"),
)


def _curve(hours: int, end_ms: int) -> list[tuple[int, float]]:
    end_ms -= end_ms % HOUR_MS
    return [
        (end_ms - (hours - hour) * HOUR_MS, 5000.0 + 71.44 * hour / hours + 40 * float(np.sin(hour / 6)))
        for hour in range(hours + 1)
    ]


def _bars(session: Session, run_id: str, times_ms: list[int]) -> None:
    """Write bars whose closes pass by the fills of the run."""
    known = [(stored.fill.time_ms, float(stored.fill.price)) for stored in fills.fills_of(session, run_id)]
    closes = np.interp(times_ms, *zip(*sorted(known), strict=True)) + 160 * np.sin(np.arange(len(times_ms)))
    last = None
    for at_ms, close in zip(times_ms, np.round(closes, 1).tolist(), strict=True):
        fresh = bars.RunBar(Bar(at_ms, close - 31.5, close + 62.0, close - 88.5, close, 12.25))
        last = bars.add_bar(session, run_id, fresh, last)


def _done_run(session: Session, wallet: int, version: int) -> None:
    settings = LaunchSettings(
        algorithm="RSI reversion", version=1, wallet="spare", symbol=SYMBOL, capital=Decimal(2_000),
        leverage=Decimal(2), trades_limit=3,
    )  # fmt: skip
    begin(session, DONE, wallet, version, settings, NOW_MS - 75 * HOUR_MS)
    for trade in _TRADES[:2]:
        trades.add_trade(session, DONE, trade)
    equity.add_equity(session, DONE, [(at, value - 3000) for at, value in _curve(30, NOW_MS - 30 * HOUR_MS)])
    live.upsert_live_status(
        session,
        [
            live.LiveStatus(
                DONE, NOW_MS - 30 * HOUR_MS, 96322.7, Decimal(0), Decimal("2022.26"), NOW_MS - 31 * HOUR_MS
            )
        ],
    )
    runs.transition(
        session, DONE, RunState.STOPPING, "asked for", author=Author.OPERATOR,
        local_time_ms=NOW_MS - 30 * HOUR_MS, stop_mode=StopMode.CLOSE,
    )  # fmt: skip
    runs.transition(
        session, DONE, RunState.STOPPED, "flat, as the venue says", author=Author.SYSTEM,
        local_time_ms=NOW_MS - 30 * HOUR_MS + 800,
    )  # fmt: skip
    runs.update_side_facts(
        session, DONE, runs.SideFacts(stop_mode=StopMode.CLOSE, sentence="stopped by the operator")
    )


def _live_run(session: Session, wallet: int, version: int) -> None:
    settings = LaunchSettings(
        algorithm="RSI reversion", version=1, wallet="demo", symbol=SYMBOL, capital=Decimal(5_000),
        leverage=Decimal(2), accepted_warnings="paper money",
    )  # fmt: skip
    start_ms = NOW_MS - 61 * HOUR_MS
    begin(session, LIVE, wallet, version, settings, start_ms)
    for trade in _TRADES:
        trades.add_trade(session, LIVE, trade)
        for side, price, at_ms, purpose in (
            (OrderSide.BUY, trade.entry_price, trade.entry_time_ms, OrderPurpose.ENTRY),
            (OrderSide.SELL, trade.exit_price, trade.exit_time_ms, OrderPurpose.EXIT),
        ):
            _order(session, side, OrderKind.MARKET, purpose, price, at_ms, OrderState.FILLED)
    entered_ms = NOW_MS - NOW_MS % HOUR_MS - 4 * HOUR_MS
    entry = _order(
        session, OrderSide.BUY, OrderKind.MARKET, OrderPurpose.ENTRY, Decimal("96204.25"), entered_ms,
        OrderState.FILLED,
    )  # fmt: skip
    _order(
        session, OrderSide.SELL, OrderKind.STOP, OrderPurpose.STOP, Decimal("92155.58"), entered_ms,
        OrderState.ACCEPTED,
    )  # fmt: skip
    _order(
        session, OrderSide.SELL, OrderKind.LIMIT, OrderPurpose.TARGET, Decimal("105824.67"), entered_ms,
        OrderState.ACCEPTED,
    )  # fmt: skip
    curve = _curve(60, NOW_MS - HOUR_MS)
    equity.add_equity(session, LIVE, curve)
    _bars(session, LIVE, [at_ms for at_ms, _ in curve])
    positions.set_position(
        session,
        positions.RunPosition(
            LIVE, SYMBOL, Side.LONG, Decimal("0.025611"), entered_ms, entry_price=Decimal("96204.25"),
            stop=Decimal("92155.58"), target=Decimal("105824.67"), liquidation_price=Decimal("48711.01"),
            margin=Decimal("1231.94"), leverage=Decimal(2), opened_at_ms=entered_ms,
        ),
    )  # fmt: skip
    runs.update_side_facts(
        session, LIVE, runs.SideFacts(exposure=Exposure.EXPOSED, protection=Protection.PROTECTED)
    )
    live.upsert_live_status(
        session,
        [
            live.LiveStatus(
                LIVE, NOW_MS - 1000, 96911.4, Decimal("18.11"), Decimal("5089.55"), NOW_MS - HOUR_MS,
                NOW_MS, {"bars": NOW_MS - 1000},
            )
        ],
    )  # fmt: skip
    journal.append_events(
        session,
        LIVE,
        [
            events.EntryDecided(
                bar_time_ms=entered_ms - HOUR_MS, side=Side.LONG, amount=Decimal("0.025611"),
                expected_price=96185.01,
                conditions=(
                    ConditionValue(
                        group="entry.long.required", condition="rsi(14) < 30",
                        left=28.614, right=30.0, value=True,
                    ),
                ),
            ),
            events.OrderIntended(
                client_order_id=entry, purpose=OrderPurpose.ENTRY, side=OrderSide.BUY,
                order_kind=OrderKind.MARKET, amount=Decimal("0.025611"),
            ),
            events.FillBooked(
                fill_id="f-7", client_order_id=entry, side=OrderSide.BUY, amount=Decimal("0.025611"),
                price=Decimal("96204.25"), fee=Decimal("1.1087"),
            ),
            events.ProtectionMoved(stop=Decimal("91394.04"), target=Decimal("105824.67"), why="filled"),
            events.ProtectionMoved(stop=Decimal("92155.58"), target=Decimal("105824.67"), why="trailing"),
        ],
        author=Author.SYSTEM,
        venue_time_ms=entered_ms,
        local_time_ms=entered_ms,
    )  # fmt: skip
    rsi = ConditionValue(
        group="exit.long.required", condition="rsi(14) > 70", left=61.38, right=70.0, value=False
    )
    levels = (level(STOP, Side.LONG, 96911.4, 92155.58), level(TARGET, Side.LONG, 96911.4, 105824.67))
    outlooks.save_outlook(
        session, LIVE, Outlook(bar_time_ms=NOW_MS - HOUR_MS, held=Side.LONG, needs=(rsi, *levels))
    )


def _order(
    session: Session,
    side: OrderSide,
    kind: OrderKind,
    purpose: OrderPurpose,
    price: Decimal,
    at_ms: int,
    state: OrderState,
) -> str:
    number = len(orders.orders_of(session, LIVE)) + 1
    order_id = client_order_id(LIVE, number)
    amount = Decimal("0.025611")
    is_filled = state is OrderState.FILLED
    intent = OrderIntent(
        order_id, LIVE, "demo", SYMBOL, purpose, side, kind, amount,
        reduce_only=purpose is not OrderPurpose.ENTRY,
        price=price if kind is OrderKind.LIMIT else None,
        trigger_price=price if kind is OrderKind.STOP else None,
    )  # fmt: skip
    orders.upsert_order(
        session,
        orders.StoredOrder(
            intent, state, at_ms, at_ms, filled=amount if is_filled else Decimal(0),
            average_price=price if is_filled else None, venue_order_id=str(number),
            history=(orders.OrderMove(at_ms, OrderState.PENDING_SUBMIT), orders.OrderMove(at_ms, state)),
        ),
    )  # fmt: skip
    if is_filled:
        fill = Fill(f"f-{number}", order_id, "demo", SYMBOL, side, amount, price, Decimal("1.1087"), at_ms)
        fills.add_fill(session, fills.StoredFill("paper", LIVE, fill, at_ms))
    return order_id


def unset_environment() -> None:
    """Take away what would change the picture."""
    os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
    for name in ("NO_COLOR", "TEXTUAL_THEME", "FIRSTWATCH_THEME", "FIRSTWATCH_CONFIG"):
        os.environ.pop(name, None)
