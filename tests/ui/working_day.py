"""A working day: many runs of three algorithms on three markets with play, test and real money.

One of them does not do what its backtest promised, one is paused, one has just begun, and a run that failed
has left a position. All figures follow from one price of each market at each time.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from firstwatch.settings import Settings
from firstwatch.store import (
    algorithms,
    bars,
    equity,
    fills,
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
from firstwatch.store.database import Session
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading import events
from firstwatch.trading.bar import Bar
from firstwatch.trading.ids import client_order_id
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import DEFAULT_MARKET
from firstwatch.trading.orders import Fill, OrderIntent, OrderKind, OrderPurpose, OrderSide, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason, Exposure, Health, Protection, RunState, StopMode
from firstwatch.trading.trade import Trade
from firstwatch.trading.watch import WatchReport
from firstwatch.trading.why import STOP, TARGET, ConditionValue, Outlook, level
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.paper.settings import PaperVenueSettings
from tests.ui import scenes, watches
from tests.ui.scenes import HOUR_MS, NOW_MS

MINUTE_MS = 60_000
_FEE = Decimal("0.00045")
_BARS = 160

EMA_SPEC = AlgorithmSpec.from_toml(
    """
name = "EMA cross"
direction = "both"
timeframe = "15m"

[entry.long]
required = ["ema(9) crosses above ema(21)"]

[entry.short]
required = ["ema(9) crosses below ema(21)"]

[exit.long]
required = ["ema(9) < ema(21)"]

[exit.short]
required = ["ema(9) > ema(21)"]

[stop_loss]
fraction = 0.02
trailing = true

[sizing]
equity = 0.5
""",
    where="scene",
)

BAND_SPEC = AlgorithmSpec.from_toml(
    """
name = "Band fade"
direction = "both"
timeframe = "15m"

[entry.long]
required = ["close < bbands(20, 2, 2).lowerband"]

[entry.short]
required = ["close > bbands(20, 2, 2).upperband"]

[exit.long]
required = ["close > bbands(20, 2, 2).middleband"]

[exit.short]
required = ["close < bbands(20, 2, 2).middleband"]

[stop_loss]
fraction = 0.02

