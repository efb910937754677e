"""Frozen view models for the screen, made from the store only.

None means that the store does not know the value; the screen shows "?", never a zero. Times are milliseconds
since the epoch, UTC. Money is Decimal, in quote; only curves are float64 arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from firstwatch.trading.commands import CommandOutcome
from firstwatch.trading.launch import LaunchPreview, LaunchSettings
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason, Exposure, Health, Protection, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.watch import (
    DAY_MS,
    FILLS_ALPHA,
    JOINT_ALPHA,
    CheckName,
    Sign,
    Verdict,
    WatchReport,
)
from firstwatch.venues.registry import is_paper

if TYPE_CHECKING:
    # Not at run time: importing numpy would delay the first paint.
    import numpy as np
    from numpy.typing import NDArray


class EngineWhere(StrEnum):
    """Where the engine of this data folder runs, seen from this process."""

    EMBEDDED = "embedded"
    """In this process."""
    ATTACHED = "attached"
    """In another process, which writes its heartbeat."""
    NONE = "none"
    """No process holds it."""
    NOT_RESPONDING = "not responding"
    """Another process holds it, but writes no heartbeat. It is never replaced."""


@dataclass(frozen=True, slots=True)
class EngineView:
    """The engine that would accept commands."""

    where: EngineWhere
    pid: int | None = None
    heartbeat_ms: int | None = None
    sentence: str = ""
    """Its problem or what it is doing, for an operator."""

    @property
    def takes_commands(self) -> bool:
        """An engine runs and accepts commands."""
        return self.where in (EngineWhere.EMBEDDED, EngineWhere.ATTACHED)


@dataclass(frozen=True, slots=True)
class KeyView:
    """The key that trades for a wallet, as of ``read_ms``."""

    address: str | None
    """None: the vault has none."""
    is_master: bool
    """It may also withdraw and approve; False: an API wallet (agent), which only trades."""
    valid_until_ms: int | None
    """None: for ever, or not known."""
    missing: tuple[str, ...] | None
    """Names of the missing approvals; None: the venue was not asked yet."""
    read_ms: int | None


@dataclass(frozen=True, slots=True)
class HeldView:
    """A position of a wallet at its venue, opened by a run or not."""

    symbol: str
    side: Side
    amount: Decimal


@dataclass(frozen=True, slots=True)
class WalletView:
    """One wallet. ``total``, ``used``, ``free`` (in quote) and ``held`` are as of ``balance_ms``."""

    name: str
    venue: str
    kind: str
    account: str
    total: Decimal | None
    used: Decimal | None
    free: Decimal | None
    balance_ms: int | None
    active_run_id: str | None
    exposure: Exposure
    """That of the last run in this wallet; without an active run, exposed or unknown is an alarm."""
    key: KeyView | None = None
    """None: a paper wallet, or not known yet."""
    held: tuple[HeldView, ...] | None = None
    """None: not known."""
    problem: str = ""
    """Why the last reading failed; empty: it succeeded."""

    @property
    def is_live(self) -> bool:
        """A live wallet: a key signs its orders, and its money is real."""
        return not is_paper(self.kind)


@dataclass(frozen=True, slots=True)
class AlgorithmView:
    """One stored version of an algorithm."""

    name: str
    version: int
    sha256: str
    timeframe: Timeframe
    direction: str
    symbol: str | None
    """If it is set, a run cannot choose another."""
    has_stop: bool
    baseline: str
    """The latest backtest as text with figures, or why it cannot be read; empty: there is none."""


@dataclass(frozen=True, slots=True)
class WatchView:
    """The report of one day's watch, and when it was made by this machine's clock."""

    report: WatchReport
    made_ms: int
    hints: Mapping[CheckName, str] = field(default_factory=dict)
    """What to adjust, for each check that is ``WATCH`` or ``DIVERGED``."""


@dataclass(frozen=True, slots=True)
class WatchCount:
    """How many active runs are watched and diverge today, and how many would if all were true."""

    diverged: int
    watched: int
    by_chance: float


@dataclass(frozen=True, slots=True)
class RunView:
    """One run of the list. Mark, PnL and equity (in quote) are as of ``live_ms``."""

    run_id: str
    algorithm: str
    version: int
    wallet: str
    symbol: str
    timeframe: Timeframe | None
    capital: Decimal
    leverage: Decimal
    state: RunState
    paused: bool
    pause_reason: str
    health: Health
    exposure: Exposure
    protection: Protection
    stop_mode: StopMode | None
    exit_reason: ExitReason | None
    sentence: str
    parent_run_id: str | None
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    mark: Decimal | None
    unrealised_pnl: Decimal | None
    equity: Decimal | None
    last_bar_ms: int | None
    live_ms: int | None
    position: "PositionView | None" = None
    watch: WatchView | None = None
    """The newest day; None: none was reported, or the run has ended."""
    is_damaged: bool = False
    """A part of the run cannot be read; ``sentence`` says which."""

    @property
    def title(self) -> str:
        """``RSI reversion@1``: its name for an operator."""
        return f"{self.algorithm}@{self.version}"

    @property
    def last_close_ms(self) -> int | None:
        """When the last bar that it has taken in closed, by the venue."""
        if self.last_bar_ms is None or self.timeframe is None:
            return None
        return self.last_bar_ms + self.timeframe.ms

    @property
    def pnl(self) -> Decimal | None:
        """Equity less capital."""
        return None if self.equity is None else self.equity - self.capital


@dataclass(frozen=True, slots=True)
class PositionView:
    """A run's position as the venue last reported it. ``side`` None: flat.

    ``stop`` and ``target`` are the levels that the venue has confirmed (None: no order rests there),
    ``stop_wanted`` and ``target_wanted`` those of the run.
    """

    run_id: str
    symbol: str
    side: Side | None
    amount: Decimal
    entry_price: Decimal | None
    stop: Decimal | None
    target: Decimal | None
    stop_wanted: Decimal | None
    target_wanted: Decimal | None
    liquidation_price: Decimal | None
    margin: Decimal | None
    updated_ms: int

    @property
    def is_stop_behind(self) -> bool:
        """A stop rests at another level than the run wants."""
        return self.stop is not None and self.stop_wanted not in (None, self.stop)


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order of the selected run."""

    client_order_id: str
    purpose: OrderPurpose
    side: OrderSide
    kind: OrderKind
    state: OrderState
    amount: Decimal
    filled: Decimal
    price: Decimal | None
    trigger_price: Decimal | None
    average_price: Decimal | None
    reduce_only: bool
    created_ms: int
    updated_ms: int
    history: tuple["OrderStep", ...] = ()


