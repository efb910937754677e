"""Frozen view models for the screen, made from the store only.

None means that the store does not know the value; the screen shows "?", never a zero. Times are milliseconds
since the epoch, UTC. Money is Decimal, in quote; only curves are float64 arrays. The file is long because all
that the screen knows is in one place, from the engine down to one fill.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from firstwatch.trading.account import MoneyKind
from firstwatch.trading.alarms import AlarmAction, AlarmSeverity
from firstwatch.trading.commands import CommandOutcome
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.launch import LaunchPreview, LaunchSettings, SettingDifference
from firstwatch.trading.orders import OrderKind, OrderPurpose, OrderSide, OrderState, Side
from firstwatch.trading.runs import Author, ExitReason, Exposure, Health, Protection, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.trade import Trade
from firstwatch.trading.verdicts import DAY_MS, FILLS_ALPHA, JOINT_ALPHA, CheckName, Sign, Verdict
from firstwatch.venues.registry import is_paper

if TYPE_CHECKING:
    # Not at run time: importing them would delay the first paint.
    import numpy as np
    from numpy.typing import NDArray

    from firstwatch.trading.watch import WatchReport

SHORT_ID = 4
"""Characters of a run's id by which lists name it, where no other run begins alike."""


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
    """Exposure of the last run in this wallet; without an active run, exposed or unknown is an alarm."""
    key: KeyView | None = None
    """None: a paper wallet, or not known yet."""
    held: tuple[HeldView, ...] | None = None
    """None: not known."""
    held_since_ms: int | None = None
    """Since when it has held anything; None: it holds nothing, or that is not known."""
    problem: str = ""
    """Why the last reading failed; empty: it succeeded."""
    money: MoneyKind = MoneyKind.LIVE
    """Kind of money; a venue that is no longer in the settings counts as live unless it was a paper one."""

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
    stop: str = ""
    """Its stop in words: ``2 % trailing``; empty: it has none."""
    is_archived: bool = False
    """Its algorithm is no longer offered."""

    @property
    def title(self) -> str:
        """``RSI reversion@1``: its name for an operator."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class MarketView:
    """A market at a venue, as a run of the list last found it. Money in quote."""

    venue: str
    symbol: str
    tick: Decimal
    minimum_cost: Decimal
    maximum_leverage: int
    price: Decimal | None
    """The newest mark that is known."""
    price_ms: int | None


@dataclass(frozen=True, slots=True)
class WatchView:
    """The report of one day's watch, and when it was made by this machine's clock."""

    report: "WatchReport"
    made_ms: int
    hints: Mapping[CheckName, str] = field(default_factory=dict)
    """What to adjust, for each check that is ``WATCH`` or ``DIVERGED``."""


@dataclass(frozen=True, slots=True)
class WatchCount:
    """How many active runs are watched and diverge today, and how many would by chance alone."""

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
    venue: str = ""
    money: MoneyKind = MoneyKind.LIVE
    """Kind of money of its wallet."""
    market_speed: float = 1.0
    """Market seconds per second at its venue; infinite: as fast as runs decide."""
    venue_ms: int | None = None
    """The newest time of its venue."""
    streams: Mapping[str, int] = field(default_factory=dict)
    """Time of the last message of each of its streams, by this machine's clock."""
    day_equity: tuple[float, ...] = ()
    """The last equity of each of its last hours that has one, at most 24 hours by the venue, oldest first.

    Only of active runs."""

    @property
    def title(self) -> str:
        """``RSI reversion@1``: its name for an operator."""
        return f"{self.algorithm}@{self.version}"

    @property
    def last_close_ms(self) -> int | None:
        """Venue time of the close of the last bar that it has handled."""
        if self.last_bar_ms is None or self.timeframe is None:
            return None
        return self.last_bar_ms + self.timeframe.ms

    @property
    def pnl(self) -> Decimal | None:
        """Equity less capital."""
        return None if self.equity is None else self.equity - self.capital

    @property
    def realised_pnl(self) -> Decimal | None:
        """PnL of closed trades, and costs paid so far for the open one: PnL less unrealised PnL."""
        pnl, is_open = self.pnl, self.unrealised_pnl
        return None if pnl is None or is_open is None else pnl - is_open

    @property
    def pnl_share(self) -> float | None:
        """PnL as a fraction of the capital."""
        return None if self.pnl is None or not self.capital else float(self.pnl / self.capital)


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

    def liquidation_distance(self, mark: Decimal | None) -> float | None:
        """Return how far the mark is from the liquidation price, as a fraction of the mark."""
        if self.liquidation_price is None or not mark or self.side is None:
            return None
        return float((mark - self.liquidation_price) * self.side.sign / mark)

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
class StoryLine:
    """One event of a run, in a trader's terms."""

    place: int
    """Position in the story: increases from line to line."""
    run_id: str
    sequence: int
    """Sequence of the journal entry."""
    venue_ms: int | None
    """The venue's time; None: not known."""
    is_about: bool
    """It has no venue time of its own; ``venue_ms`` is that of the entry before it."""
    local_ms: int
    sentence: str
    author: Author
    is_detail: bool = False
    """A step of an order, or another technical detail, hidden unless asked for."""
    is_alarm: bool = False
    pnl: Decimal | None = None
    """PnL of a closed trade, in quote."""


