"""What must hold in every history, looked at from the venue's own books."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from firstwatch.engine.core.records import (
    EquityRow,
    FactsRow,
    FillRow,
    FundingRow,
    NewOrder,
    PositionRow,
    Record,
    Transition,
)
from firstwatch.engine.core.records import JournalRow as Row
from firstwatch.engine.core.run_memory import RunMemory
from firstwatch.trading.events import AlarmRaised, EntryDecided, HoleFound, LateBar, OrderMoved
from firstwatch.trading.ids import run_of
from firstwatch.trading.orders import ORDER_TRANSITIONS, OrderKind, OrderPurpose
from firstwatch.trading.runs import RUN_TRANSITIONS, Exposure, RunState, StopMode
from tests.chaos.drawing import FIRST
from tests.simulation.driver import ACCOUNT, RUN_ID

if TYPE_CHECKING:
    from tests.chaos.history import History

UNPROTECTED_S = 5
SHOWN_LATE_S = 3
"""How long what is shown of the stop may differ from what rests at a venue that answers."""
_ZERO = Decimal(0)


class Auditor:
    """Follows one history and raises ``AssertionError`` as soon as something does not hold."""

    def __init__(self, history: "History") -> None:
        self._history = history
        self._state = RunState.NEW
        self._moved_ms = 0
        """Venue time of the last transition."""
        self._decided: list[Decimal] = []
        """Amount of each decided entry."""
        self._purposes: dict[str, OrderPurpose] = {}
        self._decision_of: dict[str, int] = {}
        """Which decision each entry order carries out."""
        self._entered: Counter[int] = Counter()
        self._hand_amount = _ZERO
        self._facts: FactsRow | None = None
        self._shown: PositionRow | None = None
        self._shown_late_s = 0
        self.longest_shown_late_s = 0
        self._fill_ids: set[str] = set()
        self._funding_ids: set[str] = set()
        self._held = _ZERO
        """Unsigned position of the venue a second ago."""
        self._failures = 0
        self._moves_refused = 0
        self._unprotected_s = 0
        self._looked_at = 0
        self._counted: list[int] = []
        """Open times of the bars at whose closes the run wrote its equity."""
        self.passed_over: set[int] = set()
        """Open times of bars that the venue did not have when their successors were decided."""
        self._late: Counter[int] = Counter()
        self.alarms: Counter[str] = Counter()
        self.longest_unprotected_s = 0
        """Seconds on end in which the venue took and answered all that it was asked."""
        self.longest_bared_s = 0
        """The same while someone acts in the wallet by hand."""
        self.longest_unheard_s = 0
        self._unheard_s = 0

    @property
    def has_ended(self) -> bool:
        """The run has kept that it is over."""
        return self._state.is_final

    # --- what the run keeps ----------------------------------------------------------------------

    def kept(self, records: Iterable[Record]) -> None:
        """Take in what one step recorded."""
        for record in records:
            match record:
                case Transition(old, new, time_ms=time_ms):
                    assert old is self._state, f"from {old}, but it was {self._state}"
                    assert new in RUN_TRANSITIONS[old], f"{old} to {new}"
                    self._state, self._moved_ms = new, time_ms
                case FillRow(fill):
                    assert fill.fill_id not in self._fill_ids, f"fill {fill.fill_id} was booked twice"
                    self._fill_ids.add(fill.fill_id)
                case FundingRow(funding):
                    self._funding_ids.add(funding.funding_id)
                case NewOrder(intent):
                    assert run_of(intent.client_order_id) == RUN_ID
                    self._purposes[intent.client_order_id] = intent.purpose
                    if intent.purpose is OrderPurpose.ENTRY:
                        self._decision_of[intent.client_order_id] = len(self._decided) - 1
                    else:
                        assert intent.reduce_only, f"{intent} could open a position"
                case FactsRow():
                    self._facts = record
                case PositionRow():
                    self._shown = record
                case Row(EntryDecided(amount=amount)):
                    self._decided.append(amount)
                case Row(OrderMoved(old=old, new=new)):
                    assert new in ORDER_TRANSITIONS[old], f"an order went from {old} to {new}"
                case EquityRow(time_ms):
                    assert not self._counted or time_ms >= self._counted[-1]
                    assert time_ms not in self.passed_over, "a bar was decided after its successor"
                    self._counted.append(time_ms)
                case Row(HoleFound(first_ms=first_ms, last_ms=last_ms, is_confirmed=True)):
                    step_ms = self._history.scenario.spec.timeframe.ms
                    self.passed_over |= set(range(first_ms, last_ms + 1, step_ms))
                case Row(LateBar(bar_time_ms=time_ms)):
                    self._late[time_ms] += 1
                    assert self._late[time_ms] == 1, "a late bar was named twice"
                    assert time_ms in self.passed_over, "a bar that was decided is called late"
                case Row(AlarmRaised(topic=topic)):
                    self.alarms[topic.split(" ")[0]] += 1
                case _:
                    pass

    def hand_may_hold(self, amount: Decimal) -> None:
        """Note that someone else brings that much into the account."""
        self._hand_amount += amount

    # --- every second ----------------------------------------------------------------------------

    def second_passed(self) -> None:
        """Look at the venue after a second in which the run could act."""
        self._look_at_fills()
        history = self._history
        venue = history.venue
        position = history.paper.position(ACCOUNT, history.scenario.market.symbol)
        held = _ZERO if position.side is None else position.side.sign * position.amount
        # Where an order may fill only so much of a bar's volume, a position is closed bit by bit.
        is_shrinking, self._held = abs(held) < self._held, abs(held)
        is_reachable = venue.failures == self._failures and not (venue.outage or venue.is_silent)
        self._failures = history.venue.failures
        self._look_at_levels(is_reachable)
        # A stop that covers too little is made larger by a move.
        may_move, self._moves_refused = venue.moves_refused == self._moves_refused, venue.moves_refused
        if not (is_reachable and may_move) or is_shrinking:
            self._unprotected_s = 0
            return
        memory = history.core._memory
        # What the run knows of: what is booked, without what its legs have closed as reported.
        known = max(history.scenario.market.amount(memory.core.steps) - _closed_unbooked(memory), _ZERO)
        # Beside an exit that is not told, a slice that is not told either looks like what is booked.
        known = min(known, max(abs(held) - self._entered_untold(), _ZERO))
        if history.has_hand or abs(held) <= known:
            self._unheard_s = 0
        else:
            self._unheard_s += 1
            self.longest_unheard_s = max(self.longest_unheard_s, self._unheard_s)
        gives_up = memory.stop_mode is StopMode.LEAVE_UNPROTECTED
        wants_stop = memory.core.steps and memory.core.stop and held * memory.core.phase > 0 and not gives_up
        is_safe = self._is_covered(held, min(abs(held), known)) or self._is_being_closed()
        if not wants_stop or is_safe or self._is_frozen_beyond_its_stop():
            self._unprotected_s = 0
            return
        self._unprotected_s += 1
        if history.has_hand:
            self.longest_bared_s = max(self.longest_bared_s, self._unprotected_s)
        else:
            self.longest_unprotected_s = max(self.longest_unprotected_s, self._unprotected_s)
        # What a hand has done is known once a node that is behind shows it.
        longest_s = UNPROTECTED_S + (history.scenario.shares.lag_s if history.has_hand else 0)
        assert self._unprotected_s <= longest_s, f"{held} stood without its stop for {self._unprotected_s} s"

    def _entered_untold(self) -> Decimal:
        """Return what the run's entries have filled at the venue and the run has not booked."""
        symbol = self._history.scenario.market.symbol
        untold = (
            fill.amount
            for fill in self._history.paper.fills_since(ACCOUNT, symbol, 0)
            if fill.fill_id not in self._fill_ids and fill.client_order_id in self._decision_of
        )
        return sum(untold, _ZERO)

    def _look_at_levels(self, is_reachable: bool) -> None:
        """Give the run a while to show where its stop and its target rest at a venue that answers."""
        wrong = self._shown_wrongly()
        if not wrong or not is_reachable:
            self._shown_late_s = 0
            return
        self._shown_late_s += 1
        self.longest_shown_late_s = max(self.longest_shown_late_s, self._shown_late_s)
        # What a node that is behind does not show yet is not shown.
        longest_s = SHOWN_LATE_S + self._history.scenario.shares.lag_s
        assert self._shown_late_s <= longest_s, f"{wrong} after {self._shown_late_s} s"

    def _shown_wrongly(self) -> str:
        """Return what is shown of the stop and the target that is not so at the venue; empty: nothing."""
        for name in ("stop", "target"):
            shown = getattr(self._shown, name, None)
            resting = self._resting(OrderPurpose(name))
            if shown not in (resting or {None}):
                return f"the {name} is shown at {shown}, at the venue rest {resting}"
        return ""

    def _resting(self, purpose: OrderPurpose) -> set[Decimal | None]:
        """Return the levels of the run's legs that rest at the venue."""
        history = self._history
        orders = history.paper.open_orders(ACCOUNT, history.scenario.market.symbol)
        known = ((order, self._purposes.get(order.client_order_id or "")) for order in orders)
        is_stop = purpose is OrderPurpose.STOP
        return {order.trigger_price if is_stop else order.price for order, of in known if of is purpose}

    def _is_covered(self, held: Decimal, amount: Decimal) -> bool:
        """Tell whether stops rest that close ``amount`` of what is held, signed, + long."""
        history = self._history
        resting = sum(
            (
                report.amount - report.filled
                for report in history.paper.open_orders(ACCOUNT, history.scenario.market.symbol)
                if report.trigger_price is not None and report.reduce_only and report.side.sign * held < 0
            ),
            _ZERO,
        )
        return resting >= amount or (history.has_hand and resting > 0)

    def _is_being_closed(self) -> bool:
        """An order that closes the position is at the venue, which executes it at the next bar's open."""
        history = self._history
        return any(
            report.reduce_only and report.kind is OrderKind.MARKET
            for report in history.paper.open_orders(ACCOUNT, history.scenario.market.symbol)
        )

    def _is_frozen_beyond_its_stop(self) -> bool:
        """The feed is over with the last price beyond the stop: none can rest there, and no price moves."""
        history, core = self._history, self._history.core._memory.core
        return history._feed_is_over and core.phase * (history.core._memory.price - core.stop) <= 0

    def _look_at_fills(self) -> None:
        """Hold every fill of the venue against what was decided."""
        history = self._history
        fills = history.paper.fills_since(ACCOUNT, history.scenario.market.symbol, 0)
        for fill in fills[self._looked_at :]:
            decision = self._decision_of.get(fill.client_order_id or "")
            if decision is None:
                continue
            self._entered[decision] += fill.amount
            assert self._entered[decision] <= self._decided[decision], (
                f"decided were {self._decided[decision]}, entered {self._entered[decision]}"
            )
        self._looked_at = len(fills)
        position = history.paper.position(ACCOUNT, history.scenario.market.symbol)
        most = max(self._decided, default=_ZERO) + self._hand_amount
        assert position.amount <= most, f"the position is {position.amount}, decided were {most} at most"

    # --- the end ---------------------------------------------------------------------------------

    def run_ended(self) -> None:
        """Look at everything in the moment in which the run says that it is over."""
        self._look_at_fills()
        history = self._history
        state, symbol = history.state, history.scenario.market.symbol
        assert state is self._state
        assert state.is_final, state
        facts = self._facts
        bars = history.scenario.candles.part(FIRST, len(history.scenario.candles)).bars()
        reached = [bar.time_ms for bar in bars if bar.time_ms <= history.core.last_bar_ms]
        skipped = [ms for ms in reached if ms not in self.passed_over and ms not in self._counted]
        assert not skipped, f"the bars {skipped} were neither decided nor named as missing"
        own = [
            fill.fill_id
            for fill in history.paper.fills_since(ACCOUNT, symbol, 0)
            if fill.client_order_id is not None and run_of(fill.client_order_id) == RUN_ID
        ]
        everything = {fill.fill_id for fill in history.paper.fills_since(ACCOUNT, symbol, 0)}
        assert self._fill_ids <= everything, "a fill was booked that the venue does not know"
        self._most_sent()
        if state is RunState.FAILED:
            return
        missing = [fill_id for fill_id in own if fill_id not in self._fill_ids]
        assert not missing, f"fills {missing} are not booked"
        if not history.has_hand:
            assert self._fill_ids == everything, "fills of the venue are not booked"
            self._compare_money()
        position = history.paper.position(ACCOUNT, symbol)
        assert facts is not None
        if facts.exposure is Exposure.UNKNOWN:
            # A stop goes on past an order that stays in doubt, which may yet execute: that is said.
            assert history.core._orders.in_flight(), facts.sentence
            assert not history.core._orders.awaited(), facts.sentence
            assert "look at the wallet there" in facts.sentence
        # What someone does by hand is not known before a node that is behind shows it.
        elif not (history.has_hand and history.scenario.shares.lag_s):
            assert (facts.exposure is Exposure.FLAT) == position.is_flat, f"{facts.exposure}, {position}"
        open_orders = [
            report
            for report in history.paper.open_orders(ACCOUNT, symbol)
            if report.client_order_id is not None and run_of(report.client_order_id) == RUN_ID
        ]
        assert not (wrong := self._shown_wrongly()), wrong
        leaves = state is RunState.STOPPED and history.core._memory.stop_mode is StopMode.LEAVE
        assert all(report.reduce_only for report in open_orders), f"an entry order is left: {open_orders}"
        assert leaves or not open_orders, f"orders are left: {open_orders}"
        if not history.has_hand and not position.is_flat:
            assert state is RunState.STOPPED
            assert history.core._memory.stop_mode is not StopMode.CLOSE

    def _compare_money(self) -> None:
        history = self._history
        core = history.core._memory.core
        account = history.paper._exchange.account(ACCOUNT)
        capital = float(history.scenario.settings.capital)
        close_enough = 1e-6 * max(capital, abs(core.cash))
        # What is paid from the moment of the end on is paid on what the run leaves.
        later = sum(
            float(funding.paid)
            for funding in history.paper.funding_since(
                ACCOUNT, history.scenario.market.symbol, self._moved_ms
            )
            if funding.funding_id not in self._funding_ids
        )
        cash = capital + float(account.cash) + later
        assert abs(cash - core.cash) <= close_enough, f"the venue says {cash}, the ledger {core.cash}"
        if core.steps:
            position = history.paper.position(ACCOUNT, history.scenario.market.symbol)
            assert position.entry_price is not None
            assert abs(float(position.entry_price) - core.entry_price) <= 1e-9 * core.entry_price
            assert history.scenario.market.amount(core.steps) == position.amount

    def _most_sent(self) -> None:
        sent = self._history.venue.sent
        assert not sent or max(sent.values()) == 1, f"sent more than once: {sent.most_common(3)}"
        unknown = [key for key in sent if key not in self._history.kept.prepared]
        assert not unknown, f"sent without being stored: {unknown}"

    def finally_(self) -> None:
        """Look once more when everything that was on its way has arrived after the end."""
        self._most_sent()
        state = self._history.state
        assert state.is_final
        assert state is self._state


def _closed_unbooked(memory: RunMemory) -> Decimal:
    """Return what orders that are over have closed, as reported, beyond their booked fills."""
    over = [order for order in memory.orders.values() if order.intent.reduce_only and order.state.is_final]
    return sum((max(order.reported - order.filled, _ZERO) for order in over), _ZERO)
