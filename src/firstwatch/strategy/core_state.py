"""The decision core's field tables: its state, its settings and the plain numbers they hold.

One table serves two speeds: interpreted, a class with slots; compiled, a NumPy record with the same
fields. So both hold only ints and floats, and "none" is 0 (a price, a side, a code).
"""

from dataclasses import dataclass, fields

MAXIMUM_LINKS = 8
"""Most links a follow-up chain may have: the compiled record has a fixed number of places."""

# Phases. A position's phase is also its sign.
FLAT = 0
LONG = 1
SHORT = -1
RESET = 2

# What a close decided.
NOTHING = 0
ENTER = 1
EXIT = 2
CANCEL_ENTRY = 3
REST_AT_MARKET = 4
SLICE = 5

# The open entry order.
NO_ORDER = 0
MARKET_ORDER = 1
LIMIT_ORDER = 2
TWAP_ORDER = 3

# What a price that only touches a resting limit fills (``LimitRule``).
FILLS_THROUGH = 0
FILLS_TOUCHED = 1
FILLS_BY_QUEUE = 2

# Exit reasons, in the order of ExitReason.
SIGNAL = 1
STOP_LOSS = 2
TRAILING_STOP = 3
TAKE_PROFIT = 4
LIQUIDATION = 5
SESSION = 6
GUARD = 7
MANUAL = 8
RUN_END = 9
PROTECTION_FAILED = 10
END_OF_DATA = 11

# Why a run must stop.
GOES_ON = 0
STOP_BY_GUARD = 1
STOP_BY_CHAIN = 2
STOP_BY_TRADES_LIMIT = 3

# Causes of RESET.
NO_CAUSE = 0
AFTER_TRADE = 1
AMBIGUOUS = 2

# Reset modes.
COOLDOWN_ONLY = 1
REGULAR = 2
STRICT = 3

# How a level's distance is given.
NO_LEVEL = 0
FRACTION = 1
AMOUNT = 2
ATR = 3

# How a position is sized.
SIZE_FIXED = 1
SIZE_EQUITY = 2
SIZE_RISK = 3

# What a guard does when its limit is reached.
GUARD_PAUSES = 1
GUARD_STOPS = 2

# Bits of ``entries_paused_by_guard``.
DRAWDOWN_BIT = 1
DAILY_LOSS_BIT = 2
LOSING_TRADES_BIT = 4

# Bits of ``notes``: what the caller has to report (``core_notes``).
NOTE_BELOW_MINIMUM = 1
NOTE_EQUITY_GONE = 2
NOTE_SIZE_CAPPED = 4
NOTE_RISK_CAPPED = 8
NOTE_LEVEL_DROPPED = 16
NOTE_GUARD_PAUSE = 32
NOTE_GUARD_STOP = 64
NOTE_CHAIN_STOP = 128
NOTE_SLICE_CUT = 256
NOTE_KINDS = 9

# What a guard that stops the run does with the position.
LEAVE_POSITION = 1
LEAVE_UNPROTECTED = 2
CLOSE_POSITION = 3

NO_CAP = float("inf")
_NO_CODES = (0,) * MAXIMUM_LINKS
_NO_FACTORS = (0.0,) * MAXIMUM_LINKS


@dataclass(slots=True)
class CoreSettings:
    """Constants of a run. Rates are fractions, amounts in base, prices in quote."""

    allows_long: int = 1
    allows_short: int = 0
    capital: float = 10_000.0
    leverage: float = 1.0
    sizing_kind: int = SIZE_EQUITY
    sizing_value: float = 1.0
    stop_kind: int = NO_LEVEL
    stop_value: float = 0.0
    stop_trails: int = 0
    target_kind: int = NO_LEVEL
    target_value: float = 0.0
    order_kind: int = MARKET_ORDER
    order_offset: float = 0.0
    order_timeout_bars: int = 0
    order_bars: int = 0
    reset_mode: int = COOLDOWN_ONLY
    cooldown_bars: int = 0
    exhausted_stops: int = 0
    links: int = 0
    link_after: tuple[int, ...] = _NO_CODES
    """Bit ``1 << reason`` for each exit reason that triggers the link."""
    link_opposite: tuple[int, ...] = _NO_CODES
    link_wait: tuple[int, ...] = _NO_CODES
    link_within: tuple[int, ...] = _NO_CODES
    link_needs_signal: tuple[int, ...] = _NO_CODES
    link_factor: tuple[float, ...] = _NO_FACTORS
    drawdown_limit: float = 0.0
    drawdown_action: int = 0
    daily_loss_limit: float = 0.0
    daily_loss_action: int = 0
    losing_trades_limit: int = 0
    losing_trades_action: int = 0
    has_guards: int = 0
    guard_leaves: int = CLOSE_POSITION
    trades_limit: int = 0
    closes_on_exit: int = 1
    taker_fee: float = 0.00045
    maker_fee: float = 0.00045
    slippage: float = 0.0
    half_spread: float = 0.0
    limit_rule: int = FILLS_THROUGH
    """Simulated fills only, as ``limit_queue``: the part of a touching bar's volume that is ahead."""
    limit_queue: float = 0.0
    # A step or tick is units / scale, both whole: so a count of them becomes the float that is nearest
    # to the decimal, the same one that the venue's Decimal becomes.
    step_units: float = 1.0
    step_scale: float = 1e6
    tick_units: float = 1.0
    tick_scale: float = 100.0
    price_figures: int = 0
    minimum_steps: int = 0
    minimum_cost: float = 10.0
    maintenance: float = 0.0125