[sizing]
fixed = 1500
""",
    where="scene",
)


@dataclass(frozen=True)
class Coin:
    """A market, and what its price does."""

    symbol: str
    price: float
    tick: str
    phase: float

    def at(self, time_ms: int) -> float:
        """Return the price at a time."""
        hours = time_ms / HOUR_MS
        swing = 0.012 * math.sin(hours / 7 + self.phase) + 0.0045 * math.sin(hours / 1.7 + 2 * self.phase)
        return self.price * (1 + swing + 0.0013 * math.sin(hours * 2.9 + self.phase))


BTC = Coin("BTC/USDC:USDC", 96_900.0, "0.1", 0.0)
ETH = Coin("ETH/USDC:USDC", 3_412.0, "0.01", 2.1)
SOL = Coin("SOL/USDC:USDC", 187.4, "0.001", 4.0)


@dataclass(frozen=True)
class Algorithm:
    """One of the algorithms, and what it says of its decisions."""

    spec: AlgorithmSpec
    entry: str
    leave: str
    values: tuple[float, float]
    """Both sides of such a condition, at an entry and at an exit."""


RSI = Algorithm(scenes.SPEC, "rsi(14) < 30", "rsi(14) > 70", (28.64, 71.9))
EMA = Algorithm(EMA_SPEC, "ema(9) crosses above ema(21)", "ema(9) < ema(21)", (1.0008, 0.9994))
BAND = Algorithm(
    BAND_SPEC, "close < bbands(20, 2, 2).lowerband", "close > bbands(20, 2, 2).middleband", (0.9987, 1.0006)
)


@dataclass(frozen=True)
class Story:
    """One run of the day. ``luck``: of ten trades so many win; ``held``: since how many hours which side."""

    run_id: str
    algorithm: Algorithm
    wallet: str
    venue: str
    coin: Coin
    capital: int
    hours: float
    luck: int
    every_hours: float = 7.0
    side: Side | None = None
    held_hours: float = 0.0
    leverage: int = 1

    @property
    def begun_ms(self) -> int:
        return NOW_MS - round(self.hours * HOUR_MS)

    @property
    def bar_ms(self) -> int:
        return self.algorithm.spec.timeframe.ms


FOUND = Story("b4d1f00c93a7e258", RSI, "p4", "paper", BTC, 5_000, 7.2, 1, 1.0, leverage=3)
YOUNG = Story("5e0c77a91b3d2f46", EMA, "p7", "paper", SOL, 2_000, 1.1, 6, 1.0)
DEAR = Story("93aa41e7c05d8b16", BAND, "t2", "testnet", ETH, 3_000, 7.5, 4, 1.0, Side.SHORT, 0.75)
REAL = Story("e81b26d40f7c9a35", EMA, "main", "hyperliquid", ETH, 1_500, 31.0, 6, 3.0, Side.LONG, 2.5)
PAUSED = Story("d06e5a17f2b8934c", BAND, "p2", "paper", ETH, 4_000, 55.0, 5)
STEADY = (
    REAL,
    Story("27f9c3b8a1540e6d", RSI, "reserve", "hyperliquid", BTC, 2_500, 54.0, 6),
    PAUSED,
    Story("48c2e9075db6f13a", RSI, "p1", "paper", BTC, 5_000, 61.0, 7, 9.0, Side.LONG, 4.0, 2),
    Story("f17a3c6e98d20b54", EMA, "t1", "testnet", BTC, 5_000, 80.0, 4, 5.0, Side.SHORT, 6.5),
    Story("0b95d8e24c7f6a13", BAND, "p5", "paper", SOL, 1_000, 96.0, 6),
    Story("a6430fbe81c9d275", EMA, "p6", "paper", SOL, 2_500, 101.0, 5, 6.0, Side.LONG, 1.25),
    Story("6c18e5f3a0b7924d", RSI, "p8", "paper", ETH, 3_000, 120.0, 6, 11.0),
    Story("c39d70a4e6512f8b", BAND, "p3", "paper", BTC, 6_000, 130.0, 5, 8.0, Side.SHORT, 3.0),
)
ACTIVE = (YOUNG, FOUND, DEAR, *STEADY)
LEFT = Story("7766554433221100", RSI, "swing", "paper", BTC, 800, 20.0, 3, 5.0, Side.LONG, 6.0)
_Told = tuple[int, Callable[[], object]]
"""When something was written into a journal, and what writes it."""
ENDED = (
    Story("1f2e3d4c5b6a7980", EMA, "old1", "paper", ETH, 2_000, 150.0, 6),
    Story("8d7c6b5a49382716", BAND, "old2", "paper", SOL, 1_500, 170.0, 3),
)


def settings_of(home: Path) -> Settings:
    """Return settings with a venue for each kind of money."""
    venues = {
        "paper": PaperVenueSettings(kind="paper"),
        "testnet": HyperliquidVenueSettings(kind="hyperliquid", network="testnet"),
        "hyperliquid": HyperliquidVenueSettings(kind="hyperliquid"),
    }
    return scenes.settings_of(home).model_copy(update={"venues": venues})


def working_day(home: Path) -> None:
    """Write the whole day."""
    with scenes.written(home) as session:
        versions = {
            each.spec.name: algorithms.add_version(
                session, each.spec.name, each.spec.canonical_json(), each.spec.sha256(),
                now_ms=NOW_MS - 200 * HOUR_MS,
            ).id
            for each in (RSI, EMA, BAND)
        }  # fmt: skip
        told: list[_Told] = []
        for story in sorted((*ACTIVE, LEFT, *ENDED), key=lambda each: each.begun_ms):
            told += _live(session, story, versions[story.algorithm.spec.name])
        told += _ends(session)
        free = wallets.create_wallet(session, "p9", venue="paper", kind="paper", now_ms=NOW_MS - 80 * HOUR_MS)
        paper.deposit(session, "paper", free.name, Decimal(2_500), now_ms=NOW_MS - 80 * HOUR_MS)
        # The journals of all runs are read in the order in which they were written.
        for _, tell in sorted(told, key=lambda each: each[0]):
            tell()
    watches.save(home, *_reports())


def _reports() -> Iterator[WatchReport]:
    yield watches.young(YOUNG.run_id)
    yield watches.found_out(FOUND.run_id)
    yield watches.worth_a_look(DEAR.run_id)
    for story in STEADY:
        days, hours = divmod(story.hours, 24)
        drift = 0.004 * math.sin(story.hours)
        yield watches.report(
            story.run_id, watches.CONSISTENT, "Nothing to do.", day=int(days) + 1, hours=hours, drift=drift
        )


def _live(session: Session, story: Story, version: int) -> list[_Told]:
    """Write one run with all that it has done; return what its journal has to say of that."""
    coin, capital = story.coin, Decimal(story.capital)
    _wallet(session, story)
    settings = LaunchSettings(
        algorithm=story.algorithm.spec.name, version=1, wallet=story.wallet, symbol=coin.symbol,
        capital=capital, leverage=Decimal(story.leverage), accepted_warnings="a working day",
    )  # fmt: skip
    market = DEFAULT_MARKET.model_copy(update={"symbol": coin.symbol, "tick": Decimal(coin.tick)})
    runs.create_run(
        session, story.run_id, wallet_id=wallets.get_wallet(session, story.wallet).id, version_id=version,
        settings=settings, market=market, author=Author.OPERATOR, now_ms=story.begun_ms, why="asked for",
    )  # fmt: skip
    told = [_moved(session, story, story.begun_ms, RunState.RUNNING, "all checks passed")]
    done = list(_trades(story))
    for number, trade in enumerate(done):
        trades.add_trade(session, story.run_id, trade)
        told += _traded(session, story, number, trade)
    held = _position(story)
    if held is not None:
        told += _entered(session, story, len(done), held)
        positions.set_position(session, held)
    facts = runs.SideFacts()
    if held is not None:
        facts = runs.SideFacts(exposure=Exposure.EXPOSED, protection=Protection.PROTECTED)
    runs.update_side_facts(session, story.run_id, facts)
    _figures(session, story, done, held)
    _outlook(session, story, held)
    return told


def _moved(
    session: Session,
    story: Story,
    at_ms: int,
    state: RunState,
    why: str,
    author: Author = Author.SYSTEM,
    mode: StopMode | None = None,
) -> _Told:
    def move() -> None:
        runs.transition(
            session, story.run_id, state, why, author=author, local_time_ms=at_ms, venue_time_ms=at_ms,
            stop_mode=mode,
        )  # fmt: skip

    return at_ms, move


def _wrote(
    session: Session, story: Story, at_ms: int, *found: events.RunEvent, author: Author = Author.SYSTEM
) -> _Told:
    def write() -> None:
        journal.append_events(
            session, story.run_id, found, author=author, venue_time_ms=at_ms, local_time_ms=at_ms
        )

    return at_ms, write


def _wallet(session: Session, story: Story) -> None:
    kind = "paper" if story.venue == "paper" else "hyperliquid"
    number = sum(story.wallet.encode())
    wallet = wallets.create_wallet(
        session, story.wallet, venue=story.venue, kind=kind, now_ms=NOW_MS - 200 * HOUR_MS,
        account=None if kind == "paper" else f"0x{number * 0x9E3779B97F4A7C15:040x}"[:42],
    )  # fmt: skip
    total = Decimal(2 * story.capital)
    if kind == "paper":
        paper.deposit(session, "paper", wallet.name, total, now_ms=NOW_MS - 200 * HOUR_MS)
        return
    used = Decimal(0) if story.side is None else Decimal(story.capital) / 2
    wallet_status.set_money(session, wallet.id, wallet_status.WalletMoney(total, used, (), NOW_MS - 12_000))
    key = wallet_status.WalletKey(
        f"0x{number * 77:040x}", "agent", NOW_MS + 120 * 24 * HOUR_MS, {}, NOW_MS - HOUR_MS
    )
    wallet_status.set_key(session, wallet.id, key)


def _price(story: Story, time_ms: int, worse_bps: float = 0.0) -> Decimal:
    return Decimal(repr(story.coin.at(time_ms) * (1 + worse_bps / 10_000))).quantize(Decimal(story.coin.tick))


def _amount(story: Story, time_ms: int) -> Decimal:
    notional = story.capital * story.leverage / 2
    return Decimal(repr(notional / story.coin.at(time_ms))).quantize(Decimal("0.0001"))


def _trades(story: Story) -> Iterator[Trade]:
    """Return the closed trades: at even distances, each as long as half of that, the side by its luck."""
    step_ms = round(story.every_hours * HOUR_MS) // story.bar_ms * story.bar_ms
    begin_ms = story.begun_ms - story.begun_ms % story.bar_ms + story.bar_ms
    end_ms = NOW_MS - round(story.held_hours * HOUR_MS)
    held_ms = max(story.bar_ms, step_ms // 2 // story.bar_ms * story.bar_ms)
    for number, entered_ms in enumerate(range(begin_ms, end_ms - held_ms, step_ms)):
        left_ms = entered_ms + held_ms
        rises = story.coin.at(left_ms) > story.coin.at(entered_ms)
        wins = (number * 7 + 3) % 10 < story.luck
        side = Side.LONG if rises is wins or story.algorithm is RSI else Side.SHORT
        wins = wins if story.algorithm is not RSI else rises
        entry, leave = (
            _price(story, at_ms, sign * side.sign * 2.1) for at_ms, sign in ((entered_ms, 1), (left_ms, -1))
        )
        amount = _amount(story, entered_ms)
        gross = (leave - entry) * side.sign * amount
        fees = ((entry + leave) * amount * _FEE).quantize(Decimal("0.0001"))
        is_stopped = story is FOUND and number in (1, 4)
        yield Trade(
            side, entered_ms, entry, left_ms, leave, amount, gross, fees, Decimal(0), gross - fees,
            ExitReason.TRAILING_STOP if is_stopped else ExitReason.SIGNAL, held_ms // story.bar_ms,
            entry * Decimal("0.0043"), entry * Decimal("0.0112"),
            _price(story, entered_ms), _price(story, left_ms),
        )  # fmt: skip


def _position(story: Story) -> positions.RunPosition | None:
    if story.side is None:
        return None
    entered_ms = NOW_MS - round(story.held_hours * HOUR_MS)
    entered_ms -= entered_ms % story.bar_ms
    entry, sign = _price(story, entered_ms, story.side.sign * 2.1), story.side.sign
    amount, tick = _amount(story, entered_ms), Decimal(story.coin.tick)
    away = Decimal(sign) * entry
    return positions.RunPosition(
        story.run_id, story.coin.symbol, story.side, amount, NOW_MS, entry_price=entry,
        stop=(entry - away * Decimal("0.018")).quantize(tick),
        target=(entry + away * Decimal("0.034")).quantize(tick),
        liquidation_price=(entry - away * Decimal("0.9") / story.leverage).quantize(tick),
        margin=(entry * amount / story.leverage).quantize(Decimal("0.01")), leverage=Decimal(story.leverage),
        opened_at_ms=entered_ms,
    )  # fmt: skip


def _conditions(story: Story, side: Side, time_ms: int, *, is_entry: bool) -> tuple[ConditionValue, ...]:
    algorithm = story.algorithm
    text, value = (
        (algorithm.entry, algorithm.values[0]) if is_entry else (algorithm.leave, algorithm.values[1])
    )
    if side is Side.SHORT:
        text = text.translate(str.maketrans("<>", "><")).replace("crosses above", "crosses below")
        text = text.replace("lowerband", "upperband")
    is_rsi = algorithm is RSI
    price = story.coin.at(time_ms)
    # Not the same figure each time.
    left = (
        value - time_ms // HOUR_MS % 7 / 10 * (1 if is_entry else -1)
        if is_rsi
        else price * (1 + (value - 1) * side.sign)
    )
    return (
        ConditionValue(
            group=f"{'entry' if is_entry else 'exit'}.{side}.required", condition=text, left=left,
            right=(30.0 if is_entry else 70.0) if is_rsi else price, value=True, compares_prices=not is_rsi,
        ),
    )  # fmt: skip


def _traded(session: Session, story: Story, number: int, trade: Trade) -> list[_Told]:
    """Write the orders of a trade; return what the journal says of it."""
    opened, closed = _sides(trade.side)
    entry = _order(session, story, 2 * number + 1, opened, OrderPurpose.ENTRY, trade.entry_price, trade)
    leave = _order(session, story, 2 * number + 2, closed, OrderPurpose.EXIT, trade.exit_price, trade)
    stop = (trade.entry_price * (1 - Decimal("0.018") * trade.side.sign)).quantize(Decimal(story.coin.tick))
    exit_bar_ms = trade.exit_time_ms - story.bar_ms
    is_stop = trade.reason is ExitReason.TRAILING_STOP
    decided = events.ExitDecided(
        bar_time_ms=exit_bar_ms, reason=trade.reason, expected_price=float(trade.expected_exit_price or 0),
        conditions=_conditions(story, trade.side, trade.exit_time_ms, is_entry=False),
    )  # fmt: skip
    ending: list[events.RunEvent] = [] if is_stop else [decided]
    ending.append(_fill(leave, closed, trade.amount, trade.exit_price, float(trade.expected_exit_price or 0)))
    ending.append(
        events.TradeClosed(
            side=trade.side, amount=trade.amount, entry_price=trade.entry_price, exit_price=trade.exit_price,
            pnl=trade.pnl, reason=trade.reason, level=trade.exit_price if is_stop else None,
        )
    )  # fmt: skip
    beginning = _begun(story, entry, trade.side, trade.entry_time_ms, trade.amount, trade.entry_price, stop)
    return [
        _wrote(session, story, trade.entry_time_ms, *beginning),
        _wrote(session, story, trade.exit_time_ms, *ending),
    ]


def _begun(
    story: Story, order_id: str, side: Side, at_ms: int, amount: Decimal, price: Decimal, stop: Decimal
) -> list[events.RunEvent]:
    opened, _ = _sides(side)
    expected = float(_price(story, at_ms))
    return [
        events.EntryDecided(
            bar_time_ms=at_ms - story.bar_ms, side=side, amount=amount, expected_price=expected,
            conditions=_conditions(story, side, at_ms, is_entry=True),
        ),
        events.OrderIntended(
            client_order_id=order_id, purpose=OrderPurpose.ENTRY, side=opened, order_kind=OrderKind.MARKET,
            amount=amount,
        ),
        _fill(order_id, opened, amount, price, expected),
        events.ProtectionMoved(stop=stop, target=None, why="filled"),
    ]  # fmt: skip


def _entered(session: Session, story: Story, number: int, held: positions.RunPosition) -> list[_Told]:
    assert held.side is not None
    assert held.entry_price is not None
    assert held.stop is not None
    assert held.opened_at_ms is not None
    opened, closed = _sides(held.side)
    at_ms = held.opened_at_ms
    order_id = _order(
        session, story, 2 * number + 1, opened, OrderPurpose.ENTRY, held.entry_price, at_ms=at_ms,
        amount=held.amount,
    )  # fmt: skip
    for place, (purpose, price) in enumerate(
        ((OrderPurpose.STOP, held.stop), (OrderPurpose.TARGET, held.target)), start=2
    ):
        _order(
            session, story, 2 * number + place, closed, purpose, price, at_ms=at_ms, amount=held.amount,
            is_filled=False,
        )  # fmt: skip
    begun = _begun(story, order_id, held.side, at_ms, held.amount, held.entry_price, held.stop)
    return [_wrote(session, story, at_ms, *begun)]


def _sides(side: Side) -> tuple[OrderSide, OrderSide]:
    both = (OrderSide.BUY, OrderSide.SELL)
    return both if side is Side.LONG else both[::-1]


def _fill(order_id: str, side: OrderSide, amount: Decimal, price: Decimal, mid: float) -> events.FillBooked:
    fee = (amount * price * _FEE).quantize(Decimal("0.0001"))
    return events.FillBooked(
        fill_id=f"f-{order_id[-4:]}", client_order_id=order_id, side=side, amount=amount, price=price,
        fee=fee, mid_at_decision=mid,
    )  # fmt: skip


def _order(
    session: Session,
    story: Story,
    number: int,
    side: OrderSide,
    purpose: OrderPurpose,
    price: Decimal | None,
    trade: Trade | None = None,
    *,
    at_ms: int = 0,
    amount: Decimal = Decimal(0),
    is_filled: bool = True,
) -> str:
    if trade is not None:
        at_ms = trade.entry_time_ms if purpose is OrderPurpose.ENTRY else trade.exit_time_ms
        amount = trade.amount
    order_id = client_order_id(story.run_id, number)
    kinds = {OrderPurpose.STOP: OrderKind.STOP, OrderPurpose.TARGET: OrderKind.LIMIT}
    kind = kinds.get(purpose, OrderKind.MARKET)
    intent = OrderIntent(
        order_id, story.run_id, story.wallet, story.coin.symbol, purpose, side, kind, amount,
        reduce_only=purpose is not OrderPurpose.ENTRY,
        price=price if kind is OrderKind.LIMIT else None,
        trigger_price=price if kind is OrderKind.STOP else None,
    )  # fmt: skip
    state = OrderState.FILLED if is_filled else OrderState.ACCEPTED
    orders.upsert_order(
        session,
        orders.StoredOrder(
            intent, state, at_ms, at_ms, filled=amount if is_filled else Decimal(0),
            average_price=price if is_filled else None, venue_order_id=str(number),
            history=(orders.OrderMove(at_ms, OrderState.PENDING_SUBMIT), orders.OrderMove(at_ms, state)),
        ),
    )  # fmt: skip
    if is_filled and price is not None:
        fee = (amount * price * _FEE).quantize(Decimal("0.0001"))
        fill = Fill(
            f"f-{order_id[-6:]}-{story.wallet}", order_id, story.wallet, story.coin.symbol, side, amount,
            price, fee, at_ms,
        )  # fmt: skip
        mid = float(_price(story, at_ms))
        fills.add_fill(session, fills.StoredFill(story.venue, story.run_id, fill, at_ms, mid_at_decision=mid))
    return order_id


def _figures(session: Session, story: Story, done: list[Trade], held: positions.RunPosition | None) -> None:
    """Write bars, equity at their closes, and the newest figures."""

    def worth(at_ms: int) -> Decimal:
        closed = sum((trade.pnl for trade in done if trade.exit_time_ms <= at_ms), Decimal(0))
        opened = [
            (trade.side, trade.entry_price, trade.amount)
            for trade in done
            if trade.entry_time_ms <= at_ms < trade.exit_time_ms
        ]
        if held is not None and held.opened_at_ms is not None and held.opened_at_ms <= at_ms:
            assert held.side is not None
            assert held.entry_price is not None
            opened.append((held.side, held.entry_price, held.amount))
        price = _price(story, at_ms)
        gained = sum(((price - entry) * side.sign * amount for side, entry, amount in opened), Decimal(0))
        return Decimal(story.capital) + closed + gained

    last_ms = NOW_MS - NOW_MS % story.bar_ms
    first_ms = max(story.begun_ms, last_ms - _BARS * story.bar_ms)
    first_ms += -first_ms % story.bar_ms
    block, curve = None, []
    for open_ms in range(first_ms, last_ms, story.bar_ms):
        end_ms = open_ms + story.bar_ms
        inside = [story.coin.at(open_ms + story.bar_ms * part // 12) for part in range(13)]
        values = [round(value, 2) for value in (inside[0], max(inside), min(inside), inside[-1])]
        block = bars.add_bar(session, story.run_id, bars.RunBar(Bar(open_ms, *values, 12.25)), block)
        curve.append((open_ms, float(worth(end_ms))))
    equity.add_equity(session, story.run_id, curve)
    mark = _price(story, NOW_MS)
    open_pnl = Decimal(0)
    if held is not None and held.side is not None and held.entry_price is not None:
        open_pnl = (mark - held.entry_price) * held.side.sign * held.amount
    streams = {"bars": NOW_MS - 240_000 % story.bar_ms, "mark": NOW_MS - 700}
    live.upsert_live_status(
        session,
        [
            live.LiveStatus(
                story.run_id, NOW_MS - 600, float(mark), open_pnl, worth(NOW_MS), last_ms - story.bar_ms,
                NOW_MS, streams,
            )
        ],
    )  # fmt: skip


def _outlook(session: Session, story: Story, held: positions.RunPosition | None) -> None:
    last_ms, mark = NOW_MS - NOW_MS % story.bar_ms - story.bar_ms, float(_price(story, NOW_MS))
    needs: tuple[ConditionValue, ...]
    if held is not None and held.side is not None and held.stop is not None and held.target is not None:
        exits = _conditions(story, held.side, NOW_MS, is_entry=False)
        now = 58.3 if story.algorithm is RSI else mark * (1 + 0.0021 * held.side.sign)
        needs = (
            *(each.model_copy(update={"left": now, "value": False}) for each in exits),
            level(STOP, held.side, mark, float(held.stop)),
            level(TARGET, held.side, mark, float(held.target)),
        )
    else:
        found = _conditions(story, Side.LONG, NOW_MS, is_entry=True)
        now = 41.2 if story.algorithm is RSI else mark * (0.9993 if story.algorithm is EMA else 1.0042)
        needs = tuple(each.model_copy(update={"left": now, "value": False}) for each in found)
    outlook = Outlook(bar_time_ms=last_ms, held=None if held is None else held.side, needs=needs)
    outlooks.save_outlook(session, story.run_id, outlook)


def _ends(session: Session) -> list[_Told]:
    """One run is paused, one has failed and left its position, others were stopped flat."""
    by_operator, minute = "by the operator", MINUTE_MS
    paused = runs.SideFacts(paused=True, pause_reason=by_operator)
    runs.update_side_facts(session, PAUSED.run_id, paused)
    failed = runs.SideFacts(
        health=Health.DEGRADED, exposure=Exposure.EXPOSED, protection=Protection.PROTECTED,
        sentence="three recoveries in ten minutes",
    )  # fmt: skip
    runs.update_side_facts(session, LEFT.run_id, failed)
    found = [
        _wrote(
            session,
            PAUSED,
            NOW_MS - 6 * minute,
            events.EntriesPaused(why=by_operator),
            author=Author.OPERATOR,
        ),
        _moved(session, LEFT, NOW_MS - 40 * minute, RunState.FAILED, failed.sentence),
    ]
    for number, story in enumerate(ENDED):
        ended_ms, close = NOW_MS - (5 + 17 * number) * HOUR_MS, StopMode.CLOSE
        stopped = runs.SideFacts(stop_mode=close, sentence="stopped by the operator")
        runs.update_side_facts(session, story.run_id, stopped)
        found += [
            _moved(session, story, ended_ms, RunState.STOPPING, "asked for", Author.OPERATOR, close),
            _moved(session, story, ended_ms + 800, RunState.STOPPED, "flat, as the venue says"),
        ]
    return found
