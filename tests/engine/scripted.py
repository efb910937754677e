"""A core under direct control: a scripted venue answers each effect, the test says what happens."""

from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.records import (
    FactsRow,
    JournalRow,
    NewOrder,
    PositionRow,
    Record,
    TradeRow,
    Transition,
)
from firstwatch.engine.core.run_core import RunCore
from firstwatch.engine.core.run_memory import RunSetup
from firstwatch.strategy.core_state import AMOUNT, FRACTION, CoreSettings
from firstwatch.strategy.evaluation import GroupFlags
from firstwatch.trading.account import Balance, Funding, Position
from firstwatch.trading.bar import Bar
from firstwatch.trading.commands import (
    CancelRun,
    ClosePosition,
    PauseEntries,
    ResumeEntries,
    RunCommand,
    StopRun,
)
from firstwatch.trading.events import RunEvent
from firstwatch.trading.hazards import DEFAULT_POLICY, Policy
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.orders import (
    Fill,
    OrderIntent,
    OrderPurpose,
    OrderReport,
    OrderSide,
    OrderState,
    Side,
    Touch,
)
from firstwatch.trading.runs import Author, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.why import ConditionValue, GroupKind
from firstwatch.venues.protocol import (
    Accepted,
    BarClosed,
    FillReported,
    MarkMoved,
    NeverWill,
    OrderReported,
    Refused,
    Resolution,
    SendOutcome,
)

HOUR_MS = 3_600_000
START_MS = 1_704_067_200_000
SYMBOL = "BTC/USDC:USDC"
RUN_ID = "00000000000000cc"
PRICE_EVERY_MS = 20_000
"""How often prices come while time passes: rarely enough to be no matter, and no silence."""
QUIET = GroupFlags(0, -1, 0, 0, float("nan"), float("nan"), True)
ENTER = QUIET._replace(entry_long=1)
EXIT = QUIET._replace(exit_long=1)
TRAILING = CoreSettings(stop_kind=FRACTION, stop_value=0.05, stop_trails=1, sizing_value=0.5)


class Always:
    """A session calendar without pauses."""

    def may_enter(self, close_ms: int, timeframe: Timeframe) -> bool:
        return True

    def must_flatten(self, close_ms: int, timeframe: Timeframe) -> bool:
        return False


class Flags:
    """Signals that the test sets for the next bars."""

    def __init__(self) -> None:
        self.next: deque[GroupFlags] = deque()

    def push(self, bar: Bar) -> GroupFlags:
        return self.next.popleft() if self.next else QUIET

    def conditions(self, kind: GroupKind, side: Side) -> tuple[ConditionValue, ...]:
        return ()