@dataclass(frozen=True, slots=True)
class OrderStep:
    """One change of an order's state."""

    time_ms: int
    state: OrderState
    why: str


@dataclass(frozen=True, slots=True)
class FillView:
    """One fill of the selected run."""

    fill_id: str
    client_order_id: str | None
    side: OrderSide
    amount: Decimal
    price: Decimal
    fee: Decimal
    time_ms: int
    is_maker: bool
    mid_at_decision: float | None = None

    @property
    def worse_bps(self) -> float | None:
        """How much worse than the mid at the decision it filled; None: that mid is not known."""
        if not self.mid_at_decision:
            return None
        return (float(self.price) / self.mid_at_decision - 1) * self.side.sign * 10_000


@dataclass(frozen=True, slots=True)
class EventView:
    """One journal entry of the selected run, as text."""

    run_id: str
    sequence: int
    kind: str
    sentence: str
    author: Author
    venue_time_ms: int | None
    local_time_ms: int
    is_alarm: bool = False
    """It raises an alarm."""


@dataclass(frozen=True, slots=True)
class AlarmView:
    """An active alarm. It stays until its cause is gone."""

    topic: str
    sentence: str
    run_id: str | None
    wallet: str | None
    since_ms: int


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command of this process, and its outcome."""

    command_id: int
    kind: str
    run_id: str | None
    created_ms: int
    outcome: CommandOutcome
    sentence: str
    preview: LaunchPreview | None = None
    """The result of ``preview_launch``."""
    result_ms: int | None = None


@dataclass(frozen=True, slots=True)
class MakingView:
    """The baseline that is being made, or was made last."""

    algorithm: str
    """``name@version``"""
    symbol: str
    is_running: bool
    has_failed: bool
    share: float
    """How much is done, 0 to 1."""
    sentence: str
    """The step that is under way, or the result."""
    started_ms: int


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric: that of the run beside that of the baseline. The screen formats both."""

    name: str
    live: float | None
    baseline: float | None
    needs_days: int = 0
    """UTC days that it needs, if the run is younger; otherwise 0."""


