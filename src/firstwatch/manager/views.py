"""What the screen shows: frozen view models, made from the store and from nothing else.

None means that the store does not know it; the screen writes "?" and never a zero in its place.
Times are milliseconds since the epoch, UTC. Money is Decimal; only curves are float64 arrays.
"""

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
from firstwatch.venues.registry import is_paper

if TYPE_CHECKING:
    # Not at run time: numpy would stand in front of the first paint.
    import numpy as np
    from numpy.typing import NDArray


class EngineWhere(StrEnum):
    """Where the engine of this data folder lives, seen from here."""

    EMBEDDED = "embedded"
    """In this process."""
    ATTACHED = "attached"
    """In another process, and heard of."""
    NONE = "none"
    """Nobody holds it."""
    NOT_RESPONDING = "not responding"
    """Another process holds it and is silent. It is never overtaken."""


@dataclass(frozen=True, slots=True)
class EngineView:
    """The engine that commands would reach."""

    where: EngineWhere
    pid: int | None = None
    heartbeat_ms: int | None = None
    sentence: str = ""
    """What is wrong or under way, for an operator."""

    @property
    def takes_commands(self) -> bool:
        return self.where in (EngineWhere.EMBEDDED, EngineWhere.ATTACHED)


@dataclass(frozen=True, slots=True)
class KeyView:
    """The key that trades for a wallet, as of ``read_ms``."""

    address: str | None
    """None: the vault has none."""
    is_master: bool
    """It also withdraws and approves; else it is an API wallet (agent), which trades only."""
    valid_until_ms: int | None
    """None: for ever, or the venue does not say."""
    missing: tuple[str, ...] | None
    """Names of the approvals that are not given; None: the venue was not asked yet."""
    read_ms: int | None


@dataclass(frozen=True, slots=True)
class HeldView:
    """A position that a venue shows in a wallet, whoever opened it."""

    symbol: str
    side: Side
    amount: Decimal


@dataclass(frozen=True, slots=True)
class WalletView:
    """One run wallet. ``total``, ``used``, ``free`` (in quote) and ``held`` are as of ``balance_ms``."""

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
    """Of the last run in this wallet: exposed or unknown without an active run is an alarm."""
    key: KeyView | None = None
    """None: on paper there is none, elsewhere nothing is known of it."""
    held: tuple[HeldView, ...] | None = None
    """None: not known."""
    problem: str = ""
    """Why the venue could not be asked the last time."""

    @property
    def is_live(self) -> bool:
        """Its orders are signed with a key, and its money is real."""
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
    """Set: a run cannot choose another."""
    has_stop: bool
    baseline: str
    """The latest backtest in words with figures; empty: there is none."""


@dataclass(frozen=True, slots=True)
class RunView:
    """One run in a list. Volatile figures are as of ``live_ms``."""

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
    is_damaged: bool = False
    """Something that the store holds of it cannot be read; nothing is known but what the row here says."""

    @property
    def title(self) -> str:
        """``RSI reversion@1``: how an operator calls it."""
        return f"{self.algorithm}@{self.version}"

    @property
    def pnl(self) -> Decimal | None:
        """Equity less capital."""
        return None if self.equity is None else self.equity - self.capital


@dataclass(frozen=True, slots=True)
class PositionView:
    """A run's position as the venue last said. ``side`` None: flat.

    ``stop`` and ``target`` are what the venue has confirmed (None: none rests), ``stop_wanted`` and
    ``target_wanted`` what the run wants.
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
        """A stop rests, but not where it is wanted."""
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
    """One move of an order."""

    time_ms: int
    state: OrderState
    why: str


@dataclass(frozen=True, slots=True)
class FillView:
    """One execution of the selected run."""

    fill_id: str
    client_order_id: str | None
    side: OrderSide
    amount: Decimal
    price: Decimal
    fee: Decimal
    time_ms: int
    is_maker: bool


@dataclass(frozen=True, slots=True)
class EventView:
    """One journal row of the selected run, as a sentence."""

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
    """Something an operator must see. It stands until what raised it is over."""

    topic: str
    sentence: str
    run_id: str | None
    wallet: str | None
    since_ms: int


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command sent from here, and what became of it."""

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
class MetricView:
    """One line of the summary: live beside what the baseline said. Both are formatted by the screen."""

    name: str
    live: float | None
    baseline: float | None
    needs_days: int = 0
    """UTC days that it needs, where the run is younger."""


