"""A real host with real threads on a paper venue: launch to end, stop modes, commands, recovery."""

import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.backtest.simulate import BacktestSettings, simulate
from firstwatch.engine.core import effects
from firstwatch.engine.core.records import Step
from firstwatch.engine.core.run_core import RunCore
from firstwatch.engine.host import host as engine_host
from firstwatch.engine.host.host import EngineHost
from firstwatch.engine.host.locked_runs import LockedRuns
from firstwatch.engine.lock import EngineHeldError, EngineState, presence
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.engine.worker import worker as worker_module
from firstwatch.engine.worker.worker import RunWorker
from firstwatch.market.assumed import market_of_file
from firstwatch.market.files import read_candles
from firstwatch.settings import Settings
from firstwatch.store import (
    alarms,
    algorithms,
    commands,
    hosts,
    journal,
    live,
    orders,
    paper,
    positions,
    runs,
)
from firstwatch.store.database import Store, open_store
from firstwatch.store.equity import equity_of
from firstwatch.store.orders import open_orders_of
from firstwatch.store.turn import Turn
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import SystemClock
from firstwatch.trading.commands import (
    CancelRun,
    ClosePosition,
    CommandOutcome,
    FundWallet,
    PauseEntries,
    PreviewLaunch,
    ResumeEntries,
    StartRun,
    StopEngine,
    StopRun,
)
from firstwatch.trading.errors import StoreError, VenueError
from firstwatch.trading.fault_points import FaultPoint, no_fault
from firstwatch.trading.launch import LaunchPreview
from firstwatch.trading.notes import NoteCode
from firstwatch.trading.orders import OrderState
from firstwatch.trading.runs import Author, Exposure, Health, RunState, StopMode
from firstwatch.venues.paper.venue import PaperVenue
from firstwatch.venues.signer import VaultLockedError
from firstwatch.wallets.key_ring import KeyRing
from tests.engine.host import rig
from tests.simulation.faults import POINTS

RUN = rig.RUN
BARS = 1080
"""Eighty of them are replayed behind the history."""


class JumpingClock(SystemClock):
    """The machine's clocks, with a suspension of the machine at will."""

    suspended_s = 0.0

    def elapsed_s(self) -> float:
        return super().elapsed_s() + self.suspended_s

    def now_ms(self) -> int:
        return super().now_ms() + round(self.suspended_s * 1000)


class Engine:
    """One data folder with its hosts."""

    def __init__(self, folder: Path, **of_folder: object) -> None:
        self.settings: Settings = rig.make_folder(folder, **of_folder)
        self.store: Store = open_store(folder)
        self.clock = JumpingClock()
        self.hosts: list[EngineHost] = []

    def host(self, fault_point: FaultPoint = no_fault) -> EngineHost:
        host = EngineHost(self.store, self.settings, clock=self.clock, fault_point=fault_point)
        self.hosts.append(host)
        host.start()
        return host

    def close(self) -> None:
        for host in self.hosts:
            host.drain_and_stop()
        self.store.close()


@pytest.fixture
def make(folder: Path) -> Iterator[object]:
    engines: list[Engine] = []

    def build(**of_folder: object) -> Engine:
        engines.append(Engine(folder / str(len(engines)), **of_folder))
        return engines[-1]

    yield build
    for engine in engines:
        engine.close()


@pytest.fixture
def slow(make) -> Engine:
    """A feed with a bar every 30 ms, so that there is time to act."""
    engine = make(bars=1600, speed=120_000)
    engine.host()
    return engine


@pytest.fixture
def holding(make) -> Engine:
    """A run that holds a position which nothing but a command ends."""
    engine = make(bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    engine.host()
    answer = rig.start_run(engine.store, RUN)
    assert answer.outcome is CommandOutcome.DONE, answer.sentence
    _exposed(engine)
    return engine


def _left_exposed(make) -> Engine:
    """Return a data folder whose engine has ended while its run held a position."""
    engine = make(bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    first = engine.host()
    rig.start_run(engine.store, RUN)
    _exposed(engine)
    first.drain_and_stop()
    return engine


def _exposed(engine: Engine) -> runs.Run:
    def look() -> runs.Run | None:
        run = rig.run_of(engine.store, RUN)
        with engine.store.read() as session:
            position = positions.position_of(session, RUN)
        is_protected = position is not None and position.side is not None and position.stop is not None
        return run if is_protected and run.facts.exposure is Exposure.EXPOSED else None

    return rig.until(look, "a protected position")


# --- from launch to end --------------------------------------------------------------------------


def test_a_live_run_makes_the_backtests_trades(make) -> None:
    engine = make(bars=1400)
    engine.host()
    assert rig.start_run(engine.store, RUN).outcome is CommandOutcome.DONE
    run = rig.ended(engine.store, RUN)
    assert (run.state, run.facts.exposure) == (RunState.DONE, Exposure.FLAT)
    path = engine.settings.home / "BTCUSDC.csv"
    candles, market = read_candles(path).candles, market_of_file(path, None)
    expected = simulate(
        AlgorithmSpec.from_toml(rig.ACTIVE_TOML),
        candles,
        market=market,
        costs=Costs.of_market(market, slippage_bps=Decimal(2)),
        settings=BacktestSettings(capital=Decimal(5000), leverage=Decimal(2)),
        start_ms=int(candles.time_ms[1000]),
    )
    made = rig.result_of(engine.store, RUN)["trades"]
    assert len(made) > 20
    assert [(t.side, t.entry_time_ms, t.exit_time_ms, t.amount, t.reason) for t in made] == [
        (t.side, t.entry_time_ms, t.exit_time_ms, t.amount, t.reason) for t in expected.trades
    ]
    assert [(t.entry_price, t.exit_price, t.pnl) for t in made] == [
        (t.entry_price, t.exit_price, t.pnl) for t in expected.trades
    ]


def test_a_start_is_idempotent_on_the_runs_id(make) -> None:
    engine = make(bars=1020)
    engine.host()
    assert "started" in rig.start_run(engine.store, RUN).sentence
    rig.ended(engine.store, RUN)
    again = rig.start_run(engine.store, RUN)
    assert again.outcome is CommandOutcome.DONE
    assert "started already" in again.sentence
    with engine.store.read() as session:
        assert len(runs.list_runs(session)) == 1


def test_live_figures_are_written(slow: Engine) -> None:
    rig.start_run(slow.store, RUN)

    def look() -> live.LiveStatus | None:
        with slow.store.read() as session:
            status = live.live_statuses(session).get(RUN)
        is_whole = status is not None and {"account", "bars", "mark"} <= set(status.streams)
        return status if is_whole else None

    status = rig.until(look, "live figures of all streams")
    assert status.equity is not None
    assert status.mark is not None
    assert status.last_bar_ms is not None


# --- commands ------------------------------------------------------------------------------------


def test_the_last_live_figures_of_a_run_are_those_of_its_end(make) -> None:
    engine = make()
    engine.host()
    rig.start_run(engine.store, RUN)
    rig.ended(engine.store, RUN)

    def look() -> bool | None:
        with engine.store.read() as session:
            status = live.live_statuses(session).get(RUN)
            last = equity_of(session, RUN).equity[-1]
        return (status is not None and status.equity == Decimal(repr(float(last)))) or None

    rig.until(look, "the equity of the end", limit_s=10)


def test_a_preview_says_what_a_start_would_do_and_changes_nothing(make) -> None:
    engine = make(bars=1020)
    engine.host()
    poor = rig.launch(capital=Decimal(20_000), accepted_warnings=None)
    answer = rig.answered(engine.store, rig.submit(engine.store, PreviewLaunch(settings=poor)))
    assert answer.outcome is CommandOutcome.DONE
    assert answer.result_json is not None
    seen = LaunchPreview.model_validate_json(answer.result_json)
    assert [check.name for check in seen.refused_by] == ["funds"]
    assert "20,000.00 USDC is above the 10,000.00" in seen.refused_by[0].found
    assert "baseline" in {check.name for check in seen.warnings}
    with engine.store.read() as session:
        assert runs.list_runs(session) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"capital": Decimal(20_000)}, "above the 10,000.00"),
        ({"accepted_warnings": None}, "written reason"),
        ({"symbol": "DOGE/USDC:USDC"}, "no market DOGE/USDC:USDC"),
        ({"wallet": "on"}, "did you mean one?"),
        ({"leverage": Decimal(40)}, "it must lie within"),
    ],
)
def test_a_start_is_refused_with_a_sentence(make, changed: dict[str, object], words: str) -> None:
    engine = make(bars=1020)
    engine.host()
    answer = rig.start_run(engine.store, RUN, rig.launch(**changed))
    assert answer.outcome is CommandOutcome.REFUSED
    assert words in answer.sentence
    with engine.store.read() as session:
        assert runs.list_runs(session) == []


