"""The venue's fills are the backtest's: the decision core fed by the venue against the simulation.

The run here is the least that can trade: no store, no doubt, no thread. What is compared is the venue.
"""

from collections import Counter, deque
from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.market.feeds import ReplayFeed
from firstwatch.market.funding import NO_FUNDING
from firstwatch.strategy import core
from firstwatch.strategy import core_state as codes
from firstwatch.strategy.core_settings import build_settings
from firstwatch.strategy.evaluation import evaluate_arrays
from firstwatch.trading.clock import ManualClock
from firstwatch.trading.ids import client_order_id
from firstwatch.trading.launch import Guards, SessionSettings
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderIntent, OrderKind, OrderPurpose, OrderSide
from firstwatch.trading.runs import ExitReason
from firstwatch.venues.paper.exchange import PaperCosts
from firstwatch.venues.paper.venue import PaperSettings, PaperVenue, Step
from firstwatch.venues.protocol import (
    Accepted,
    BarClosed,
    FeedEnded,
    FillReported,
    FundingReported,
    PhaseEnded,
)
from tests.backtest.specifications import (
    COSTS,
    MARKETS,
    launches,
    random_candles,
    random_funding,
    specifications,
)

DAY_MS = 86_400_000
TRADED = ("signal", "stop_loss", "trailing_stop", "take_profit", "liquidation", "end_of_data")
ENTRY, EXIT, STOP, TARGET = OrderPurpose.ENTRY, OrderPurpose.EXIT, OrderPurpose.STOP, OrderPurpose.TARGET


class LeastRun:
    """Follows the decision core at a venue: entry, exit, stop and target, each a real order."""

    def __init__(self, venue: PaperVenue, core_settings, signals, timeframe, first: int, market: Market):
        self.venue, self.core, self.signals, self.market = venue, core_settings, signals, market
        self.state = core.new_state(core_settings)
        self.index = first
        self.events = deque()
        self.orders = {}
        self.key = {}
        self.number = 0
        self.exit_reason = 0
        self.trades = []
        self.entry_ms = 0
        venue.set_leverage("a", market.symbol, Decimal(str(core_settings.leverage)))
        self.ear = venue.subscribe("a", market.symbol, timeframe, self.events.append)

    def run(self) -> None:
        while self.venue.step() in (Step.MOVED, Step.WAITING):
            while self.events:
                self.handle(self.events.popleft())
        assert self.venue.position("a", self.market.symbol).is_flat

    def handle(self, event) -> None:
        match event:
            case FillReported(fill):
                self.book(fill)
            case FundingReported(funding):
                core.book_funding(self.state, self.core, float(funding.paid), 1)
            case BarClosed():
                self.decide(event.bar)
            case FeedEnded():
                self.cancel(ENTRY)
                if self.state.steps:
                    self.leave(codes.END_OF_DATA)
            case PhaseEnded(token):
                self.protect()
                self.ear.acknowledge(token)

    def book(self, fill) -> None:
        state, steps = self.state, self.market.steps(fill.amount)
        price, fee = float(fill.price), float(fill.fee)
        purpose = self.orders.get(fill.client_order_id)
        if purpose is ENTRY:
            if state.steps == 0:
                self.entry_ms = fill.time_ms
            side = fill.side.sign
            at_open = 0 if fill.is_maker else 1
            core.book_entry(state, self.core, side, steps, price, fee, at_open)
            core.entry_ended(state)
            return
        reason = {
            None: codes.LIQUIDATION,
            EXIT: self.exit_reason,
            STOP: core.stop_reason(state),
            TARGET: codes.TAKE_PROFIT,
        }[purpose]
        assert (purpose is None) == fill.is_liquidation
        by_price = Decimal(repr(core.price_gross(state, self.core, steps, price)))
        if core.book_exit(state, self.core, steps, price, fee, reason, float(by_price + fill.beyond_price)):
            self.trades.append((state.closed_side, self.entry_ms, fill.time_ms, state.closed_steps,
                                state.closed_entry_price, state.closed_exit_price, state.closed_pnl,
                                state.closed_reason))  # fmt: skip

    def decide(self, bar) -> None:
        state, signals, i = self.state, self.signals, self.index
        self.index += 1
        flags = signals.at(i)
        core.close_bar(
            state, self.core, *bar[:5],
            flags.entry_long, flags.entry_short, flags.exit_long, flags.exit_short,
            flags.atr_stop, flags.atr_target, 1, 0, bar.time_ms // DAY_MS,
        )  # fmt: skip
        if state.stop_moved:
            self.protect(moved=True)
        if state.decision == codes.EXIT:
            self.cancel(ENTRY)
            self.leave(state.decision_reason)
        elif state.decision == codes.CANCEL_ENTRY:
            self.cancel(ENTRY)
            core.entry_ended(state)
        elif state.decision in (codes.ENTER, codes.REST_AT_MARKET):
            self.cancel(ENTRY)
            self.send(ENTRY, state.decision_side, state.decision_steps, price=state.decision_limit)

    def leave(self, reason: int) -> None:
        self.exit_reason = reason
        self.send(EXIT, -self.state.phase, self.state.steps)

    def protect(self, *, moved: bool = False) -> None:
        state = self.state
        if state.steps == 0:
            return
        open_keys = {order.client_order_id for order in self.venue.open_orders("a", self.market.symbol)}
        if state.stop and (moved or self.key.get(STOP) not in open_keys):
            old = self.key.get(STOP) if moved else None
            self.send(STOP, -state.phase, state.steps, trigger=state.stop, instead_of=old)
            if self.venue.position("a", self.market.symbol).is_flat:
                return  # the entry's own slippage had passed the stop: it has filled at once
        if state.target and self.key.get(TARGET) not in open_keys:
            self.send(TARGET, -state.phase, state.steps, price=state.target)

    def cancel(self, purpose: OrderPurpose) -> None:
        if purpose in self.key:
            self.venue.cancel("a", self.market.symbol, self.key[purpose])

    def send(self, purpose, sign, steps, *, price=0.0, trigger=0.0, instead_of=None) -> None:
        self.number += 1
        intent = OrderIntent(
            client_order_id=client_order_id("a" * 16, self.number),
            run_id="a" * 16,
            account="a",
            symbol=self.market.symbol,
            purpose=purpose,
            side=OrderSide.BUY if sign > 0 else OrderSide.SELL,
            kind=OrderKind.STOP if trigger else OrderKind.LIMIT if price else OrderKind.MARKET,
            amount=self.market.amount(steps),
            reduce_only=purpose is not ENTRY,
            price=self.market.price(price) if price else None,
            trigger_price=self.market.price(trigger) if trigger else None,
        )
        self.orders[intent.client_order_id] = purpose
        self.key[purpose] = intent.client_order_id
        prepared = self.venue.prepare(intent)
        outcome = self.venue.modify(instead_of, prepared) if instead_of else self.venue.send(prepared)
        assert isinstance(outcome, Accepted), (intent, outcome)