@dataclass(frozen=True, slots=True)
class AlarmView:
    """An active alarm. It stays until its cause is gone."""

    topic: str
    sentence: str
    run_id: str | None
    wallet: str | None
    since_ms: int
    count: int = 1
    """How often it was raised."""
    severity: AlarmSeverity = AlarmSeverity.CRITICAL
    actions: tuple[AlarmAction, ...] = ()
    """Actions possible on it now."""
    acknowledged_ms: int | None = None
    """When an operator acknowledged it as it is now; None: not yet, or it is worse since."""
    is_left: bool = False
    """The operator leaves the position as it is."""
    state: str = ""
    """Changes when the alarm gets worse, or ends and comes back."""

    @property
    def id(self) -> str:
        """Unique id."""
        return "/".join((self.run_id or "", self.wallet or "", self.topic))

    @property
    def is_acknowledged(self) -> bool:
        return self.acknowledged_ms is not None


@dataclass(frozen=True, slots=True)
class AskView:
    """A question of an agent that waits for the operator's answer."""

    ask_id: int
    agent: str
    """Name of the agent's access token, or ``stdio``."""
    act: str
    """What the agent wants to do, in a few words."""
    run_id: str | None
    """None: the run does not exist yet."""
    wallet: str
    money: MoneyKind
    plan: tuple[str, ...]
    """What would happen, in sentences."""
    created_ms: int
    expires_ms: int
    """After it the answer is no."""
    name_to_type: str
    """Name of the run that the operator types to say yes; empty: none."""


@dataclass(frozen=True, slots=True)
class AwayView:
    """What happened since a screen was open last, by the clock of this machine."""

    since_ms: int
    until_ms: int
    without_engine_ms: int
    """How long a run was active and no engine ran."""
    bars: int
    """Bars that runs have caught up with."""
    entries: int
    """Entries that were decided."""
    exits: int
    """Trades that were closed."""
    ended: int
    """Runs that have ended."""
    alarms: int
    """Alarms that were raised."""


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
class JobView:
    """A job: heavy work in a process of its own. ``progress``: 0 to 1."""

    job_id: int
    kind: JobKind
    title: str
    """What is worked on, as ``RSI reversion@2 on BTC/USDC:USDC``."""
    state: JobState
    progress: float
    seconds_left: float | None
    """None: it does not run, or has just begun."""
    sentence: str
    """The step that is under way, or how it ended."""
    is_cancel_wanted: bool
    created_ms: int
    started_ms: int | None
    finished_ms: int | None

    @property
    def error(self) -> str | None:
        """Why it failed; None: it has not."""
        return self.sentence if self.state is JobState.FAILED else None


@dataclass(frozen=True, slots=True)
class Expected:
    """A metric over stretches of a baseline: its median, and its 5 and 95 % quantiles."""

    median: float
    low: float
    high: float

    def scaled(self, by: float) -> "Expected":
        """Return all values times a number above zero."""
        return Expected(self.median * by, self.low * by, self.high * by)


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric of the run beside the baseline's. The screen formats both."""

    name: str
    live: float | None
    baseline: float | None
    """Comparable value: over the same time, for the same trades, or of the whole backtest."""
    band: Expected | None = None
    """Band over the same time; None: it has none, or the baseline is too short or of other settings."""
    needs_days: int = 0
    """UTC days still missing before it has a value."""
    needs_trades: int = 0
    """Trades still missing before it has a value."""


@dataclass(frozen=True, slots=True)
class PartView:
    """A group of a run's trades. Money in quote."""

    group: str
    """``side``, ``exit``, ``hour`` or ``day``"""
    name: str
    trades: int
    won: int
    pnl: Decimal
    value: Decimal
    """Notional at the entries."""