def test_a_wallet_in_use_is_refused(slow: Engine) -> None:
    rig.start_run(slow.store, RUN)
    answer = rig.start_run(slow.store, "cd" * 8)
    assert answer.outcome is CommandOutcome.REFUSED
    assert f"in use by the run {RUN}" in answer.sentence


def test_waived_warnings_are_journalled_with_the_reason(slow: Engine) -> None:
    rig.start_run(slow.store, RUN)
    with slow.store.read() as session:
        waived = [entry.event for entry in journal.events_of_kinds(session, RUN, {"check_waived"})]
    assert {"baseline", "sharpe"} <= {event.check for event in waived}
    assert {event.reason for event in waived} == {"a test"}


def test_what_is_assumed_of_the_market_is_seen_before_the_start_and_in_the_run(slow: Engine) -> None:
    answer = rig.answered(slow.store, rig.submit(slow.store, PreviewLaunch(settings=rig.launch())))
    seen = LaunchPreview.model_validate_json(answer.result_json or "")
    (check,) = [check for check in seen.checks if check.name == "market"]
    assert check.passed
    assert "no market file says it, so this is assumed: symbol BTC/USDC:USDC, tick" in check.found
    rig.start_run(slow.store, RUN)
    with slow.store.read() as session:
        noted = [entry.event for entry in journal.events_of_kinds(session, RUN, {"core_noted"})]
    assert [(event.code, event.sentence) for event in noted][:1] == [(NoteCode.ASSUMED_MARKET, check.found)]


@pytest.mark.parametrize("is_given", [False, True])
def test_a_tick_that_decides_the_result_is_refused_where_it_is_assumed(
    make, tmp_path: Path, is_given: bool
) -> None:
    market = tmp_path / "market.toml"
    market.write_text('tick = "0.001"\n')
    near = rig.ACTIVE_TOML.replace("fraction = 0.02", "amount = 0.00001")
    assert near != rig.ACTIVE_TOML
    engine = make(bars=1020, toml=near, **({"market": str(market)} if is_given else {}))
    engine.host()
    answer = rig.answered(engine.store, rig.submit(engine.store, PreviewLaunch(settings=rig.launch())))
    seen = LaunchPreview.model_validate_json(answer.result_json or "")
    refused = {check.name: check.found for check in seen.refused_by}
    assert ("market" in refused) is not is_given
    assert is_given or "more than a tenth" in refused["market"]


def test_a_command_that_expired_is_not_performed(make) -> None:
    engine = make(bars=1020)
    number = rig.submit(engine.store, StartRun(run_id=RUN, settings=rig.launch()), expires_in_ms=-1)
    engine.host()
    answer = rig.answered(engine.store, number)
    assert answer.outcome is CommandOutcome.EXPIRED
    assert "expired" in answer.sentence
    with engine.store.read() as session:
        assert runs.list_runs(session) == []


def test_commands_are_checked_against_their_aim(slow: Engine) -> None:
    store = slow.store
    rig.start_run(store, RUN)
    rig.until(lambda: rig.run_of(store, RUN).state is RunState.RUNNING or None, "the run to begin")
    for command, aim, words in (
        (StopRun(run_id="ff" * 8), {}, "no run"),
        (StopRun(run_id=RUN), {"expected_state": RunState.STOPPING}, ", not STOPPING; check the run"),
        (CancelRun(run_id=RUN), {}, "only a run that is NEW can be cancelled"),
    ):
        answer = rig.answered(store, rig.submit(store, command, **aim))
        assert answer.outcome is CommandOutcome.REFUSED
        assert words in answer.sentence
    rig.answered(store, rig.submit(store, StopRun(run_id=RUN, mode=StopMode.CLOSE)))
    rig.ended(store, RUN)
    answer = rig.answered(store, rig.submit(store, PauseEntries(run_id=RUN)))
    assert "STOPPED already" in answer.sentence


