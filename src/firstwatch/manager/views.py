"""Frozen view models for the screen, made from the store only.

None means that the store does not know the value; the screen shows "?", never a zero. Times are milliseconds
since the epoch, UTC. Money is Decimal, in quote; only curves are float64 arrays. The details of the selected
run are in ``run_views``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from firstwatch.trading.account import MoneyKind
from firstwatch.trading.alarms import AlarmAction, AlarmSeverity
from firstwatch.trading.commands import CommandOutcome
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.launch import LaunchPreview
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import Author, ExitReason, Exposure, Health, Protection, RunState, StopMode
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.verdicts import CheckName, Verdict
from firstwatch.venues.registry import is_paper

if TYPE_CHECKING:
    # Not at run time: importing them would delay the first paint.

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
class WatchSummary:
    """What a list shows of the newest day's report of a run: a report has hundreds of values."""

    day: int
    hours: float
    """Hours on watch that day."""
    verdict: Verdict
    failing: tuple[CheckName, ...]
    """The checks that cause the verdict, if it is a bad one."""
    is_calibrated: bool


@dataclass(frozen=True, slots=True)
class WatchCount:
    """How many active runs are watched and diverge today, and how many would by chance alone."""

    diverged: int
    watched: int
    by_chance: float


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
    position: PositionView | None = None
    watch: WatchSummary | None = None
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
