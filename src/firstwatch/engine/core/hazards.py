"""Hazards of a run: found in its events, answered by the policy (rule 28 of ``firstwatch.engine``).

Each is an alarm as long as it lasts. The policy's response follows once, when a hazard begins: a run that was
resumed is not paused again by a hazard that still lasts.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from firstwatch.engine.core import inputs
from firstwatch.engine.core.ledger import Ledger
from firstwatch.engine.core.lifecycle import RunLifecycle
from firstwatch.engine.core.step_context import StepContext
from firstwatch.trading.hazards import Hazard, Response
from firstwatch.trading.market import LeverageTier, Market
from firstwatch.trading.orders import Touch
from firstwatch.trading.runs import RunState, StopMode
from firstwatch.venues.protocol import (
    LONGEST_WAIT_S,
    ConditionRead,
    MarkMoved,
    StreamLost,
    StreamRestored,
    VenueCondition,
)

MOST_CLOCK_OFFSET_MS = 5_000
"""Largest offset from the venue's clock. A venue accepts nonces that are days old, but beyond this the
machine's clock is wrong, and with it every time that is stored."""
LEAST_ACTIONS = 100
"""A run with a trailing stop sends about this many orders and cancels per day."""
LIQUIDATION_NEAR = 0.25
"""Liquidation is near when less than this share of the way from entry to liquidation price is left."""
# Hysteresis: a hazard ends only clearly beyond its limit, so a figure that swings around it counts once.
_LIQUIDATION_FAR = 0.35
_ENOUGH_ACTIONS = 2 * LEAST_ACTIONS
_SHORT_WAIT_S = LONGEST_WAIT_S / 2
SILENT_MS = 30_000
"""How long a stream may be silent, by this machine's clock."""
MARK = "mark"
_BARS = "bars"
_ORDERS = "orders"
_STOP_MODES = {Response.STOP_LEAVE: StopMode.LEAVE, Response.STOP_CLOSE: StopMode.CLOSE}


class Sighting(NamedTuple):
    """A finding about a hazard. ``sentence`` empty: the hazard is not present, or no longer."""

    hazard: Hazard
    sentence: str
    of: str = ""
    """Which instance it is, if there may be several (such as the silent stream)."""

    @property
    def topic(self) -> str:
        """Topic of its alarm."""
        return f"{self.hazard.topic} {self.of}" if self.of else self.hazard.topic