def test_funding_a_paper_wallet(make) -> None:
    engine = make(bars=1020)
    engine.host()
    command = FundWallet(wallet="one", amount=Decimal("12.5"))
    assert rig.answered(engine.store, rig.submit(engine.store, command)).outcome is CommandOutcome.DONE
    with engine.store.read() as session:
        assert paper.deposited(session, "paper", "one") == Decimal("10012.5")
    wrong = FundWallet(wallet="two", amount=Decimal(1))
    answer = rig.answered(engine.store, rig.submit(engine.store, wrong))
    assert answer.outcome is CommandOutcome.REFUSED


def test_pause_and_resume(slow: Engine) -> None:
    rig.start_run(slow.store, RUN)
    rig.answered(slow.store, rig.submit(slow.store, PauseEntries(run_id=RUN)))
    assert rig.run_of(slow.store, RUN).facts.paused
    rig.answered(slow.store, rig.submit(slow.store, ResumeEntries(run_id=RUN)))
    assert not rig.run_of(slow.store, RUN).facts.paused


def test_closing_the_position_pauses_entries(slow: Engine) -> None:
    rig.start_run(slow.store, RUN)

    def close() -> bool | None:
        # Its stop or its target may have been faster.
        _exposed(slow)
        answer = rig.answered(slow.store, rig.submit(slow.store, ClosePosition(run_id=RUN)))
        return answer.outcome is CommandOutcome.DONE or None

    rig.until(close, "a position that the command closes")

    def look() -> runs.Run | None:
        run = rig.run_of(slow.store, RUN)
        return run if run.facts.exposure is Exposure.FLAT else None

    run = rig.until(look, "the position to be closed")
    assert run.state is RunState.RUNNING
    assert run.facts.paused


def test_a_request_that_the_run_does_not_follow_is_refused_with_its_reason(make) -> None:
    engine = make(
        bars=1600, speed=120_000, toml=rig.ACTIVE_TOML.replace("< 40", "< 0").replace("> 60", "> 100")
    )
    engine.host()
    rig.start_run(engine.store, RUN)
    answer = rig.answered(engine.store, rig.submit(engine.store, ClosePosition(run_id=RUN)))
    assert (answer.outcome, answer.sentence) == (CommandOutcome.REFUSED, "there is no position to close")
    assert not rig.run_of(engine.store, RUN).facts.paused


# --- stops ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(StopMode))
def test_a_stop_leaves_what_its_mode_says(holding: Engine, mode: StopMode) -> None:
    rig.answered(holding.store, rig.submit(holding.store, StopRun(run_id=RUN, mode=mode)))
    run = rig.ended(holding.store, RUN)
    assert run.state is RunState.STOPPED
    with holding.store.read() as session:
        left = open_orders_of(session, RUN)
    assert bool(left) is (mode is StopMode.LEAVE)
    assert run.facts.exposure is (Exposure.FLAT if mode is StopMode.CLOSE else Exposure.EXPOSED)
    if mode is not StopMode.CLOSE:
        alarm = rig.until(lambda: _alarm(holding.store, "left over"), "the alarm of a wallet left exposed")
        assert "has no active run" in alarm


def _alarm(store: Store, topic: str) -> str | None:
    with store.read() as session:
        standing = [alarm for alarm in alarms.active_alarms(session) if alarm.topic == topic]
    return standing[0].sentence if standing else None


def test_a_left_position_can_be_adopted_and_its_old_orders_go(holding: Engine) -> None:
    store = holding.store
    rig.answered(store, rig.submit(store, StopRun(run_id=RUN, mode=StopMode.LEAVE)))
    assert rig.ended(store, RUN).facts.exposure is Exposure.EXPOSED
    refused = rig.start_run(store, "cd" * 8)
    assert "Assume position now" in refused.sentence
    adopting = rig.launch(assume_position_now=True, capital=Decimal(8_000), parent_run_id=RUN)
    answer = rig.start_run(store, "ef" * 8, adopting)
    assert answer.outcome is CommandOutcome.DONE, answer.sentence

    def settled() -> bool | None:
        for host in holding.hosts:
            host.finished_runs.look()
        with store.read() as session:
            is_clear = not open_orders_of(session, RUN)
        return True if is_clear and _alarm(store, "left over") is None else None

    rig.until(settled, "the old orders to be cancelled")
    assert rig.run_of(store, RUN).facts.exposure is Exposure.FLAT
    assert not rig.run_of(store, "ef" * 8).facts.paused


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return rig.undisturbed(tmp_path_factory.mktemp("undisturbed"), bars=BARS)


# --- the engine's own life -------------------------------------------------------------------------


def test_one_engine_per_folder(make) -> None:
    engine = make(bars=1020)
    first = engine.host()
    second = EngineHost(engine.store, engine.settings)
    with pytest.raises(EngineHeldError, match="holds the engine"):
        second.start()
    assert presence(engine.settings.home, 0.0).state is EngineState.RUNNING
    first.drain_and_stop()
    second.start()
    second.drain_and_stop()
    with engine.store.read() as session:
        host = hosts.current_host(session)
    assert host is not None
    assert (host.epoch, host.state) == (2, hosts.HostState.STOPPED)


def test_the_engine_stops_by_command_and_the_next_one_goes_on(make, expected: dict[str, object]) -> None:
    engine = make(bars=BARS, speed=200_000)
    host = engine.host()
    rig.start_run(engine.store, RUN)
    _exposed(engine)
    rig.answered(engine.store, rig.submit(engine.store, StopEngine()))
    assert host.wait(rig.LIMIT_S)
    assert rig.run_of(engine.store, RUN).state is RunState.RUNNING
    engine.host()
    assert rig.ended(engine.store, RUN).state is RunState.DONE
    assert rig.result_of(engine.store, RUN) == expected