@dataclass(frozen=True, eq=False)
class RunDetails:
    """Everything that is shown of the selected run only. Curves are float64 over int64 times."""

    run_id: str
    settings: LaunchSettings
    events: tuple[EventView, ...]
    """The newest, oldest first."""
    journal_length: int
    orders: tuple[OrderView, ...]
    fills: tuple[FillView, ...]
    trades: tuple[Trade, ...]
    position: PositionView | None
    equity_time_ms: "NDArray[np.int64]"
    equity: "NDArray[np.float64]"
    price_time_ms: "NDArray[np.int64]"
    price: "NDArray[np.float64]"
    """Closes of the run's own bars, as far as they are known."""
    metrics: tuple[MetricView, ...] = ()


@dataclass(frozen=True, eq=False)
class ManagerSnapshot:
    """One moment of the store. Ages are reckoned by the screen's own clock from the times in here."""

    sequence: int
    """Grows with every snapshot; a command says which one its author was looking at."""
    time_ms: int
    is_ready: bool
    """False until the store has been read for the first time."""
    engine: EngineView
    wallets: tuple[WalletView, ...] = ()
    runs: tuple[RunView, ...] = ()
    """Active ones first, then the finished ones, newest first in each."""
    selected: RunDetails | None = None
    algorithms: tuple[AlgorithmView, ...] = ()
    venues: tuple[str, ...] = ()
    live_venues: tuple[str, ...] = ()
    """Those of them whose wallets have keys."""
    symbols: tuple[str, ...] = ()
    """Known from algorithms, baselines and earlier runs: suggestions, not the venue's word."""
    alarms: tuple[AlarmView, ...] = ()
    commands: tuple[CommandView, ...] = field(default=())
    problem: str = ""
    """Why the store could not be read, for an operator."""

    @property
    def unprotected(self) -> int:
        """How many runs are exposed without the stop that their algorithm has."""
        return sum(run.protection is Protection.UNPROTECTED for run in self.runs)

    @property
    def problems(self) -> tuple[str, ...]:
        """What an operator must look at, in sentences: no engine for what wants one, and all alarms."""
        engine = self.engine
        is_silent = engine.where is EngineWhere.NOT_RESPONDING
        wanting = "1 active run wants" if len(self.active) == 1 else f"{len(self.active)} active runs want"
        unattended = f"{engine.sentence}, and {wanting} one; start it with: firstwatch engine"
        found = [engine.sentence] if is_silent else []
        found += [unattended] if self.active and engine.where is EngineWhere.NONE else []
        return (*found, *(alarm.sentence for alarm in self.alarms))

    @property
    def active(self) -> tuple[RunView, ...]:
        return tuple(run for run in self.runs if run.state.is_active)

    @property
    def finished(self) -> tuple[RunView, ...]:
        return tuple(run for run in self.runs if run.state.is_final)

    def run(self, run_id: str | None) -> RunView | None:
        """Return the run with that id, if the snapshot holds it."""
        return next((run for run in self.runs if run.run_id == run_id), None)

    def wallet(self, name: str | None) -> WalletView | None:
        """Return the wallet of that name, if the snapshot holds it."""
        return next((wallet for wallet in self.wallets if wallet.name == name), None)

    def command(self, command_id: int | None) -> CommandView | None:
        """Return the command with that id, if it was sent from here."""
        return next((command for command in self.commands if command.command_id == command_id), None)


def empty_snapshot(time_ms: int, sentence: str = "reading the store…") -> ManagerSnapshot:
    """Return what is known before the store was read: nothing."""
    return ManagerSnapshot(0, time_ms, False, EngineView(EngineWhere.NONE, sentence=sentence))