class HazardMonitor:
    """Looks for hazards and lets the policy answer them."""

    def __init__(self, context: StepContext, ledger: Ledger, lifecycle: RunLifecycle) -> None:
        self._context = context
        self._ledger = ledger
        self._lifecycle = lifecycle

    # --- hazards found in events ------------------------------------------------------------------

    def condition_read(self, event: ConditionRead) -> None:
        memory, setup = self._context.memory, self._context.setup
        for seen in condition_sightings(
            event.condition,
            setup.market,
            memory.leverage_tiers,
            is_low=Hazard.BUDGET_LOW.topic in memory.alarms,
        ):
            self._take(seen)
        tiers = event.condition.leverage_tiers
        if not memory.leverage_tiers and tiers and tiers[0].leverage == setup.market.maximum_leverage:
            memory.leverage_tiers = tiers

    def key_read(self, event: inputs.KeyRead) -> None:
        self._take(Sighting(Hazard.KEY_EXPIRING, event.problem))

    def mark_moved(self, event: MarkMoved) -> None:
        if event.is_streamed:
            self._heard(MARK)

    def stream_lost(self, event: StreamLost) -> None:
        self._context.memory.heard_at_ms.setdefault(event.stream, self._context.memory.elapsed_ms)

    def stream_restored(self, event: StreamRestored) -> None:
        self._context.memory.heard_at_ms.pop(event.stream, None)

    def begin(self, touch: Touch | None) -> None:
        """Begin to monitor, in a new run or after a gap; ``touch``: the prices now, if known."""
        memory = self._context.memory
        memory.mark = 0.0 if touch is None else touch.mark
        is_silent = Sighting(Hazard.STREAM_SILENT, "", MARK).topic in memory.alarms
        heard_ms = memory.heard_at_ms.get(MARK, 0) if is_silent else memory.elapsed_ms
        memory.heard_at_ms = {MARK: heard_ms}

    def _heard(self, stream: str) -> None:
        self._context.memory.heard_at_ms[stream] = self._context.memory.elapsed_ms

    # --- what the run itself knows, after every event ----------------------------------------------

    def look(self) -> None:
        """Check the liquidation price and the streams."""
        if self._context.memory.state is not RunState.NEW:
            for seen in (*self._liquidation(), *self._silences()):
                self._take(seen)

    def _liquidation(self) -> Iterator[Sighting]:
        memory, market, level = self._context.memory, self._context.setup.market, self._ledger.liquidation
        core, mark = memory.core, memory.mark
        room = core.phase * (core.entry_price - level)
        if not core.steps or not level or room <= 0:
            yield Sighting(Hazard.LIQUIDATION_NEAR, "")
        elif mark:
            left = max(core.phase * (mark - level) / room, 0.0)
            was_near = Hazard.LIQUIDATION_NEAR.topic in memory.alarms
            sentence = ""
            if left < (_LIQUIDATION_FAR if was_near else LIQUIDATION_NEAR):
                mark_text, level_text, entry = (
                    f"{market.price(price):f}" for price in (mark, level, core.entry_price)
                )
                sentence = (
                    f"at a mark of {mark_text} the liquidation price {level_text} is near:"
                    f" {left * 100:.0f} % of the way from the entry {entry} is left"
                )
            yield Sighting(Hazard.LIQUIDATION_NEAR, sentence)

    def _silences(self) -> Iterator[Sighting]:
        memory = self._context.memory
        bars = f"no bars come: {memory.stale}" if memory.stale else ""
        yield Sighting(Hazard.STREAM_SILENT, bars, _BARS)
        silent_s = {name: (memory.elapsed_ms - at_ms) // 1000 for name, at_ms in memory.heard_at_ms.items()}
        mark_s = silent_s.pop(MARK, 0)
        is_expected = not self._context.setup.has_phases
        mark = f"no prices have come for {mark_s} s" if is_expected and mark_s * 1000 > SILENT_MS else ""
        yield Sighting(Hazard.STREAM_SILENT, mark, MARK)
        lost = next((name for name, lost_s in silent_s.items() if lost_s * 1000 > SILENT_MS), "")
        why = memory.lost_streams.get(lost, "")
        orders = f"orders and fills are not streamed: {why}" if lost else ""
        yield Sighting(Hazard.STREAM_SILENT, orders, _ORDERS)

    # --- what follows --------------------------------------------------------------------------------

    def _take(self, seen: Sighting) -> None:
        memory = self._context.memory
        if not seen.sentence:
            self._context.clear_alarm(seen.topic)
            return
        if seen.topic in memory.alarms:
            return
        self._context.alarm(seen.topic, seen.sentence)
        if memory.state is not RunState.RUNNING:
            # A stop that is under way continues as requested.
            return
        response = self._context.setup.policy[seen.hazard]
        if response is Response.PAUSE:
            self._context.pause(seen.topic, f"{seen.sentence}; entries pause until they are resumed")
        elif response in _STOP_MODES:
            why = f"{seen.sentence}; your policy for {seen.hazard.topic} stops the run"
            self._lifecycle.stop_by_policy(_STOP_MODES[response], why, seen.hazard)


def condition_sightings(
    condition: VenueCondition, market: Market, known: Sequence[LeverageTier], *, is_low: bool
) -> Iterator[Sighting]:
    """Yield the findings in a venue's condition; none for hazards on which it has no figures.

    ``known``: the market's leverage tiers when they were first read; none: only its maximum is known.
    ``is_low``: the budget was already low.
    """
    wait_s, actions = condition.wait_s, condition.actions_left
    if wait_s is not None or actions is not None:
        sentence = ""
        if wait_s is not None and wait_s > (_SHORT_WAIT_S if is_low else LONGEST_WAIT_S):
            sentence = (
                f"more is asked of the venue than it allows: requests wait {wait_s:.0f} s; orders go first"
            )
        if actions is not None and actions < (_ENOUGH_ACTIONS if is_low else LEAST_ACTIONS):
            sentence = (
                f"the venue lets this account send {max(actions, 0)} more orders and cancels; each USDC"
                " traded allows one more"
            )
        yield Sighting(Hazard.BUDGET_LOW, sentence)
    if wait_s is not None and wait_s > LONGEST_WAIT_S:
        # No other field is set then.
        return
    sentence = f"the venue delists {market.symbol}" if condition.is_delisted else ""
    yield Sighting(Hazard.DELISTING, sentence)
    sentence = f"the venue does not work as usual: {condition.maintenance}" if condition.maintenance else ""
    yield Sighting(Hazard.MAINTENANCE, sentence)
    if condition.clock_offset_ms is not None:
        offset_s = condition.clock_offset_ms / 1000
        is_off = abs(condition.clock_offset_ms) > MOST_CLOCK_OFFSET_MS
        sentence = (
            f"this machine's clock is {abs(offset_s):.1f} s {'ahead of' if offset_s > 0 else 'behind'} that"
            " of the venue; set it (NTP): requests are signed by its time"
        )
        yield Sighting(Hazard.CLOCK_SKEW, sentence if is_off else "")
    if condition.leverage_tiers:
        tiers, most = condition.leverage_tiers, market.maximum_leverage
        is_same = tiers == tuple(known) if known else tiers[0].leverage == most
        sentence = (
            f"the venue now allows leverage {_tiers_text(tiers)} in {market.symbol}, before"
            f" {_tiers_text(known) if known else most}: margin and liquidation price may change"
        )
        yield Sighting(Hazard.LEVERAGE_CHANGED, "" if is_same else sentence)


def _tiers_text(tiers: Sequence[LeverageTier]) -> str:
    return ", ".join(
        f"{tier.leverage} from {tier.lower_bound.normalize():,f}" if tier.lower_bound else f"{tier.leverage}"
        for tier in tiers
    )