def test_a_run_of_an_algorithm_that_is_renamed_and_archived_goes_on_and_is_recovered(
    make, expected: dict[str, object]
) -> None:
    engine = make(bars=BARS, speed=200_000)
    host = engine.host()
    rig.start_run(engine.store, RUN)
    _exposed(engine)
    with engine.store.write() as session:
        algorithms.rename(session, "Active", "Renamed")
        algorithms.set_archived(session, "Renamed", 1)
    rig.answered(engine.store, rig.submit(engine.store, StopEngine()))
    assert host.wait(rig.LIMIT_S)
    engine.host()
    run = rig.ended(engine.store, RUN)
    assert (run.state, run.settings.name) == (RunState.DONE, "Renamed@1")
    assert rig.result_of(engine.store, RUN) == expected


def test_a_launch_by_a_former_name_starts_that_algorithm_and_an_archived_one_is_refused(make) -> None:
    engine = make(bars=1020)
    engine.host()
    with engine.store.write() as session:
        before = algorithms.get_version(session, "Active")
        algorithms.rename(session, "Active", "Renamed")
        algorithms.set_archived(session, "Renamed", 1)
    refused = rig.start_run(engine.store, RUN)
    assert refused.outcome is CommandOutcome.REFUSED
    assert "the algorithm Renamed is archived" in refused.sentence
    with engine.store.write() as session:
        algorithms.set_archived(session, "Renamed", None)
    assert rig.start_run(engine.store, RUN).outcome is CommandOutcome.DONE
    run = rig.run_of(engine.store, RUN)
    assert (run.version_id, run.settings.name) == (before.id, "Renamed@1")


def test_a_suspended_machine_recovers_before_it_sends(make, expected: dict[str, object]) -> None:
    engine = make(bars=BARS, speed=200_000)
    engine.host()
    rig.start_run(engine.store, RUN)
    _exposed(engine)
    engine.clock.suspended_s += 60
    rig.ended(engine.store, RUN)
    assert rig.result_of(engine.store, RUN) == expected
    with engine.store.read() as session:
        recovered = [entry.event for entry in journal.events_of_kinds(session, RUN, {"recovered"})]
        host = hosts.current_host(session)
    assert any("heartbeat" in event.why for event in recovered)
    assert host is not None
    assert host.epoch == 2