@dataclass(frozen=True, eq=False)
class Candles:
    """Bars by their open times (int64), oldest first; prices float64 in quote, all of one length."""

    time_ms: "NDArray[np.int64]"
    open: "NDArray[np.float64]"
    high: "NDArray[np.float64]"
    low: "NDArray[np.float64]"
    close: "NDArray[np.float64]"

    def __len__(self) -> int:
        return len(self.time_ms)

    def part(self, seen: slice) -> "Candles":
        """Return the bars of that slice."""
        return Candles(self.time_ms[seen], self.open[seen], self.high[seen], self.low[seen], self.close[seen])


@dataclass(frozen=True, eq=False)
class OperandView:
    """An indicator of the algorithm at the newest closes: float64, NaN where it has no value yet."""

    name: str
    is_price: bool
    """It is drawn on the price scale, as ``ema(9)`` is and ``rsi(14)`` is not."""
    values: "NDArray[np.float64]"
    numbers: tuple[float, ...]
    """Constants that it is compared with."""


@dataclass(frozen=True, slots=True)
class TradeWhy:
    """Why a trade was entered and why it ended, each as a clause; empty: not known."""

    entry: str
    exit: str


@dataclass(frozen=True, slots=True)
class TradeStory:
    """Everything that belongs to one trade, oldest first."""

    number: int
    trade: Trade
    orders: tuple[OrderView, ...]
    fills: tuple[FillView, ...]
    events: tuple[EventView, ...]
    best_ms: int | None
    """Open time of the bar in which the price was best for it; None: its bars are not known."""
    worst_ms: int | None
    why: TradeWhy


@dataclass(frozen=True, slots=True)
class WhyView:
    """Why a run did what it did last, and what would have to be true next, in sentences."""

    last_ms: int | None = None
    """The venue's time of the last decision, or of the last exit at the venue; None: there was none."""
    last: str = ""
    dropped: str = ""
    """An entry since then that was decided and not carried out."""
    next: tuple[str, ...] = ()
    """Conditions for a decision at the next close; empty: not known, or the run does not go on."""
    waits: tuple[str, ...] = ()
    """Reasons that prevent decisions whatever the conditions are."""
    problem: str = ""
    """Why all this cannot be read."""


@dataclass(frozen=True, slots=True)
class ParentView:
    """The run of which ``run_id`` is the next version."""

    run_id: str
    parent_id: str
    settings: LaunchSettings
    metrics: Mapping[str, float | None]
    """Of its whole time, by name."""


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
    candles: Candles
    """The newest bars that the run has handled."""
    operands: tuple[OperandView, ...] = ()
    """At those bars."""
    story: tuple[StoryLine, ...] = ()
    """Its events in a trader's terms, oldest first."""
    metrics: tuple[MetricView, ...] = ()
    parts: tuple[PartView, ...] = ()
    """Its trades by side, reason, hour and day."""
    days: tuple[WatchView, ...] = ()
    """Its watch, the first day first."""
    watch_begin_ms: int | None = None
    """When its first day began, by the venue; None: it has not, or is not known."""
    week_signs: tuple[Sign, ...] = ()
    """Signs of tuning over the last seven whole days; empty: there is no watch."""
    all_signs: tuple[Sign, ...] = ()
    """The same over all whole days."""
    differences: tuple[SettingDifference, ...] | None = None
    """Settings that differ from its baseline's and matter; None: it has no baseline."""
    why: WhyView = field(default_factory=WhyView)
    trade_whys: Mapping[int, TradeWhy] = field(default_factory=dict)
    """Why the newest trades were entered and left, by their number from 1."""

    def begin_ms(self, view: WatchView) -> int | None:
        """Return when a day of the watch began."""
        begin_ms = self.watch_begin_ms
        return None if begin_ms is None else begin_ms + (view.report.day - 1) * DAY_MS


