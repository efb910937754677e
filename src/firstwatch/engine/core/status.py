"""The facts beside a run's state (rule 7 of ``firstwatch.engine``), written where they changed."""

from firstwatch.engine.core.ledger import Ledger
from firstwatch.engine.core.order_manager import OrderManager
from firstwatch.engine.core.protection import ProtectionManager
from firstwatch.engine.core.records import FactsRow
from firstwatch.engine.core.run_memory import ZERO
from firstwatch.engine.core.step_context import StepContext
from firstwatch.trading.orders import OrderPurpose, OrderState
from firstwatch.trading.runs import Exposure, Health


class StatusReporter:
    """Derives exposure, health and protection, and records them."""

    def __init__(
        self, context: StepContext, orders: OrderManager, ledger: Ledger, protection: ProtectionManager
    ) -> None:
        self._context = context
        self._orders = orders
        self._ledger = ledger
        self._protection = protection

    def exposure(self) -> Exposure:
        """Return the run's exposure; an UNKNOWN order that could change the position makes it unknown."""
        memory = self._context.memory
        exposing = self._orders.of(OrderPurpose.ENTRY) + self._orders.of(OrderPurpose.EXIT)
        if any(order.state is OrderState.UNKNOWN for order in exposing):
            return Exposure.UNKNOWN
        if memory.wants_position and memory.failed_reads:
            return Exposure.UNKNOWN
        is_flat = self._ledger.own + memory.foreign == 0 and not self._orders.unbooked()
        return Exposure.FLAT if is_flat else Exposure.EXPOSED

    def health(self) -> tuple[Health, str]:
        """Return the run's health and why it is not ok."""
        memory = self._context.memory
        if memory.stale:
            return Health.STALE, memory.stale
        for stream, reason in memory.lost_streams.items():
            return Health.DEGRADED, f"stream {stream} is lost: {reason}"
        if memory.failed_reads:
            return Health.DEGRADED, "the venue does not answer"
        return Health.OK, ""

    def ending(self, why: str) -> str:
        """Return a sentence for the operator: why the run ended, and what it leaves at the venue."""
        memory, market = self._context.memory, self._context.setup.market
        left = self._ledger.own + memory.foreign
        if self.exposure() is Exposure.UNKNOWN:
            return f"{why}. What is left at the venue is not known: look at the wallet there."
        unbooked = sum((entry.reported - entry.filled for entry in self._orders.unbooked()), ZERO)
        if unbooked:
            return (
                f"{why}. The venue reports {unbooked:f} {market.base} filled of an entry, but its fills have"
                " not arrived: look at the wallet there."
            )
        if left == 0:
            return f"{why}. The wallet is flat."
        side = "long" if left > 0 else "short"
        sentence = f"{why}. A {side} position of {abs(left):f} {market.base} is left at the venue"
        stop, wanted = self._protection.resting(memory.stop), self._protection.wanted(OrderPurpose.STOP)
        if stop is None or stop.level is None:
            return f"{sentence}, without a stop."
        how = "trailing stop frozen at" if memory.core.stop_has_moved else "its stop rests at"
        covered = "" if stop.rest >= abs(left) else f" for {stop.rest:f} of it"
        missed = "" if wanted in (None, stop.level) else f" where {wanted:f} was wanted"
        doubt = "; whether it still does is not known: look at the wallet there" if stop.wants_read else ""
        return f"{sentence}, {how} {stop.level:f}{covered}{missed}{doubt}."

    def write(self) -> None:
        """Record facts and position if they differ from what was last written."""
        memory, core, legs = self._context.memory, self._context.memory.core, self._protection
        levels = {
            "stop": legs.rests_at(memory.stop),
            "target": legs.rests_at(memory.target),
            "stop_wanted": legs.wanted(OrderPurpose.STOP),
            "target_wanted": legs.wanted(OrderPurpose.TARGET),
        }
        held = f"{core.phase} {core.steps} {core.entry_price} {core.margin} {memory.shown_liquidation}"
        text = f"{held} {[*levels.values()]}"
        if text != memory.written.position:
            memory.written.position = text
            self._context.record(self._ledger.position_row(**levels))
        health, sentence = self.health()
        guard = ("guard",) if memory.core.entries_paused_by_guard else ()
        pauses = (*memory.pause_reasons, *guard)
        exposure, protection = self.exposure(), self._protection.state()
        said = memory.sentence or next(iter(memory.alarms.values()), "")
        text = (
            f"{pauses} {health.value} {sentence} {exposure.value} {protection.value}"
            f" {memory.stop_mode} {memory.exit_reason} {said}"
        )
        if text == memory.written.facts:
            return
        memory.written.facts = text
        self._context.record(
            FactsRow(
                is_paused=bool(pauses),
                pause_reasons=pauses,
                health=health,
                health_sentence=sentence,
                exposure=exposure,
                protection=protection,
                stop_mode=memory.stop_mode,
                exit_reason=memory.exit_reason,
                sentence=said,
            )
        )