@pytest.mark.parametrize("times", [1, 3])
def test_a_machine_that_stands_still_while_runs_are_recovered_recovers_them_again(
    make, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    engine = _left_exposed(make)
    begin, left = RunWorker.start, [times]

    def begin_slowly(worker: RunWorker) -> None:
        begin(worker)
        if left[0]:
            left[0] -= 1
            engine.clock.suspended_s += 10

    monkeypatch.setattr(RunWorker, "start", begin_slowly)
    host = engine.host()
    rig.until(lambda: (not left[0] and not host.lease.is_lost) or None, "the last recovery")
    _exposed(engine)
    assert host.is_running
    assert not host.failure


def test_a_market_that_went_on_is_caught_up_with_as_past_bars(make) -> None:
    engine = make(bars=1600, speed=60_000, while_down="continue")
    first = engine.host()
    rig.start_run(engine.store, RUN)
    _exposed(engine)
    first.drain_and_stop()
    # At this speed a bar takes 60 ms: about twenty of them pass.
    engine.clock.suspended_s += 1.2
    engine.host()

    def look() -> int | None:
        with engine.store.read() as session:
            found = journal.events_of_kinds(session, RUN, {"recovered"})
        return found[0].event.past_bars if found else None

    assert rig.until(look, "the recovery") >= 15
    rig.answered(engine.store, rig.submit(engine.store, StopRun(run_id=RUN, mode=StopMode.CLOSE)))
    run = rig.ended(engine.store, RUN)
    assert (run.state, run.facts.exposure) == (RunState.STOPPED, Exposure.FLAT)
    result = rig.result_of(engine.store, RUN)
    times = [time_ms for time_ms, _ in result["equity"]]
    assert times == list(range(times[0], times[-1] + 1, 3_600_000))


class Stumble:
    """Raises once at the given passings of one point, as a defect of the worker would."""

    def __init__(self, point: str, passings: set[int]) -> None:
        self._point = point
        self._passings = passings
        self._guard = threading.Lock()
        self.passed: Counter[str] = Counter()
        self.stumbled = 0

    def __call__(self, point: str) -> None:
        with self._guard:
            self.passed[point] += 1
            stumbles = point == self._point and self.passed[point] in self._passings
            self.stumbled += stumbles
        if stumbles:
            raise RuntimeError(f"stumbled {point}")


def test_events_that_have_come_share_a_transaction_until_something_is_to_be_done(
    make, monkeypatch: pytest.MonkeyPatch, expected: dict[str, object]
) -> None:
    engine = make(bars=BARS)
    handle, step_core = RunCore.handle, RunWorker._step_core
    given: list[int] = []
    has_effects: list[list[bool]] = []

    def counted(worker: RunWorker, core: RunCore, events: Sequence[object], **how: bool) -> object:
        given.append(len(events))
        has_effects.append([])
        return step_core(worker, core, events, **how)

    def handled(core: RunCore, event: object) -> object:
        step = handle(core, event)
        if has_effects:
            has_effects[-1].append(bool(step.effects))
        return step

    monkeypatch.setattr(RunWorker, "_step_core", counted)
    monkeypatch.setattr(RunCore, "handle", handled)
    engine.host()
    rig.start_run(engine.store, RUN)
    rig.ended(engine.store, RUN)
    before_each_taken = [
        steps[:at] for count, steps in zip(given, has_effects, strict=True) for at in range(count, len(steps))
    ]
    assert len(before_each_taken) > 80
    assert not any(any(before) for before in before_each_taken)
    assert rig.result_of(engine.store, RUN) == expected


def test_only_a_step_upon_which_something_is_done_waits_for_the_disk(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(bars=BARS)
    step_core, store_parts = RunWorker._step_core, RunWorker._store_parts
    waits: list[bool] = []
    seen: set[tuple[bool, bool]] = set()

    def stored(worker: RunWorker, *parts: object, waits_for_disk: bool) -> None:
        waits.append(waits_for_disk)
        store_parts(worker, *parts, waits_for_disk=waits_for_disk)

    def stepped(worker: RunWorker, *given: object, **how: bool) -> list[Step]:
        steps = step_core(worker, *given, **how)
        acts = any(isinstance(effect, effects.Act) for step in steps for effect in step.effects)
        seen.update((acts, waited) for waited in waits)
        waits.clear()
        return steps

    monkeypatch.setattr(RunWorker, "_store_parts", stored)
    monkeypatch.setattr(RunWorker, "_step_core", stepped)
    engine.host()
    rig.start_run(engine.store, RUN)
    rig.ended(engine.store, RUN)
    assert seen == {(True, True), (False, False)}


def test_what_follows_from_a_decision_goes_before_the_decisions_of_other_runs(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(bars=BARS)
    handle, taken = RunWorker._handle, Turn.taken
    items: list[list[bool]] = []

    def handling(worker: RunWorker, core: RunCore, event: object) -> str:
        items.append([])
        return handle(worker, core, event)

    def taking(turn: Turn, *, goes_first: bool = False) -> AbstractContextManager[None]:
        if turn is worker_module._COMPUTING:
            items[-1].append(goes_first)
        return taken(turn, goes_first=goes_first)

    monkeypatch.setattr(RunWorker, "_handle", handling)
    monkeypatch.setattr(Turn, "taken", taking)
    engine.host()
    rig.start_run(engine.store, RUN)
    rig.ended(engine.store, RUN)
    assert not any(first for first, *_ in items)
    following = [goes_first for _, *others in items for goes_first in others]
    assert len(following) > 40
    assert all(following)


PAUSES_S = engine_host._RECOVERY_PAUSES_S


def test_recoveries_outlast_a_short_trouble_of_the_venue() -> None:
    assert list(PAUSES_S) == sorted(PAUSES_S)
    assert sum(PAUSES_S) >= 10


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs be recovered soon, as often as ever."""
    monkeypatch.setattr(engine_host, "_RECOVERY_PAUSES_S", (0.0, 0.05, 0.1))


def test_a_run_that_is_recovered_again_waits_before_it_begins_and_still_follows_its_operator(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_host, "_RECOVERY_PAUSES_S", (0.0, 3_600.0, 3_600.0))
    engine = make(toml=rig.HOLDING_TOML)
    engine.host(Stumble("before send", {1, 2}))
    rig.start_run(engine.store, RUN)

    def look() -> bool | None:
        with engine.store.read() as session:
            noted = [entry.event.sentence for entry in journal.events_of_kinds(session, RUN, {"noted"})]
        return any("the run is recovered in 3600 s" in sentence for sentence in noted) or None

    def recoveries() -> int:
        with engine.store.read() as session:
            return len(journal.events_of_kinds(session, RUN, {"recovered"}))

    def heartbeat_ms() -> int:
        with engine.store.read() as session:
            host = hosts.current_host(session)
        return 0 if host is None else host.heartbeat_ms

    rig.until(look, "the second recovery")
    waits_since_ms = heartbeat_ms()
    rig.until(lambda: heartbeat_ms() > waits_since_ms + 1_000 or None, "a second of heartbeats")
    assert recoveries() == 1, "the second one waits"
    rig.answered(engine.store, rig.submit(engine.store, StopRun(run_id=RUN, mode=StopMode.CLOSE)))
    assert rig.ended(engine.store, RUN).state is RunState.STOPPED


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_raises_anywhere_is_recovered(make, expected: dict[str, object], point: str) -> None:
    engine = make(bars=BARS)
    stumble = Stumble(point, {1, 9, 23})
    engine.host(stumble)
    rig.start_run(engine.store, RUN)
    run = rig.ended(engine.store, RUN)
    assert run.state is RunState.DONE, run.facts.sentence
    assert rig.result_of(engine.store, RUN) == expected
    with engine.store.read() as session:
        noted = [entry.event.sentence for entry in journal.events_of_kinds(session, RUN, {"noted"})]
    assert sum("; the run is recovered" in sentence for sentence in noted) == stumble.stumbled


def test_a_worker_that_raises_too_often_fails_its_run_and_keeps_protection(make) -> None:
    engine = make()
    engine.host(Stumble("after send", set(range(1, 100))))
    rig.start_run(engine.store, RUN)
    run = rig.ended(engine.store, RUN)
    assert run.state is RunState.FAILED
    assert run.facts.health is Health.UNKNOWN
    assert "for the 4th time in ten minutes" in run.facts.sentence
    alarm = _alarm(engine.store, "crash loop")
    assert alarm is not None
    assert "Protection was left at the venue" in alarm


def test_an_order_in_flight_of_a_failed_run_is_resolved_before_it_is_concluded(make) -> None:
    engine = make()
    host = engine.host(Stumble("before send", set(range(1, 100))))
    rig.start_run(engine.store, RUN)
    assert rig.ended(engine.store, RUN).state is RunState.FAILED

    def look() -> bool | None:
        host.finished_runs.look()
        return rig.run_of(engine.store, RUN).facts.exposure is Exposure.FLAT or None

    rig.until(look, "the wallet to be reconciled")
    with engine.store.read() as session:
        last = orders.orders_of(session, RUN)[-1]
        at_venue = paper.load_order(session, "paper", last.client_order_id)
    assert last.state is OrderState.CANCELED
    assert at_venue is not None, "its request could still be executed"


def test_commands_accepted_by_an_engine_that_died_are_performed_by_the_next(make) -> None:
    engine = make(speed=120_000)
    first = engine.host()
    rig.start_run(engine.store, RUN)
    first.drain_and_stop()
    number = rig.submit(engine.store, StopRun(run_id=RUN, mode=StopMode.CLOSE))
    with engine.store.write() as session:
        commands.accept_command(session, number, now_ms=1)
    engine.host()
    assert rig.ended(engine.store, RUN).state is RunState.STOPPED
    assert rig.answered(engine.store, number).outcome is CommandOutcome.DONE


@pytest.mark.parametrize(
    "command",
    [StartRun(run_id=RUN, settings=rig.launch()), ResumeEntries(run_id=RUN)],
    ids=["start", "resume"],
)
def test_an_accepted_command_that_takes_risk_is_not_performed_after_it_expired(make, command) -> None:
    engine = make()
    number = rig.submit(engine.store, command)
    with engine.store.write() as session:
        commands.accept_command(session, number, now_ms=1)
    engine.clock.suspended_s += 60
    engine.host()
    answer = rig.answered(engine.store, number)
    assert answer.outcome is CommandOutcome.REFUSED
    assert "it has expired" in answer.sentence
    with engine.store.read() as session:
        assert runs.find_run(session, RUN) is None


def test_an_engine_that_was_to_stop_and_died_does_not_stop_the_next_one(make) -> None:
    engine = make(bars=1020)
    number = rig.submit(engine.store, StopEngine())
    with engine.store.write() as session:
        commands.accept_command(session, number, now_ms=1)
    host = engine.host()
    assert rig.answered(engine.store, number).outcome is CommandOutcome.DONE
    assert rig.answered(engine.store, rig.submit(engine.store, FundWallet(wallet="one", amount=Decimal(1))))
    assert host.is_running


def test_entries_are_not_resumed_by_a_command_that_expired_before_the_run_could_take_it(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    first = engine.host()
    rig.start_run(engine.store, RUN)
    rig.answered(engine.store, rig.submit(engine.store, PauseEntries(run_id=RUN)))
    first.drain_and_stop()
    with monkeypatch.context() as silence:
        _silence(silence, 1_000)
        engine.host()
        number = rig.submit(engine.store, ResumeEntries(run_id=RUN), expires_in_ms=60_000)
        rig.until(lambda: _accepted(engine.store, number), "the command to be picked up")
        # Only the wall clock: the machine was not suspended.
        monkeypatch.setattr(engine.clock, "now_ms", lambda: SystemClock().now_ms() + 60_000)
    answer = rig.answered(engine.store, number)
    assert answer.outcome is CommandOutcome.REFUSED
    assert "expired" in answer.sentence
    assert rig.run_of(engine.store, RUN).facts.paused


def test_what_a_worker_was_asked_before_it_raised_is_asked_of_the_next(make) -> None:
    engine = make(bars=1600, speed=120_000)
    asked: list[int] = []

    def fault_point(point: str) -> None:
        if point == "before commit" and asked:
            number = asked.pop()
            rig.until(lambda: _accepted(engine.store, number), "the command to be picked up")
            raise RuntimeError("stumbled")

    engine.host(fault_point)
    rig.start_run(engine.store, RUN)
    _exposed(engine)
    number = rig.submit(engine.store, StopRun(run_id=RUN, mode=StopMode.LEAVE))
    asked.append(number)
    assert rig.answered(engine.store, number).outcome is CommandOutcome.DONE
    assert rig.ended(engine.store, RUN).state is RunState.STOPPED


def _accepted(store: Store, number: int) -> bool | None:
    with store.read() as session:
        return commands.get_command(session, number).accepted_at_ms is not None or None


def test_the_alarm_of_a_run_that_could_not_be_worked_on_ends_when_it_can(make) -> None:
    engine = make(bars=1600, speed=120_000)
    _new_run(engine)
    other = engine.settings.model_copy(update={"venues": {"other": engine.settings.venues["paper"]}})
    host = EngineHost(engine.store, other)
    host.start()
    rig.until(lambda: _alarm(engine.store, "engine"), "the alarm")
    host.drain_and_stop()
    engine.host()
    rig.until(lambda: _alarm(engine.store, "engine") is None or None, "the alarm to be over")


@pytest.mark.parametrize("command", [CancelRun(run_id=RUN), StopRun(run_id=RUN)], ids=["cancel", "stop"])
def test_a_run_whose_venue_does_not_answer_can_be_called_off(
    make, monkeypatch: pytest.MonkeyPatch, command: CancelRun | StopRun
) -> None:
    engine = make(bars=1600, speed=120_000)
    _new_run(engine)

    def is_silent(*_: object) -> None:
        raise VenueError("the venue does not answer")

    with monkeypatch.context() as silence:
        silence.setattr(PaperVenue, "balance", is_silent)
        engine.host()
        answer = rig.answered(engine.store, rig.submit(engine.store, command))
    assert answer.outcome is CommandOutcome.DONE
    assert rig.ended(engine.store, RUN).state is RunState.CANCELLED
    rig.until(lambda: _alarm(engine.store, "engine") is None or None, "its alarm to be over")


def _new_run(engine: Engine) -> None:
    """Let the run stand as an engine leaves it that died between its creation and its launch."""
    with engine.store.write() as session:
        rig.store_new_run(session)


def test_a_run_whose_venue_is_gone_from_the_settings_can_still_be_cancelled(make) -> None:
    engine = make(bars=1020)
    _new_run(engine)
    other = engine.settings.model_copy(update={"venues": {"other": engine.settings.venues["paper"]}})
    host = EngineHost(engine.store, other)
    engine.hosts.append(host)
    host.start()
    alarm = rig.until(lambda: _alarm(engine.store, "engine"), "the alarm")
    assert "no venue paper" in alarm
    refused = rig.answered(engine.store, rig.submit(engine.store, StopRun(run_id=RUN)))
    assert refused.outcome is CommandOutcome.REFUSED
    done = rig.answered(engine.store, rig.submit(engine.store, CancelRun(run_id=RUN)))
    assert done.outcome is CommandOutcome.DONE
    assert rig.run_of(engine.store, RUN).state is RunState.CANCELLED


def _silence(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the paper venue not answer so many questions for a balance."""
    balance, left = PaperVenue.balance, [times]

    def is_silent(venue: PaperVenue, account: str) -> object:
        if left[0] > 0:
            left[0] -= 1
            raise VenueError("the venue does not answer")
        return balance(venue, account)

    monkeypatch.setattr(PaperVenue, "balance", is_silent)


def test_an_exposed_run_is_seen_to_within_two_seconds_of_a_venue_that_answers_again(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = _left_exposed(make)
    waits: list[float] = []
    seen = threading.Event()

    def wait_or_released(_worker: RunWorker, seconds: float) -> bool:
        waits.append(seconds)
        return not seen.wait(rig.LIMIT_S)

    monkeypatch.setattr(RunWorker, "_wait_or_released", wait_or_released)
    _silence(monkeypatch, 1_100)
    engine.host()
    alarm = rig.until(lambda: _alarm(engine.store, "engine"), "the alarm")
    assert "the venue does not answer" in alarm
    seen.set()
    rig.until(lambda: _alarm(engine.store, "engine") is None or None, "the run to begin")
    assert len(waits) == 1_100
    assert max(waits) == 2.0
    rig.until(lambda: rig.run_of(engine.store, RUN).facts.health is Health.OK or None, "its health")


def test_a_run_whose_bars_the_venue_no_longer_gives_can_be_stopped(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = _left_exposed(make)
    monkeypatch.setattr(PaperVenue, "candles", lambda *_, **__: [])
    engine.host()
    assert "cannot be warmed up again" in rig.until(lambda: _alarm(engine.store, "engine"), "the alarm")
    assert rig.run_of(engine.store, RUN).facts.health is Health.UNKNOWN
    rig.until(lambda: rig.run_of(engine.store, RUN).facts.paused or None, "the run to go on without them")
    number = rig.submit(engine.store, StopRun(run_id=RUN, mode=StopMode.CLOSE))
    assert rig.answered(engine.store, number).outcome is CommandOutcome.DONE
    run = rig.ended(engine.store, RUN)
    assert run.state is RunState.STOPPED
    assert run.facts.exposure is Exposure.FLAT


# --- one worker per run ----------------------------------------------------------------------------


class Vault:
    """A vault that has the keys of some wallets and is locked until the test unlocks it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *accounts: str) -> None:
        self.is_locked = True
        self._accounts = accounts
        monkeypatch.setattr(KeyRing, "is_locked", property(lambda _keys: self.is_locked))
        monkeypatch.setattr(KeyRing, "unlock_by_file", lambda _keys, _gives_up: None)
        monkeypatch.setattr(
            VenueRegistry, "require_key", lambda _book, _venue, account, **_how: self._require(account)
        )

    def _require(self, account: str) -> None:
        if self.is_locked and account in self._accounts:
            raise VaultLockedError("The vault is locked.")


def _workers(run_id: str = RUN) -> int:
    return sum(thread.name == f"run {run_id}" for thread in threading.enumerate())


def test_a_run_that_was_recovered_before_its_launch_is_not_launched_again(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine stood still right after the run was written: it is active, so it is recovered."""
    engine = make(bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    launched = threading.Event()

    def launch(host: EngineHost, run_id: str, author: Author) -> None:
        engine.clock.suspended_s += 10
        rig.until(lambda: _workers() or None, "the run to be recovered")
        launch_now(host, run_id, author)
        launched.set()

    launch_now = EngineHost.launch
    monkeypatch.setattr(EngineHost, "launch", launch)
    engine.host()
    rig.start_run(engine.store, RUN)
    assert launched.wait(rig.LIMIT_S)
    assert _workers() == 1
    _exposed(engine)


def test_a_run_that_was_recovered_while_the_vault_was_unlocked_is_not_begun_again(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    _new_run(engine)
    vault = Vault(monkeypatch, "one")
    host = engine.host()
    assert "vault" in (_alarm(engine.store, "vault") or "")
    begun: list[int] = []
    start = RunWorker.start
    monkeypatch.setattr(RunWorker, "start", lambda worker: (begun.append(1), start(worker)))
    epoch = host.lease.epoch
    engine.clock.suspended_s += 10
    vault.is_locked = False
    rig.until(lambda: host.lease.epoch > epoch or None, "the runs to be recovered")
    _exposed(engine)
    assert len(begun) == 1
    assert _alarm(engine.store, "vault") is None
    assert rig.run_of(engine.store, RUN).facts.health is Health.OK


def test_a_run_that_was_cancelled_while_the_vault_was_locked_never_begins(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "cd" * 8
    engine = make(bars=1600, speed=120_000, toml=rig.HOLDING_TOML, wallet_names=("one", "two"))
    _new_run(engine)
    vault = Vault(monkeypatch, "one")
    host = engine.host()
    rig.start_run(engine.store, other, rig.launch("two"))
    assert rig.answered(engine.store, rig.submit(engine.store, CancelRun(run_id=RUN))).sentence == (
        "the run is cancelled"
    )
    assert _alarm(engine.store, "vault") is None, "nobody would ever clear it"
    begun: list[str] = []
    begin = LockedRuns.begin_if_unlocked
    turns = threading.Event()

    def begin_if_unlocked(waiting: LockedRuns, between: Callable[[], None]) -> None:
        begin(waiting, between)
        if not vault.is_locked:
            begun.extend([RUN] * _workers())
            turns.set()

    monkeypatch.setattr(LockedRuns, "begin_if_unlocked", begin_if_unlocked)
    vault.is_locked = False
    assert turns.wait(rig.LIMIT_S)
    rig.answered(engine.store, rig.submit(engine.store, PauseEntries(run_id=other)))
    assert not begun
    assert host.is_running
    assert _workers(other) == 1
    assert rig.run_of(engine.store, RUN).state is RunState.CANCELLED


def test_a_worker_of_a_run_that_is_cancelled_as_it_begins_does_no_harm(make) -> None:
    engine = make(bars=1600, speed=120_000)
    cancelled: list[int] = []

    def fault_point(point: str) -> None:
        if point == "before commit" and not cancelled and threading.current_thread().name == f"run {RUN}":
            cancelled.append(1)
            with engine.store.write() as session:
                runs.transition(
                    session, RUN, RunState.CANCELLED, "test", author=Author.OPERATOR, local_time_ms=1
                )

    host = engine.host(fault_point)
    rig.start_run(engine.store, RUN)
    rig.until(lambda: (cancelled and not _workers()) or None, "the worker to end")
    number = rig.submit(engine.store, PauseEntries(run_id=RUN))
    assert rig.answered(engine.store, number).outcome is CommandOutcome.REFUSED
    assert host.is_running
    assert rig.run_of(engine.store, RUN).state is RunState.CANCELLED


def test_a_run_that_begins_while_the_engine_ends_is_released_too(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(bars=1600, speed=120_000)
    host, start, drain = engine.host(), RunWorker.start, EngineHost._drain_workers
    drained = threading.Event()

    def drain_workers(ending: EngineHost) -> None:
        drain(ending)
        drained.set()

    def start_meanwhile(worker: RunWorker) -> None:
        # Where its heartbeat was late the host has started the run itself: it cannot wait for its own end.
        if threading.current_thread().name != "engine host":
            host.end_soon()
            assert drained.wait(rig.LIMIT_S)
        start(worker)

    monkeypatch.setattr(EngineHost, "_drain_workers", drain_workers)
    monkeypatch.setattr(RunWorker, "start", start_meanwhile)
    # With a late heartbeat it would recover the runs first, and wait for the guard that the start holds here.
    monkeypatch.setattr(EngineHost, "_reclaim", lambda _host, _why: None)
    rig.submit(engine.store, StartRun(run_id=RUN, settings=rig.launch()))
    assert host.wait(rig.LIMIT_S)
    assert drained.is_set()
    rig.until(lambda: not _workers() or None, "the worker to end", 10)


# --- a store that cannot be written ----------------------------------------------------------------


class OneFailure:
    """A store of which one write fails: the next one of a thread, from a function of that name."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wanted_in = ""
        self.has_failed = False
        self._write = store.write
        monkeypatch.setattr(store, "write", self.write)

    @contextmanager
    def write(self, epoch: int | None = None, **how: bool) -> Iterator[object]:
        if self.wanted_in and self.wanted_in in {frame.name for frame in traceback.extract_stack()}:
            self.wanted_in = ""
            self.has_failed = True
            raise StoreError("The disk of the store is full.")
        with self._write(epoch, **how) as session:
            yield session


def test_a_run_is_recovered_although_its_workers_fall_could_not_be_written(
    make, monkeypatch: pytest.MonkeyPatch, expected: dict[str, object]
) -> None:
    engine = make(bars=BARS)
    disk = OneFailure(engine.store, monkeypatch)
    stumble = Stumble("before commit", {9})
    disk.wanted_in = "_recover_worker"
    engine.host(stumble)
    rig.start_run(engine.store, RUN)
    rig.ended(engine.store, RUN)
    assert disk.has_failed
    assert rig.result_of(engine.store, RUN) == expected


def test_what_could_not_be_written_while_recovering_is_tried_again(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine had to recover, could not have the venue, and could not even write that."""
    engine = make(bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    disk = OneFailure(engine.store, monkeypatch)
    host = engine.host()
    rig.start_run(engine.store, RUN)
    _exposed(engine)
    get, seen = VenueRegistry.get, threading.Event()

    def cannot_be_had(book: VenueRegistry, name: str) -> object:
        if threading.current_thread().name == "engine host" and not seen.is_set():
            raise VenueError("the adapter cannot be made now")
        return get(book, name)

    monkeypatch.setattr(VenueRegistry, "get", cannot_be_had)
    disk.wanted_in = "_recover_runs"
    engine.clock.suspended_s += 10
    alarm = rig.until(lambda: _alarm(engine.store, "engine"), "the alarm")
    assert "cannot be made now" in alarm
    assert disk.has_failed
    seen.set()
    rig.until(lambda: _alarm(engine.store, "engine") is None or None, "the run to be worked on again")
    rig.until(lambda: rig.run_of(engine.store, RUN).facts.health is Health.OK or None, "its health")
    assert host.is_running
    assert _workers() == 1


def test_a_launch_that_could_not_be_written_is_made_good(make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make(bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    start, failed = EngineHost._start_worker, []

    def cannot_be_read(host: EngineHost, *of_run: object) -> None:
        if not failed:
            failed.append(1)
            raise StoreError("The store is held by another process.")
        start(host, *of_run)

    monkeypatch.setattr(EngineHost, "_start_worker", cannot_be_read)
    engine.host()
    assert rig.start_run(engine.store, RUN).outcome is CommandOutcome.DONE
    _exposed(engine)


def test_a_run_that_waits_for_the_vault_waits_on_when_a_write_fails(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(bars=1600, speed=120_000, toml=rig.HOLDING_TOML)
    disk = OneFailure(engine.store, monkeypatch)
    _new_run(engine)
    vault = Vault(monkeypatch, "one")
    engine.host()
    disk.wanted_in = "begin_if_unlocked"
    vault.is_locked = False
    _exposed(engine)
    assert disk.has_failed


class FullDisk:
    """A store whose writes fail as on a full disk while ``is_full``."""

    def __init__(self, store: Store) -> None:
        self.is_full = False
        self._write = store.write

    @contextmanager
    def write(self, epoch: int | None = None, **how: bool) -> Iterator[object]:
        if self.is_full:
            raise StoreError("The disk of the store is full.")
        with self._write(epoch, **how) as session:
            yield session


def test_a_full_disk_stops_the_sending_and_the_runs_recover(
    make, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make(bars=BARS, speed=200_000)
    disk = FullDisk(engine.store)
    monkeypatch.setattr(engine.store, "write", disk.write)
    host = engine.host()
    rig.start_run(engine.store, RUN)
    _exposed(engine)
    disk.is_full = True
    rig.until(lambda: host.trouble or None, "the trouble to be noticed")
    assert "disk" in host.trouble
    disk.is_full = False
    rig.ended(engine.store, RUN)
    assert rig.result_of(engine.store, RUN) == expected
    assert host.trouble == ""


def test_live_figures_are_written_only_when_they_have_changed(make) -> None:
    """While no bar closes the heartbeat goes on, and nothing else is written."""
    engine = make(speed=1.0)
    engine.host()
    rig.start_run(engine.store, RUN)

    def seen() -> tuple[int, int] | None:
        with engine.store.read() as session:
            status, host = live.live_statuses(session).get(RUN), hosts.current_host(session)
        return None if status is None or host is None else (status.updated_at_ms, host.heartbeat_ms)

    written_ms, _ = rig.until(seen, "the first figures")

    def has_stood() -> bool | None:
        nonlocal written_ms
        last_ms, heartbeat_ms = seen() or (0, 0)
        # What the launch itself still tells may be written once more.
        written_ms = max(written_ms, last_ms)
        return heartbeat_ms - written_ms > 3_000 or None

    assert rig.until(has_stood, "three seconds of heartbeats without other figures")