@dataclass(frozen=True, eq=False)
class RunDetails:
    """Details of the selected run. Curves are float64 (in quote) over int64 times, of equal length."""

    run_id: str
    settings: LaunchSettings
    events: tuple[EventView, ...]
    """The newest ones, oldest first."""
    journal_length: int
    orders: tuple[OrderView, ...]
    fills: tuple[FillView, ...]
    trades: tuple[Trade, ...]
    position: PositionView | None
    equity_time_ms: "NDArray[np.int64]"
    equity: "NDArray[np.float64]"
    price_time_ms: "NDArray[np.int64]"
    price: "NDArray[np.float64]"
    """Closes of the newest bars that the run has handled, in quote."""
    metrics: tuple[MetricView, ...] = ()
    days: tuple[WatchView, ...] = ()
    """Its watch, the first day first."""
    watch_begin_ms: int | None = None
    """When its first day began, by the venue; None: it has not, or is not known."""
    week_signs: tuple[Sign, ...] = ()
    """Signs of tuning over the last seven whole days; empty: there is no watch."""
    all_signs: tuple[Sign, ...] = ()
    """The same over all whole days."""

    def begin_ms(self, view: WatchView) -> int | None:
        """Return when a day of the watch began."""
        begin_ms = self.watch_begin_ms
        return None if begin_ms is None else begin_ms + (view.report.day - 1) * DAY_MS


@dataclass(frozen=True, eq=False)
class ManagerSnapshot:
    """The store at one moment. The screen computes ages from these times by its own clock."""

    sequence: int
    """Grows with every snapshot; a command names the one that its author saw."""
    time_ms: int
    is_ready: bool
    """False until the store has been read for the first time."""
    engine: EngineView
    wallets: tuple[WalletView, ...] = ()
    runs: tuple[RunView, ...] = ()
    """Active runs, then finished runs, each newest first."""
    selected: RunDetails | None = None
    algorithms: tuple[AlgorithmView, ...] = ()
    venues: tuple[str, ...] = ()
    live_venues: tuple[str, ...] = ()
    """Those with live wallets."""
    symbols: tuple[str, ...] = ()
    """Symbols of algorithms, baselines and earlier runs: suggestions, not the venue's list."""
    alarms: tuple[AlarmView, ...] = ()
    commands: tuple[CommandView, ...] = field(default=())
    making: MakingView | None = None
    problem: str = ""
    """Why the store could not be read, for an operator."""

    @property
    def unprotected(self) -> int:
        """Number of runs that are exposed without the stop that their algorithm has."""
        return sum(run.protection is Protection.UNPROTECTED for run in self.runs)

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences that need an operator: no engine for active runs, and all alarms."""
        engine = self.engine
        is_silent = engine.where is EngineWhere.NOT_RESPONDING
        needing = "1 active run needs" if len(self.active) == 1 else f"{len(self.active)} active runs need"
        unattended = f"{engine.sentence}, and {needing} one; start it with: firstwatch engine"
        found = [engine.sentence] if is_silent else []
        found += [unattended] if self.active and engine.where is EngineWhere.NONE else []
        return (*found, *(alarm.sentence for alarm in self.alarms))

    @property
    def active(self) -> tuple[RunView, ...]:
        """The runs that are not finished."""
        return tuple(run for run in self.runs if run.state.is_active)

    @property
    def watch_count(self) -> WatchCount:
        """The verdicts of today's watches, and what chance alone would make of true runs."""
        reports = [run.watch.report for run in self.active if run.watch is not None]
        calibrated = sum(report.locked is not None for report in reports)
        return WatchCount(
            diverged=sum(report.verdict is Verdict.DIVERGED for report in reports),
            watched=len(reports),
            by_chance=calibrated * (JOINT_ALPHA + FILLS_ALPHA),
        )

    @property
    def finished(self) -> tuple[RunView, ...]:
        """The finished runs in the list."""
        return tuple(run for run in self.runs if run.state.is_final)

    def run(self, run_id: str | None) -> RunView | None:
        """Return the run with that id; None: the snapshot does not have it."""
        return next((run for run in self.runs if run.run_id == run_id), None)

    def wallet(self, name: str | None) -> WalletView | None:
        """Return the wallet of that name; None: the snapshot does not have it."""
        return next((wallet for wallet in self.wallets if wallet.name == name), None)

    def command(self, command_id: int | None) -> CommandView | None:
        """Return the command with that id; None: this process did not send it."""
        return next((command for command in self.commands if command.command_id == command_id), None)


def empty_snapshot(time_ms: int, sentence: str = "reading the store…") -> ManagerSnapshot:
    """Return the snapshot before the store was read: it holds nothing."""
    return ManagerSnapshot(0, time_ms, False, EngineView(EngineWhere.NONE, sentence=sentence))
