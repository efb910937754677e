"""The end of a run: stops, and readings before a final state (rules 6, 8, 9 of ``firstwatch.engine``)."""

from firstwatch.engine.core.effects import Acknowledge, EndRun, ReadTransfers
from firstwatch.engine.core.entries import EntryManager
from firstwatch.engine.core.exits import ExitManager
from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.protection import ProtectionManager
from firstwatch.engine.core.records import EquityRow, Transition
from firstwatch.engine.core.status import StatusReporter
from firstwatch.engine.core.step_context import StepContext, back_off_ms
from firstwatch.strategy.core import mark_equity
from firstwatch.strategy.core_notes import CHAIN_EXHAUSTED, guard_sentence
from firstwatch.strategy.core_state import STOP_BY_CHAIN, STOP_BY_GUARD, STOP_BY_TRADES_LIMIT, CoreSettings
from firstwatch.trading.events import DropCause, Noted
from firstwatch.trading.hazards import Hazard, hazard_of
from firstwatch.trading.orders import OrderPurpose
from firstwatch.trading.runs import Author, ExitReason, RunState, StopMode, move_run
from firstwatch.trading.timeframe import Timeframe


class RunLifecycle:
    """Moves the run's state."""

    def __init__(
        self,
        context: StepContext,
        settings: CoreSettings,
        *,
        orders: OrderManager,
        entries: EntryManager,
        exits: ExitManager,
        protection: ProtectionManager,
        status: StatusReporter,
    ) -> None:
        self._context = context
        self._settings = settings
        self._orders = orders
        self._entries = entries
        self._exits = exits
        self._protection = protection
        self._status = status

    def follow_core(self) -> None:
        """Stop the run if the core requires it (a guard, or an exhausted chain)."""
        memory = self._context.memory
        if memory.state is not RunState.RUNNING:
            return
        if memory.core.stop_run == STOP_BY_CHAIN:
            self.stop(StopMode.LEAVE, Author.SYSTEM, CHAIN_EXHAUSTED, ExitReason.RUN_END)
        elif memory.core.stop_run == STOP_BY_GUARD:
            mode = self._may_close(self._context.setup.launch.guards.stop_mode)
            why = f"a guard has stopped the run: {guard_sentence(memory.core.guard_stopped, self._settings)}"
            self.stop(mode, Author.SYSTEM, why, ExitReason.GUARD)

    def stop_by_policy(self, mode: StopMode, why: str, hazard: Hazard) -> None:
        """Stop the run as its operator would."""
        self.stop(self._may_close(mode), Author.SYSTEM, why, ExitReason.RUN_END, hazard)

    def _may_close(self, mode: StopMode) -> StopMode:
        """Return the stop mode without an operator: ``LEAVE`` for ``CLOSE`` if closing is reserved."""
        is_reserved = mode is StopMode.CLOSE and not self._context.setup.launch.close_position_on_exit
        return StopMode.LEAVE if is_reserved else mode

    def finish_if_done(self) -> None:
        """End the run once nothing is under way and the venue's books, as of now, were read and agree."""
        memory = self._context.memory
        if not self._is_finishing():
            return
        is_stopping = memory.state is RunState.STOPPING
        is_quiet = memory.entry is None and memory.closing is None and not self._orders.awaited()
        if is_stopping:
            under_way = self._orders.of(OrderPurpose.ENTRY) + self._orders.of(OrderPurpose.EXIT)
            is_under_way = not all(self._orders.is_overdue(order) for order in under_way)
            is_quiet = is_quiet and not is_under_way and self._protection.is_settled()
            is_quiet = is_quiet and (memory.stop_mode is not StopMode.CLOSE or memory.core.steps == 0)
        else:
            is_quiet = is_quiet and memory.core.steps == 0 and not self._orders.open()
        if not is_quiet:
            memory.is_read_out = memory.is_balance_read_out = False
            return
        if self._context.setup.has_phases and not memory.is_read_out:
            # A feed with phases has delivered everything so far.
            memory.is_read_out, memory.payments_read_ms = True, memory.now_ms
        if not memory.is_read_out or (self._may_have_paid() and not memory.wants_fills):
            # A message of the venue may have been lost: fills and payments are read before the end.
            memory.is_read_out = True
            self._context.want_fills()
            memory.is_compared = False
        if memory.wants_fills or self._awaits_balance():
            return
        if memory.wants_position or not memory.is_compared:
            # Something may have changed since the comparison: the run does not end on unknown facts.
            memory.wants_position = True
            return
        if self._may_lack_payment(memory.payments_as_of_ms):
            memory.is_compared = False
            if self._may_lack_payment(memory.account_as_of_ms):
                memory.position_at_ms = memory.elapsed_ms + back_off_ms(0)
            else:
                self._context.want_fills()
            return
        self.end(
            RunState.STOPPED if is_stopping else RunState.DONE,
            memory.stop_why if is_stopping else self._why_done(),
        )

    def _awaits_balance(self) -> bool:
        """Return whether the wallet's last balance, for the comparison with the ledger, is still to be read.

        The position is read after it, so that the run ends on the newest state. The balance changes nothing
        in the run: a run does not wait for one that cannot be read.
        """
        memory = self._context.memory
        if memory.core.steps or memory.failed_reads:
            return False
        if not memory.is_balance_read_out:
            memory.is_balance_read_out = memory.wants_balance = True
            memory.is_compared = False
        return memory.wants_balance or self._context.is_pending(ReadTransfers(0))

    def _may_have_paid(self) -> bool:
        """Return whether a funding payment may have fallen due since payments were read.

        Venues pay at whole hours; the clock of a simulated one may move from bar to bar.
        """
        memory = self._context.memory
        step_ms = min(self._context.setup.timeframe.ms, Timeframe.H1.ms)
        return memory.now_ms // step_ms > memory.payments_read_ms // step_ms

    def _may_lack_payment(self, as_of_ms: int) -> bool:
        """Return whether an answer as of that time may lack the last payment."""
        hour_ms = Timeframe.H1.ms
        return (
            not self._context.setup.has_phases
            and self._context.memory.now_ms // hour_ms > as_of_ms // hour_ms
        )

    def _is_finishing(self) -> bool:
        memory = self._context.memory
        if memory.state is RunState.STOPPING:
            return True
        reached = memory.core.stop_run == STOP_BY_TRADES_LIMIT
        return memory.state is RunState.RUNNING and (memory.feed_ended or reached)

    def _why_done(self) -> str:
        if self._context.memory.core.stop_run == STOP_BY_TRADES_LIMIT:
            return f"the trades limit of {self._settings.trades_limit} is reached"
        return "the feed has no more bars"

    def end(self, new: RunState, why: str, author: Author = Author.SYSTEM) -> None:
        """Go to a final state: the feed is released and the worker ends."""
        memory = self._context.memory
        self.move_to(new, why, author)
        memory.sentence = self._status.ending(why)
        for topic in [each for each in memory.alarms if each == "missing bars" or hazard_of(each)]:
            self._context.clear_alarm(topic)
        if memory.last_bar_ms:
            # Fills since the last close belong to the bar of their time.
            filled_ms = self._context.setup.timeframe.open_of(max(memory.fills_seen.values(), default=0))
            equity = mark_equity(memory.core, memory.core.last_close)
            self._context.record(EquityRow(max(memory.last_bar_ms, filled_ms), equity))
        for token in memory.tokens:
            self._context.effects.append(Acknowledge(token))
        memory.tokens.clear()
        memory.pending.clear()
        self._context.effects.append(EndRun())

    def fail(self, why: str) -> None:
        """Go to ``FAILED`` with an alarm; protection stays where it is."""
        self._context.alarm("failed", f"the run has failed: {why}")
        self.end(RunState.FAILED, why)

    def move_to(self, new: RunState, why: str, author: Author, hazard: Hazard | None = None) -> None:
        """Make one transition.

        Raises:
            IllegalTransitionError: the table of run states does not allow it.
        """
        memory = self._context.memory
        old = memory.state
        memory.state = move_run(old, new)
        self._context.record(Transition(old, new, why, memory.now_ms, author, memory.stop_mode, hazard))

    def stop(
        self, mode: StopMode, author: Author, why: str, reason: ExitReason, hazard: Hazard | None = None
    ) -> None:
        """Go to ``STOPPING``, or change the mode of a stop that is under way."""
        memory = self._context.memory
        memory.stop_mode = mode
        if memory.state is RunState.RUNNING:
            self.move_to(RunState.STOPPING, why, author, hazard)
            memory.stop_why = why
        else:
            self._context.journal(
                Noted(sentence=f"the stop's mode is now {mode.replace('_', ' ')}: {why}"), author
            )
        self._entries.cancel(DropCause.RUN_IS_OVER)
        self._orders.request_unbooked_fills()
        if mode is not StopMode.CLOSE:
            self._exits.revoke()
        elif memory.core.steps:
            self._exits.request(reason)