def live_trades(spec, candles, market, costs, chosen, funding, first):
    venue = PaperVenue(
        "paper",
        ReplayFeed(candles, funding, start_ms=int(candles.time_ms[first])),
        market.model_copy(
            update={"taker_fee_bps": costs.taker_fee_bps, "maker_fee_bps": costs.maker_fee_bps}
        ),
        PaperSettings(PaperCosts(costs.slippage_bps, costs.spread_bps)),
        clock=ManualClock(),
        drive="manual",
    )
    # More than the run's capital: the venue checks margin for the wallet, not for the run.
    venue.deposit("a", chosen.capital * 10)
    settings_of_core = build_settings(
        spec,
        market=market,
        costs=costs,
        capital=chosen.capital,
        leverage=chosen.leverage,
        trades_limit=chosen.trades_limit,
        reset=chosen.reset,
        guards=chosen.guards,
        close_position_on_exit=True,
    )
    run = LeastRun(venue, settings_of_core, evaluate_arrays(spec, candles), spec.timeframe, first, market)
    run.run()
    return run.trades


def test_the_venue_makes_the_trades_of_the_backtest():
    counted: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), seed=st.integers(0, 10_000))
    def play(data, seed):
        spec = data.draw(specifications(["market", "limit"]))
        drawn = data.draw(launches(spec.direction))
        chosen: BacktestSettings = replace(
            drawn,
            assume_position_now=False,
            session=SessionSettings(),
            guards=Guards(),
            close_position_on_exit=True,
        )
        market, costs = data.draw(st.sampled_from(MARKETS)), data.draw(st.sampled_from(COSTS[:4]))
        candles = random_candles(seed, 120, data.draw(st.sampled_from([0.004, 0.01, 0.03])), spec.timeframe)
        funding = random_funding(seed, candles) if data.draw(st.booleans()) else None
        result = simulate(spec, candles, market=market, costs=costs, settings=chosen, funding=funding)
        first = candles.index_at(int(result.time_ms[0]))
        made = live_trades(spec, candles, market, costs, chosen, funding or NO_FUNDING, first)
        expected = [
            (record.side, record.entry_time_ms, record.exit_time_ms, record.steps)
            for record in result.records
        ]
        assert [trade[:4] for trade in made] == expected
        for trade, record in zip(made, result.records, strict=True):
            assert trade[4:7] == (record.entry_price, record.exit_price, record.pnl)
            assert trade[7] - 1 == list(ExitReason).index(record.reason)
            counted[record.reason] += 1
        counted["examples"] += 1
        counted["trading"] += bool(made)
        counted["limit"] += bool(made) and spec.order.kind == "limit"
        counted["funded"] += bool(made) and funding is not None

    play()
    assert counted["trading"] >= 0.6 * counted["examples"]
    for seen in ("limit", "funded", *TRADED):
        assert counted[seen], (seen, counted)