@dataclass(frozen=True, eq=False)
class ManagerSnapshot:
    """The store at one moment. The screen computes ages from these times by its own clock."""

    sequence: int
    """Increases with every snapshot; a command names the one that its author saw."""
    time_ms: int
    is_ready: bool
    """False until the store has been read for the first time."""
    engine: EngineView
    wallets: tuple[WalletView, ...] = ()
    runs: tuple[RunView, ...] = ()
    """Active runs, then finished runs, each newest first."""
    selected: RunDetails | None = None
    beside: RunDetails | None = None
    """Details of the run that is compared with the selected one."""
    algorithms: tuple[AlgorithmView, ...] = ()
    venues: tuple[str, ...] = ()
    live_venues: tuple[str, ...] = ()
    """Venues with live wallets."""
    symbols: tuple[str, ...] = ()
    """Symbols of algorithms, baselines and earlier runs: suggestions, not the venue's list."""
    markets: tuple[MarketView, ...] = ()
    """Markets in which the listed runs trade or have traded."""
    alarms: tuple[AlarmView, ...] = ()
    asks: tuple[AskView, ...] = ()
    """Questions of agents that wait for an answer, the oldest first."""
    story: tuple[StoryLine, ...] = ()
    """Events of all runs in a trader's terms, oldest first."""
    short_ids: Mapping[str, str] = field(default_factory=dict)
    """The first four characters of each run's id, or more where two runs begin alike, by the id."""
    commands: tuple[CommandView, ...] = field(default=())
    jobs: tuple[JobView, ...] = ()
    """The newest jobs, the newest first."""
    away: AwayView | None = None
    """Counts from before this screen was opened; None: not known, or no screen was open before."""
    problem: str = ""
    """Why the store could not be read, for an operator."""

    @property
    def unprotected(self) -> int:
        """Number of runs that are exposed without the stop that their algorithm has."""
        return sum(run.protection is Protection.UNPROTECTED for run in self.runs)

    @property
    def calling(self) -> tuple[AlarmView, ...]:
        """The alarms that no operator has acknowledged as they are now."""
        return tuple(alarm for alarm in self.alarms if not alarm.is_acknowledged)

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

    @cached_property
    def active(self) -> tuple[RunView, ...]:
        """The runs that are not finished."""
        return tuple(run for run in self.runs if run.state.is_active)

    @cached_property
    def working(self) -> tuple[JobView, ...]:
        """The jobs that are queued or running, the oldest first."""
        return tuple(job for job in reversed(self.jobs) if not job.state.is_over)

    @cached_property
    def making(self) -> JobView | None:
        """The baseline that is being made, or was made last; None: none was lately."""
        return next((job for job in self.jobs if job.kind is JobKind.BASELINE), None)

    @property
    def watch_count(self) -> WatchCount:
        """Counts of today's watches: all, diverged, and how many would diverge by chance alone."""
        reports = [run.watch.report for run in self.active if run.watch is not None]
        calibrated = sum(report.locked is not None for report in reports)
        return WatchCount(
            diverged=sum(report.verdict is Verdict.DIVERGED for report in reports),
            watched=len(reports),
            by_chance=calibrated * (JOINT_ALPHA + FILLS_ALPHA),
        )

    @cached_property
    def finished(self) -> tuple[RunView, ...]:
        """The finished runs in the list."""
        return tuple(run for run in self.runs if run.state.is_final)

    def run(self, run_id: str | None) -> RunView | None:
        """Return the run with that id; None: the snapshot does not have it."""
        return None if run_id is None else self._by_id.get(run_id)

    @cached_property
    def _by_id(self) -> dict[str, RunView]:
        return {run.run_id: run for run in self.runs}

    def short_id(self, run_id: str) -> str:
        """Return the short id of a run in lists."""
        return self.short_ids.get(run_id, run_id[:SHORT_ID])

    def wallet(self, name: str | None) -> WalletView | None:
        """Return the wallet of that name; None: the snapshot does not have it."""
        return next((wallet for wallet in self.wallets if wallet.name == name), None)

    @cached_property
    def offered(self) -> tuple[AlgorithmView, ...]:
        """The versions that can be launched: those of algorithms that are not archived."""
        return tuple(each for each in self.algorithms if not each.is_archived)

    def algorithm(self, name: str, version: int) -> AlgorithmView | None:
        """Return that version; None: the snapshot does not have it."""
        return next((each for each in self.algorithms if (each.name, each.version) == (name, version)), None)

    def command(self, command_id: int | None) -> CommandView | None:
        """Return the command with that id; None: this process did not send it."""
        return next((command for command in self.commands if command.command_id == command_id), None)


def empty_snapshot(time_ms: int, sentence: str = "reading the store…") -> ManagerSnapshot:
    """Return the snapshot before the store was read: it holds nothing."""
    return ManagerSnapshot(0, time_ms, False, EngineView(EngineWhere.NONE, sentence=sentence))