@dataclass(slots=True)
class CoreState:
    """State of the core. Money in quote; ``steps`` are whole amount steps of the market."""

    phase: int = FLAT
    bar_time_ms: int = 0
    last_close: float = 0.0
    armed_long: int = 0
    armed_short: int = 0
    refused_long: int = 0
    """1 after a refused entry, until the side's group was false."""
    refused_short: int = 0
    entries: int = 0
    """Positions opened, each counted at its first fill."""
    trades: int = 0
    """Positions closed."""
    stop_run: int = GOES_ON
    notes: int = 0
    """Bits of what happened since they were last read; the reader clears them."""

    # The ledger.
    cash: float = 0.0
    """Capital + realised PnL - fees - funding."""
    equity: float = 0.0
    """Run equity E at the last mark."""
    equity_cap: float = NO_CAP
    """What the wallet holds: the live run sets it before a close, a backtest never."""
    peak_equity: float = 0.0
    day: int = -1
    day_first_equity: float = 0.0
    losing_trades: int = 0
    entries_paused_by_guard: int = 0
    guard_stopped: int = 0
    """The bit of the guard that has stopped the run."""
    slippage_paid: float = 0.0
    """Simulated fills only: what slippage and spread have cost."""

    # The position.
    steps: int = 0
    amount: float = 0.0
    entry_price: float = 0.0
    margin: float = 0.0
    """Isolated margin left: entry price x amount / leverage, less funding paid."""
    liquidation: float = 0.0
    level_price: float = 0.0
    """The price that stop and target are measured from: the average entry, adopted: the venue's."""
    stop: float = 0.0
    target: float = 0.0
    best: float = 0.0
    stop_has_moved: int = 0
    level_dropped: int = 0
    """1 where a stop or target of the algorithm would lie beyond zero: the position has none."""
    atr_stop: float = 0.0
    atr_target: float = 0.0
    entry_at_open: int = 0
    bars_held: int = 0
    """Closes that the position has stood through."""
    adverse: float = 0.0
    favourable: float = 0.0
    position_steps: int = 0
    """Steps that the entry has filled so far."""
    exit_steps: int = 0
    exit_price: float = 0.0
    gross: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    expected_entry: float = 0.0
    expected_exit: float = 0.0
    alerted: int = 0
    """The exit reason that was already alerted (``closes_on_exit`` off)."""

    # The open entry order.
    entry_order: int = NO_ORDER
    entry_side: int = 0
    entry_steps: int = 0
    """Steps not filled yet; of a TWAP entry, those of the slice that was decided last."""
    entry_limit: float = 0.0
    entry_bars: int = 0
    entry_is_link: int = 0
    slices: int = 0
    """Slices of a TWAP entry that are not decided yet."""
    slice_steps: int = 0
    """Steps of each but the last."""
    slices_steps: int = 0
    """Steps of all of them."""
    slice_price: float = 0.0
    """The close that decided the last slice: while it fills, ``expected_entry`` counts the whole of it."""
    size_asked: float = 0.0
    """The sizing value of the last decided entry, its factor included; ``size_granted``: the part granted."""
    size_granted: float = 0.0

    # After a trade.
    reset_cause: int = NO_CAUSE
    reset_side: int = 0
    reset_bar: int = 0
    link: int = 0
    """The pending link, counted from 1."""
    chain: int = 0
    """Links taken so far: the index of the next."""

    # What the last close decided.
    decision: int = NOTHING
    decision_side: int = 0
    decision_steps: int = 0
    decision_limit: float = 0.0
    decision_reason: int = 0
    decision_is_follow_up: int = 0
    stop_moved: int = 0
    refused: int = 0
    """The side of a refused entry, set once."""
    alert: int = 0
    """The exit reason that was decided and not acted on (``closes_on_exit`` off), set once."""

    # The last closed trade.
    closed_side: int = 0
    closed_steps: int = 0
    closed_entry_price: float = 0.0
    closed_exit_price: float = 0.0
    closed_gross: float = 0.0
    closed_fees: float = 0.0
    closed_funding: float = 0.0
    closed_pnl: float = 0.0
    closed_reason: int = 0
    closed_bars_held: int = 0
    closed_adverse: float = 0.0
    closed_favourable: float = 0.0
    closed_expected_entry: float = 0.0
    closed_expected_exit: float = 0.0


def record_fields(table: type[CoreState] | type[CoreSettings]) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return the fields as ``numpy.dtype`` takes them, for the compiled record: name, kind, shape."""
    described: list[tuple[str, str, tuple[int, ...]]] = []
    for entry in fields(table):
        default = entry.default
        shape = (len(default),) if isinstance(default, tuple) else ()
        sample = default[0] if isinstance(default, tuple) else default
        described.append((entry.name, "f8" if isinstance(sample, float) else "i8", shape))
    return described
