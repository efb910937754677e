"""The shadow decides what the run decides; each difference has the cause that made it."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from firstwatch.engine.core import bars as engine_bars
from firstwatch.engine.core.entries import EntryManager
from firstwatch.strategy.core import drop_decision
from firstwatch.strategy.core_state import ENTER
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.commands import ClosePosition, PauseEntries, ResumeEntries, StopRun
from firstwatch.trading.runs import StopMode
from firstwatch.trading.verdicts import MismatchCause, Verdict
from firstwatch.venues.paper.bars import FeedBars
from firstwatch.venues.protocol import Refused
from firstwatch.watch.identity import is_alarm
from firstwatch.watch.parity import verdict_of
from tests.candles import generated_candles
from tests.simulation.lives import RUN_ID
from tests.simulation.test_lives import TOML
from tests.watch.live import Live, RevisedFeed, followed, lived
from tests.watch.over_days import RarePoints, run_many

BARS, FIRST = 160, 60
CAPITAL = Decimal(10_000)


def busy(kind: str = "market") -> AlgorithmSpec:
    keys = {"market": "", "limit": "offset_bps = 5\ntimeout_bars = 2\n", "twap": "bars = 3\n"}
    return AlgorithmSpec.from_toml(TOML.format(kind=kind) + keys[kind])


@pytest.mark.parametrize("kind", ["market", "limit", "twap"])
@pytest.mark.parametrize("seed", [4, 5])
def test_an_undisturbed_run_and_its_shadow_are_one(tmp_path: Path, kind: str, seed: int) -> None:
    store = lived(tmp_path, busy(kind), generated_candles(seed, BARS), first=FIRST)
    follower, found = followed(store)
    assert found == []
    assert follower.decisions > 20
    identity = follower.state.identity
    assert identity is not None
    assert not is_alarm(identity.residual, CAPITAL)
    assert identity.live_pnl == pytest.approx(identity.shadow_pnl, abs=1e-6)
    assert identity.live_pnl != 0


def causes(found: list) -> Counter:
    return Counter(mismatch.cause for mismatch in found)


def test_every_refused_entry_is_listed_as_rejected(tmp_path: Path) -> None:
    """One entry order in ten is refused: the run is to be looked at, and has not diverged."""
    refused = []

    def unwilling(live: Live) -> None:
        send, sent = live.venue.send, [0]

        def sending(prepared):
            if b'"entry"' in prepared.body:
                sent[0] += 1
                if sent[0] % 10 == 5:
                    refused.append(prepared.client_order_id)
                    return Refused("other", "no, by this test")
            return send(prepared)

        live.venue.send = sending

    store = lived(tmp_path, busy(), generated_candles(4, 300), first=FIRST, prepare=unwilling)
    follower, found = followed(store)
    assert len(refused) >= 2
    assert causes(found) == {MismatchCause.REJECTED: len(refused)}
    assert verdict_of(follower.causes) is Verdict.WATCH
    assert all("no, by this test" in (mismatch.live or "") for mismatch in found)
    assert not is_alarm(follower.state.identity.residual, CAPITAL)


def test_a_suppressed_decision_is_found_at_its_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter, suppressed = EntryManager.enter, []

    def half(self, why_not):
        memory = self._context.memory
        if memory.core.decision_side and memory.last_bar_ms % 7_200_000 == 0:
            suppressed.append(memory.last_bar_ms)
            drop_decision(memory.core)
        else:
            enter(self, why_not)

    monkeypatch.setattr(EntryManager, "enter", half)
    store = lived(tmp_path, busy(), generated_candles(4, BARS), first=FIRST)
    follower, found = followed(store)
    assert len(suppressed) > 3
    assert causes(found) == {MismatchCause.UNEXPLAINED: len(suppressed)}
    assert [mismatch.time - 3_600_000 for mismatch in found] == suppressed
    assert verdict_of(follower.causes) is Verdict.DIVERGED


def test_a_decision_that_the_core_did_not_make_is_found_at_its_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_bar, made = engine_bars.close_bar, []

    def eager(core, settings, time_ms, *rest):
        close_bar(core, settings, time_ms, *rest)
        if not made and core.steps == 0 and core.decision == 0 and core.entry_order == 0 and core.trades > 3:
            made.append(time_ms)
            core.decision, core.decision_side, core.decision_steps = ENTER, 1, 1_000
            core.entry_order, core.entry_side, core.entry_steps = 1, 1, 1_000

    monkeypatch.setattr(engine_bars, "close_bar", eager)
    store = lived(tmp_path, busy(), generated_candles(4, BARS), first=FIRST)
    _, found = followed(store)
    assert len(made) == 1
    assert found[0].time == made[0] + 3_600_000
    assert found[0].cause is MismatchCause.UNEXPLAINED
    assert found[0].shadow is None
    assert found[0].live is not None
    # It takes over what the venue then decides, and agrees again.
    assert len(found) == 1


def test_a_wrong_size_is_unexplained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close_bar = engine_bars.close_bar

    def greedy(core, *rest):
        close_bar(core, *rest)
        if core.decision == ENTER:
            core.decision_steps *= 2

    monkeypatch.setattr(engine_bars, "close_bar", greedy)
    store = lived(tmp_path, busy(), generated_candles(4, 160), first=FIRST)
    _, found = followed(store)
    assert found
    assert set(causes(found)) == {MismatchCause.UNEXPLAINED}


SCRIPTS = {
    "a pause by the operator": (
        {20: [PauseEntries(run_id=RUN_ID)], 80: [ResumeEntries(run_id=RUN_ID)]},
        {MismatchCause.OPERATOR},
    ),
    "a position that the operator closes": (
        {at: [ClosePosition(run_id=RUN_ID), ResumeEntries(run_id=RUN_ID)] for at in range(20, 100, 7)},
        {MismatchCause.OPERATOR},
    ),
    "a stop that closes": ({70: [StopRun(run_id=RUN_ID, mode=StopMode.CLOSE)]}, {MismatchCause.OPERATOR}),
    "a stop that leaves": ({70: [StopRun(run_id=RUN_ID, mode=StopMode.LEAVE)]}, {MismatchCause.OPERATOR}),
}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("kind", ["market", "limit", "twap"])
def test_what_an_operator_does_is_told_as_such(tmp_path: Path, name: str, kind: str) -> None:
    script, expected = SCRIPTS[name]
    store = lived(tmp_path, busy(kind), generated_candles(4, BARS), first=FIRST, script=script)
    follower, found = followed(store)
    assert set(causes(found)) == expected
    assert verdict_of(follower.causes) is Verdict.CONSISTENT
    assert not is_alarm(follower.state.identity.residual, CAPITAL)


def test_a_pause_by_the_engine_is_told_once_per_signal(tmp_path: Path) -> None:
    """Three refusals in a row pause entries: the signals after that are held back."""
    sent = []

    def unwilling(live: Live) -> None:
        send = live.venue.send

        def sending(prepared):
            if b'"entry"' in prepared.body:
                sent.append(prepared.client_order_id)
                return Refused("other", "no, by this test")
            return send(prepared)

        live.venue.send = sending

    store = lived(tmp_path, busy(), generated_candles(4, BARS), first=FIRST, prepare=unwilling)
    follower, found = followed(store)
    assert len(sent) == 3
    assert causes(found[:3]) == {MismatchCause.REJECTED: 3}
    assert set(causes(found[3:])) == {MismatchCause.PAUSE}
    assert verdict_of(follower.causes) is Verdict.WATCH
    told = [(mismatch.time, (mismatch.shadow or "").split()[0]) for mismatch in found[3:]]
    again = [now for last, now in pairwise(told) if now[1] == last[1] and now[0] - last[0] <= 3_600_000]
    assert again == []


@pytest.mark.parametrize("at_once", [3, 50])
def test_a_resumed_follower_finds_what_an_uninterrupted_one_finds(tmp_path: Path, at_once: int) -> None:
    script, _ = SCRIPTS["a position that the operator closes"]
    store = lived(tmp_path, busy("limit"), generated_candles(4, 130), first=FIRST, script=script)
    whole, expected = followed(store)
    parts, found = followed(store, at_once=at_once, resumes=True)
    assert found == expected
    assert parts.to_json() == whole.to_json()


@pytest.mark.parametrize("kind", ["market", "limit", "twap"])
def test_a_restart_decides_on_what_the_run_saw_whatever_the_venue_has_by_now(
    tmp_path: Path, kind: str
) -> None:
    """Each bar is another one as soon as it is history, and the process dies again and again."""
    candles, spread = generated_candles(4, 260), 0.01
    changed = {}
    for number, bar in enumerate(candles.bars()[FIRST:]):
        close = bar.close * (1 + spread * (-1) ** number)
        high, low = max(bar.high, close), min(bar.low, close)
        changed[bar.time_ms] = bar._replace(close=close, high=high, low=low)

    def revise(live: Live) -> None:
        live.venue._bars = FeedBars(RevisedFeed(candles, FIRST, changed))

    deaths = RarePoints(chosen=3, kills=12, points=1_500)
    store = lived(tmp_path, busy(kind), candles, first=FIRST, prepare=revise, deaths=deaths)
    follower, found = followed(store)
    assert deaths.kills > 8
    assert found == []
    assert follower.decisions > 30


def test_random_algorithms_and_their_shadows_are_one_through_kills() -> None:
    seen = run_many(algorithms=14, bars=150, kills=3, chosen=1)
    assert seen["wrong"] == 0
    assert seen["decisions"] > 40
    assert seen["kills"] > 8