class ScriptedRun:
    """A real venue's behaviour in miniature: no phases, modify, one position, orders that the test fills."""

    def __init__(
        self,
        *,
        settings: CoreSettings | None = None,
        has_phases: bool = False,
        modifies_orders: bool = True,
        earlier_runs: frozenset[str] = frozenset(),
        timeframe: Timeframe = Timeframe.H1,
        policy: Policy = DEFAULT_POLICY,
        slice_delay_ms: int = 0,
        **launch: object,
    ) -> None:
        self.settings = settings or CoreSettings(
            stop_kind=FRACTION, stop_value=0.05, target_kind=AMOUNT, target_value=20.0, sizing_value=0.5
        )
        values = {
            "algorithm": "a",
            "version": 1,
            "wallet": "w",
            "symbol": SYMBOL,
            "capital": Decimal(10_000),
        }
        self.setup = RunSetup(
            RUN_ID,
            "w",
            SYMBOL,
            timeframe,
            Market(),
            LaunchSettings.model_validate(values | launch),
            has_phases=has_phases,
            modifies_orders=modifies_orders,
            earlier_runs=earlier_runs,
            policy=policy,
            slice_delay_ms=slice_delay_ms,
        )
        self.flags = Flags()
        self.core = RunCore(self.setup, self.settings, self.flags, Always())
        self.now_ms = START_MS
        self.elapsed_ms = 0
        self.is_silent = False
        """No prices come any more."""
        self.price = 100.0
        self.held = Decimal(0)
        self.liquidation_price: Decimal | None = None
        self.leverage_outcome: SendOutcome = Accepted("")
        self.intents: dict[str, OrderIntent] = {}
        self.resting: dict[str, OrderIntent] = {}
        self.ended: dict[str, OrderState] = {}
        self.filled: dict[str, Decimal] = {}
        self.fills: list[Fill] = []
        self.fundings: list[Funding] = []
        self.moved = Decimal(0)
        """What came into the wallet, or left it, beside the fills."""
        self.has_transfers = False
        self.records: list[Record] = []
        self.effects: list[effects.Effect] = []
        self.is_over = False
        self.answers: dict[type, Callable[[effects.Effect], inputs.Event | None]] = {}
        """What the test wants answered instead, by the effect's class; None: as usual."""
        self.silent: Callable[[effects.Effect], bool] = lambda effect: False
        """Tells which effects are not answered: the test answers them by ``handle``, or never."""

    # --- looking ---------------------------------------------------------------------------------

    def journal(self, kind: type[RunEvent]) -> list[RunEvent]:
        rows = [record.event for record in self.records if isinstance(record, JournalRow)]
        return [event for event in rows if isinstance(event, kind)]

    @property
    def trades(self) -> list[Trade]:
        return [record.trade for record in self.records if isinstance(record, TradeRow)]

    @property
    def facts(self) -> FactsRow:
        return [record for record in self.records if isinstance(record, FactsRow)][-1]

    @property
    def position_row(self) -> PositionRow:
        return [record for record in self.records if isinstance(record, PositionRow)][-1]

    @property
    def transitions(self) -> list[RunState]:
        return [record.new for record in self.records if isinstance(record, Transition)]

    def orders(self, purpose: OrderPurpose) -> list[OrderIntent]:
        """Return the resting orders of that purpose."""
        return [intent for intent in self.resting.values() if intent.purpose is purpose]

    def sent(self, purpose: OrderPurpose) -> list[OrderIntent]:
        return [intent for intent in self.intents.values() if intent.purpose is purpose]

    # --- what happens ----------------------------------------------------------------------------

    def handle(self, event: inputs.Event) -> None:
        queue: deque[inputs.Event] = deque([event])
        while queue:
            step = self.core.handle(queue.popleft())
            self.records += step.records
            for record in step.records:
                if isinstance(record, NewOrder):
                    assert record.intent.client_order_id not in self.intents
                    self.intents[record.intent.client_order_id] = record.intent
            for effect in step.effects:
                self.effects.append(effect)
                answer = None if self.silent(effect) else self._answer(effect)
                if answer is not None:
                    queue.append(answer)

    def launch(self) -> None:
        self.handle(
            inputs.Launched(
                self.position(), [], self.balance(), self.touch(), None, self.now_ms, Author.OPERATOR
            )
        )

    def bar(
        self, flags: GroupFlags = QUIET, *, close: float | None = None, high: float = 0.0, late_ms: int = 0
    ) -> None:
        """Close the next bar."""
        opened, self.price = self.price, close or self.price
        timeframe = self.setup.timeframe
        time_ms = timeframe.open_of(self.now_ms)
        self.now_ms = time_ms + timeframe.ms
        self.flags.next.append(flags)
        low, top = min(opened, self.price), max(opened, self.price, high)
        bar = Bar(time_ms, opened, top, low, self.price, 1.0)
        now_ms = self.now_ms + late_ms
        self.handle(BarClosed(SYMBOL, timeframe, bar, top, low, now_ms))

    def fill(self, intent: OrderIntent, amount: Decimal | None = None, *, price: float | None = None) -> Fill:
        """Let an order fill and say so."""
        order_id = intent.client_order_id
        amount = amount if amount is not None else intent.amount - self.filled.get(order_id, Decimal(0))
        self.filled[order_id] = self.filled.get(order_id, Decimal(0)) + amount
        self.held += intent.side.sign * amount
        if self.filled[order_id] >= intent.amount:
            self.resting.pop(order_id, None)
            self.ended[order_id] = OrderState.FILLED
        fill = self._fill(order_id, intent.side, amount, price or self.price)
        self.handle(FillReported(fill, self.touch(), self.now_ms))
        return fill

    def external_fill(
        self,
        side: OrderSide,
        amount: Decimal,
        *,
        liquidates: bool = False,
        beyond_price: Decimal = Decimal(0),
    ) -> None:
        self.held += side.sign * amount
        fill = self._fill(None, side, amount, self.price, liquidates=liquidates, beyond_price=beyond_price)
        self.handle(FillReported(fill, self.touch(), self.now_ms))

    def end(self, intent: OrderIntent, state: OrderState = OrderState.CANCELED) -> None:
        """Let the venue end an order on its own, and say so."""
        self.resting.pop(intent.client_order_id, None)
        self.ended[intent.client_order_id] = state
        self.handle(OrderReported(self.report(intent), self.now_ms))

    def tick(self, seconds: int = 1, *, is_reachable: bool = True) -> None:
        for _ in range(seconds):
            self.elapsed_ms += 1_000
            if self.elapsed_ms % PRICE_EVERY_MS == 0 and not self.is_silent:
                self.handle(MarkMoved(SYMBOL, self.touch(), self.now_ms))
            self.handle(inputs.TimePassed(self.now_ms, self.elapsed_ms, is_reachable))

    def request(self, command: RunCommand, author: Author = Author.OPERATOR) -> None:
        self.handle(inputs.OperatorRequest(command, author, self.now_ms))

    def stop(self, mode: StopMode) -> None:
        self.request(StopRun(run_id=RUN_ID, mode=mode))

    def pause(self) -> None:
        self.request(PauseEntries(run_id=RUN_ID))

    def resume(self) -> None:
        self.request(ResumeEntries(run_id=RUN_ID))

    def cancel(self) -> None:
        self.request(CancelRun(run_id=RUN_ID))

    def close_position(self) -> None:
        self.request(ClosePosition(run_id=RUN_ID))

    def enter(self) -> OrderIntent:
        """Launch, enter and fill the entry; returns the entry."""
        self.launch()
        self.bar()
        self.bar(ENTER)
        entry = self.sent(OrderPurpose.ENTRY)[-1]
        self.fill(entry)
        return entry

    # --- what the venue says ---------------------------------------------------------------------

    def position(self) -> Position:
        side = None if self.held == 0 else Side.LONG if self.held > 0 else Side.SHORT
        return Position(
            "w",
            SYMBOL,
            side,
            abs(self.held),
            Decimal(100) if side else None,
            Decimal(1),
            True,
            self.liquidation_price if side else None,
            abs(self.held) * 100,
            Decimal(0),
            self.now_ms,
        )

    def balance(self) -> Balance:
        """Return what the fills have left of 100,000, the position at the price of now."""
        spent = sum((fill.side.sign * fill.amount * fill.price + fill.fee for fill in self.fills), Decimal(0))
        total = 100_000 - spent + self.held * Decimal(repr(self.price)) + self.moved
        used = abs(self.held) * 100
        return Balance(total, used, total - used, self.now_ms)

    def touch(self) -> Touch:
        return Touch(self.price, self.price, self.price, self.now_ms)

    def report(self, intent: OrderIntent) -> OrderReport:
        order_id = intent.client_order_id
        return OrderReport(
            order_id,
            order_id[-4:],
            "w",
            SYMBOL,
            intent.side,
            intent.kind,
            self.ended.get(order_id, OrderState.ACCEPTED),
            intent.amount,
            self.filled.get(order_id, Decimal(0)),
            intent.reduce_only,
            self.now_ms,
            intent.price,
            intent.trigger_price,
        )

    def resolve(self, order_id: str) -> Resolution:
        return NeverWill("not known")

    def _fill(
        self,
        order_id: str | None,
        side: OrderSide,
        amount: Decimal,
        price: float,
        *,
        liquidates: bool = False,
        beyond_price: Decimal = Decimal(0),
    ) -> Fill:
        value = Decimal(repr(price))
        fill = Fill(
            str(len(self.fills)),
            order_id,
            "w",
            SYMBOL,
            side,
            amount,
            value,
            value * amount * Decimal("0.00045"),
            self.now_ms,
            is_liquidation=liquidates,
            beyond_price=beyond_price,
        )
        self.fills.append(fill)
        return fill

    def _answer(self, effect: effects.Effect) -> inputs.Event | None:
        scripted = self.answers.get(type(effect))
        if scripted is not None:
            answer = scripted(effect)
            if answer is not None:
                return answer
        now_ms = self.now_ms
        match effect:
            case effects.SendOrder(order_id):
                self.resting[order_id] = self.intents[order_id]
                return inputs.SendAnswered(
                    order_id, Accepted(order_id[-4:]), now_ms, self.touch(), self.touch()
                )
            case effects.ModifyOrder(old_id, new_id):
                if self.resting.pop(old_id, None) is None:
                    return inputs.ModifyAnswered(old_id, new_id, Refused("not_found", "gone"), now_ms)
                self.ended[old_id] = OrderState.CANCELED
                self.resting[new_id] = self.intents[new_id]
                return inputs.ModifyAnswered(old_id, new_id, Accepted(new_id[-4:]), now_ms)
            case effects.CancelOrder(order_id):
                if self.resting.pop(order_id, None) is None:
                    return inputs.CancelAnswered(order_id, Refused("not_found", "gone"), now_ms)
                self.ended[order_id] = OrderState.CANCELED
                return inputs.CancelAnswered(order_id, Accepted(""), now_ms)
            case effects.ResolveOrder(order_id):
                return inputs.ResolveAnswered(order_id, self.resolve(order_id), now_ms)
            case effects.SetLeverage():
                return inputs.LeverageSet(self.leverage_outcome, now_ms)
            case effects.ReadOrder(order_id):
                return inputs.OrderRead(order_id, self.report(self.intents[order_id]), now_ms)
            case effects.ReadPosition():
                return inputs.PositionRead(self.position(), now_ms)
            case effects.ReadOpenOrders():
                reports = [self.report(intent) for intent in self.resting.values()]
                return inputs.OpenOrdersRead(reports, now_ms)
            case effects.ReadFills(since_ms):
                fills = [fill for fill in self.fills if fill.time_ms >= since_ms]
                return inputs.FillsRead(fills, self.fundings, now_ms)
            case effects.ReadBalance():
                return inputs.BalanceRead(self.balance(), now_ms)
            case effects.ReadTransfers():
                return inputs.TransfersRead(self.has_transfers, now_ms)
            case effects.ReadBars():
                return inputs.BarsRead([], now_ms)
            case effects.Reconcile():
                return inputs.Reconciled(self.reading(), now_ms)
            case effects.EndRun():
                self.is_over = True
        return None

    def reading(self, bars: list[Bar] | None = None, *, is_new_life: bool = False) -> inputs.VenueReading:
        """Return everything that the venue would say after a time of not listening."""
        asked = self.core.questions(is_new_life=is_new_life)
        return inputs.VenueReading(
            {order_id: self.resolve(order_id) for order_id in asked.in_flight},
            {order_id: self.report(self.intents[order_id]) for order_id in asked.known},
            [self.report(intent) for intent in self.resting.values()],
            [fill for fill in self.fills if fill.time_ms >= self.core.fills_horizon_ms],
            self.fundings,
            bars or [],
            self.position(),
            self.balance(),
            self.touch(),
        )

    def restart(
        self,
        bars: list[Bar] | None = None,
        *,
        text: str | None = None,
        lost_until_ms: int | None = None,
        late_bars: Sequence[int] = (),
        newest_bar_ms: int | None = None,
    ) -> None:
        """Let the process die after its last step was kept, and come back."""
        self.core = RunCore.restore(
            self.setup, self.settings, self.flags, Always(), text or self.core.checkpoint()
        )
        reading = self.reading(bars, is_new_life=True)
        self.handle(
            inputs.RecoveryStarted(reading, "back", self.now_ms, lost_until_ms, late_bars, newest_bar_ms)
        )
