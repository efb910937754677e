"""Random orders of events, answers lost, late and repeated: what must hold after each of them."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firstwatch.engine.core import effects, inputs
from firstwatch.engine.core.run_core import RunCore
from firstwatch.strategy.core_state import AMOUNT, FRACTION, CoreSettings
from firstwatch.trading.orders import OrderPurpose, OrderSide, OrderState
from firstwatch.trading.runs import RUN_TRANSITIONS, Protection, RunState, StopMode
from firstwatch.venues.protocol import (
    Executed,
    FillReported,
    NeverWill,
    OrderReported,
    PhaseEnded,
    Refused,
    Resolution,
    StillUnknown,
    Unknown,
)
from tests.engine.scripted import ENTER, EXIT, QUIET, Always, ScriptedRun

SETTINGS = CoreSettings(
    stop_kind=FRACTION,
    stop_value=0.05,
    stop_trails=1,
    target_kind=AMOUNT,
    target_value=10.0,
    sizing_value=0.5,
    cooldown_bars=0,
)


FATES = ("fine", "fine", "lost before", "lost after", "refused")


class LossyDesk(ScriptedRun):
    """A venue that loses requests and answers as the test draws, and knows which requests are burnt."""

    def __init__(self, *, has_phases: bool) -> None:
        super().__init__(settings=SETTINGS, has_phases=has_phases)
        self.luck: list[str] = []
        self.burnt: set[str] = set()
        self.arrived: set[str] = set()
        self.answers = {
            effects.SendOrder: self._send,
            effects.ModifyOrder: self._modify,
            effects.CancelOrder: self._cancel,
            effects.ReadPosition: self._read,
            effects.ReadOpenOrders: self._read,
            effects.ReadOrder: self._read,
        }

    def _fate(self) -> str:
        return self.luck.pop() if self.luck else "fine"

    def _send(self, effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.SendOrder)
        order_id, fate = effect.client_order_id, self._fate()
        assert order_id not in self.arrived | self.burnt, "an order was sent twice"
        if fate == "refused":
            return inputs.SendAnswered(order_id, Refused("rate_limit", "slowly"), self.now_ms)
        if fate == "lost before":
            return inputs.SendAnswered(order_id, Unknown("lost"), self.now_ms)
        self.arrived.add(order_id)
        if fate == "lost after":
            self.resting[order_id] = self.intents[order_id]
            return inputs.SendAnswered(order_id, Unknown("lost"), self.now_ms)
        return None

    def _modify(self, effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.ModifyOrder)
        old_id, new_id, fate = effect.client_order_id, effect.new_client_order_id, self._fate()
        lost = inputs.ModifyAnswered(old_id, new_id, Unknown("lost"), self.now_ms)
        if fate == "lost before":
            return lost
        if fate == "lost after" and self.resting.pop(old_id, None) is not None:
            self.ended[old_id] = OrderState.CANCELED
            self.resting[new_id] = self.intents[new_id]
            self.arrived.add(new_id)
            return lost
        self.arrived.add(new_id)
        return None

    def _cancel(self, effect: effects.Effect) -> inputs.Event | None:
        assert isinstance(effect, effects.CancelOrder)
        fate = self._fate()
        if fate == "lost after" and self.resting.pop(effect.client_order_id, None) is not None:
            self.ended[effect.client_order_id] = OrderState.CANCELED
        if fate.startswith("lost"):
            return inputs.CancelAnswered(effect.client_order_id, Unknown("lost"), self.now_ms)
        return None

    def _read(self, effect: effects.Effect) -> inputs.Event | None:
        if self._fate() == "lost before":
            return inputs.ReadFailed(effect, "no answer", self.now_ms)
        return None

    def resolve(self, order_id: str) -> Resolution:
        if self._fate() == "lost before":
            return StillUnknown("no answer")
        if order_id in self.arrived:
            return Executed(self.report(self.intents[order_id]))
        self.burnt.add(order_id)
        return NeverWill("not known")


class Run(RuleBasedStateMachine):
    """One run; the rules are all that can happen to it, the invariants what an operator relies on."""

    @initialize(has_phases=st.booleans())
    def begin(self, has_phases: bool) -> None:
        self.run = LossyDesk(has_phases=has_phases)
        self.token = 0
        self.run.launch()
        self.run.bar()

    @rule(
        fates=st.lists(st.sampled_from(["fine", "fine", "lost before", "lost after", "refused"]), max_size=5)
    )
    def luck(self, fates: list[str]) -> None:
        self.run.luck = fates

    @rule(
        flags=st.sampled_from([ENTER, ENTER, QUIET, EXIT]),
        move=st.sampled_from([-0.02, 0.0, 0.01, 0.03]),
        late_ms=st.sampled_from([0, 0, 0, 400_000]),
    )
    def close_bar(self, flags: object, move: float, late_ms: int) -> None:
        self.run.bar(flags, close=round(self.run.price * (1 + move), 2), late_ms=late_ms)

    @precondition(lambda self: self.run.resting)
    @rule(data=st.data(), part=st.sampled_from([1, 2, 3]))
    def fill(self, data: st.DataObject, part: int) -> None:
        intent = self.run.resting[data.draw(st.sampled_from(sorted(self.run.resting)))]
        if intent.reduce_only and self.run.held * intent.side.sign >= 0:
            return
        rest = intent.amount - self.run.filled.get(intent.client_order_id, Decimal(0))
        amount = max((rest / part).quantize(Decimal("0.000001")), Decimal("0.000001"))
        if intent.reduce_only:
            amount = min(amount, abs(self.run.held))
        self.run.fill(intent, min(amount, rest))

    @precondition(lambda self: self.run.fills)
    @rule(data=st.data())
    def say_a_fill_again(self, data: st.DataObject) -> None:
        self.run.handle(FillReported(data.draw(st.sampled_from(self.run.fills)), None, self.run.now_ms))

    @precondition(lambda self: self.run.arrived)
    @rule(data=st.data())
    def say_an_order_again(self, data: st.DataObject) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.run.arrived)))
        self.run.handle(OrderReported(self.run.report(self.run.intents[order_id]), self.run.now_ms))

    @precondition(lambda self: self.run.resting)
    @rule(data=st.data())
    def venue_ends_an_order(self, data: st.DataObject) -> None:
        self.run.end(self.run.resting[data.draw(st.sampled_from(sorted(self.run.resting)))])

    @rule(seconds=st.sampled_from([1, 5, 20]))
    def time_passes(self, seconds: int) -> None:
        self.run.tick(seconds)

    @rule()
    def phase_ends(self) -> None:
        self.token += 1
        self.run.effects.clear()
        self.run.handle(PhaseEnded(self.token, self.run.now_ms))
        assert effects.Acknowledge(self.token) in self.run.effects, "a phase was not acknowledged"

    @rule()
    def restart(self) -> None:
        if not self.run.core.state.is_final:
            self.run.restart()

    @rule(is_pause=st.booleans())
    def pause_or_resume(self, is_pause: bool) -> None:
        if is_pause:
            self.run.pause()
        else:
            self.run.resume()

    @precondition(lambda self: self.run.fills and len(self.run.fills) > 4)
    @rule(mode=st.sampled_from(list(StopMode)))
    def stop(self, mode: StopMode) -> None:
        self.run.stop(mode)

    @invariant()
    def state_is_legal(self) -> None:
        if not hasattr(self, "run"):
            return
        seen = [RunState.NEW, *self.run.transitions]
        for old, new in pairwise(seen):
            assert new in RUN_TRANSITIONS[old]

    @invariant()
    def position_is_never_above_what_was_decided(self) -> None:
        if not hasattr(self, "run"):
            return
        entries = self.run.orders(OrderPurpose.ENTRY)
        assert len(entries) <= 1, "two orders for one decision"
        # A short position could only come of a closing order that was not reduce-only.
        assert self.run.held >= 0
        assert all(
            intent.reduce_only for intent in self.run.intents.values() if intent.side is OrderSide.SELL
        )

    @invariant()
    def one_stop_at_most(self) -> None:
        if hasattr(self, "run"):
            assert len(self.run.orders(OrderPurpose.STOP)) <= 1
            assert len(self.run.orders(OrderPurpose.TARGET)) <= 1

    @invariant()
    def a_checkpoint_restores_the_core(self) -> None:
        if hasattr(self, "run"):
            text = self.run.core.checkpoint()
            core = RunCore.restore(self.run.setup, SETTINGS, self.run.flags, Always(), text)
            assert core._memory == self.run.core._memory
            assert core.checkpoint() == text

    def teardown(self) -> None:
        """At a venue that answers again, an exposed run gets its stop and a stopping one stops."""
        if not hasattr(self, "run"):
            return
        self.run.luck = []
        self.run.tick(150)
        core, held = self.run.core, self.run.held
        closing = self.run.orders(OrderPurpose.EXIT)
        if core.state is RunState.RUNNING:
            assert core.questions(is_new_life=True).in_flight == []
            assert self.run.setup.market.amount(core.exposed_steps) == held
            if held and not closing:
                (stop,) = self.run.orders(OrderPurpose.STOP)
                assert stop.amount - self.run.filled.get(stop.client_order_id, 0) == held
                assert self.run.facts.protection is Protection.PROTECTED
        if core.state is RunState.STOPPING:
            assert closing, "a run that has nothing to do any more must stop"


Run.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestRun = Run.TestCase
