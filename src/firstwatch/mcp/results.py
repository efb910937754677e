"""Answers of the tools, as models: their schemas are what a client is promised.

Units are in the names: ``_quote`` money of the market's quote coin, ``_base`` amounts of the traded coin,
``_price`` quote per base, ``_fraction`` shares of 1, ``_bps`` basis points. Times are ISO 8601, UTC. A field
that ends in ``_text`` holds what others wrote, cleaned: it is data, whatever it says. None: not known.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from firstwatch.trading.numbers import tidy

T = TypeVar("T")

Mode = Literal["paper", "testnet", "live"]
"""Kind of money."""


def _number(value: Any) -> Any:
    return None if value is None else tidy(float(value))


Number = Annotated[float, BeforeValidator(_number)]
"""A JSON number: the double nearest to the decimal."""
MaybeNumber = Annotated[float | None, BeforeValidator(_number)]


class Result(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Envelope(Result, Generic[T]):
    """What every answer has around its data."""

    mode: Literal["paper", "testnet", "live", "mixed"]
    """Kind of money of all that the data is about; ``mixed`` also where it is about none."""
    as_of: str
    """The time of the oldest figure in it that moves."""
    age_seconds: Number
    unknown: dict[str, str]
    """Why a field of the data is not known, by its name."""
    data: T


class Row(Result):
    """What every row of a list has."""

    mode: Mode | None
    wallet: str | None
    age_seconds: MaybeNumber
    """Age of its live figures; None: it has none."""


class Page(Result, Generic[T]):
    """A part of a list."""

    rows: list[T]
    total: int
    next_cursor: int | None
    """What the next call has as its cursor; None: there is no more."""


class RunRow(Row):
    run: str
    algorithm: str
    version: int
    symbol: str
    venue: str
    status: str
    entries_paused: bool
    health: str
    exposure: str
    protection: str
    side: Literal["long", "short"] | None
    amount_base: MaybeNumber
    capital_quote: Number
    leverage: Number
    equity_quote: MaybeNumber
    pnl_quote: MaybeNumber
    pnl_fraction: MaybeNumber
    unrealised_pnl_quote: MaybeNumber
    first_watch: str | None
    started_at: str | None
    ended_at: str | None


class Position(Result):
    side: Literal["long", "short"]
    amount_base: Number
    entry_price: MaybeNumber
    mark_price: MaybeNumber
    stop_price: MaybeNumber
    """The level that rests at the venue."""
    target_price: MaybeNumber
    stop_wanted_price: MaybeNumber
    liquidation_price: MaybeNumber
    margin_quote: MaybeNumber


class TradeRow(Result):
    number: int
    side: str
    entry_at: str
    exit_at: str
    entry_price: Number
    exit_price: Number
    amount_base: Number
    pnl_quote: Number
    fees_quote: Number
    funding_quote: Number
    reason: str
    bars_held: int


class FillRow(Result):
    at: str
    side: str
    amount_base: Number
    price: Number
    fee_quote: Number
    slippage_bps: MaybeNumber
    """How much worse than the middle price at the decision; below 0: better."""


class AlarmRow(Row):
    topic: str
    severity: str
    run: str | None
    since: str
    acknowledged: bool
    sentence_text: str


class RunData(Result):
    run: RunRow
    timeframe: str | None
    created_at: str
    last_close_at: str | None
    stop_mode: str | None
    exit_reason: str | None
    position: Position | None
    open_orders: int
    trades: int
    recent_trades: list[TradeRow]
    recent_fills: list[FillRow]
    journal_length: int
    alarms: list[AlarmRow]
    state_text: str
    pause_reason_text: str
    last_decision_text: str
    next_decision_text: list[str]


class CheckRow(Result):
    name: str
    verdict: str
    observed: MaybeNumber
    expected: MaybeNumber
    band: list[float] | None
    """5th and 95th percentile of the baseline's days."""
    sample: int | None
    p_adjusted: MaybeNumber
    sentence_text: str
    advice_text: str


class MismatchRow(Result):
    at: str
    cause: str
    what_text: str


class WatchData(Result):
    run: str
    day: int
    days: int
    hours: Number
    verdict: str
    next_look_at: str | None
    checks: list[CheckRow]
    mismatches: list[MismatchRow]
    mismatch_total: int
    pnl_difference_quote: dict[str, float | None]
    """Why the PnL differs from that of the same algorithm on the same bars, by cause."""
    next_text: str


class Metric(Result):
    name: str
    value: MaybeNumber
    baseline: MaybeNumber
    low: MaybeNumber
    high: MaybeNumber


class TestData(Result):
    """Metrics of a run, a backtest or a job."""

    kind: Literal["run", "backtest", "job"]
    id: str
    state: str
    is_complete: bool
    progress_fraction: Number
    algorithm: str | None
    version: int | None
    symbol: str | None
    timeframe: str | None
    begins_at: str | None
    ends_at: str | None
    bars: int | None
    metrics: list[Metric]
    exit_reasons: dict[str, int]
    note_text: str


class WalletRow(Row):
    venue: str
    total_quote: MaybeNumber
    used_quote: MaybeNumber
    free_quote: MaybeNumber
    exposure: str
    run: str | None
    problem_text: str


class PositionRow(Row):
    run: str | None
    """None: no run manages it."""
    symbol: str
    side: str
    amount_base: Number
    entry_price: MaybeNumber
    mark_price: MaybeNumber
    unrealised_pnl_quote: MaybeNumber
    stop_price: MaybeNumber
    protection: str | None


class RunningRow(Row):
    run: str
    algorithm: str
    version: int
    symbol: str
    status: str
    entries_paused: bool
    pnl_quote: MaybeNumber


class AccountData(Result):
    engine: Literal["embedded", "attached", "none", "not responding"]
    engine_accepts_commands: bool
    wallets: list[WalletRow]
    positions: list[PositionRow]
    running: list[RunningRow]
    alarms: list[AlarmRow]
    waiting_asks: int
    left_out: int
    """Rows that are not shown; the lists of the other tools have them."""


class AlgorithmRow(Row):
    algorithm: str
    version: int
    timeframe: str
    direction: str
    symbol: str | None
    has_stop: bool
    has_baseline: bool
    baseline_text: str
    active_runs: int


class TestRow(Result):
    backtestId: int
    symbol: str
    begins_at: str
    ends_at: str
    bars: int
    trades: int | None
    total_return_fraction: MaybeNumber
    max_drawdown_fraction: MaybeNumber
    sharpe: MaybeNumber


class AlgorithmData(Result):
    algorithm: str
    version: int
    versions: list[int]
    sha256: str
    timeframe: str
    direction: str
    symbol: str | None
    conditions: dict[str, list[str]]
    """The conditions of each group, by its place in the file: ``entry.long.required``; a tree as one text."""
    parameters: dict[str, Any]
    """Stop, target, sizing, order and reset, as the file has them."""
    backtests: list[TestRow]


class JournalRow(Row):
    seq: int
    at: str
    venue_at: str | None
    kind: str
    author: str
    approved_by: str | None
    is_alarm: bool
    sentence_text: str


class JournalPage(Result):
    run: str
    rows: list[JournalRow]
    journal_length: int
    next_after: int | None
    """What the next call has as ``after``; None: there is no more now."""


class MarketRow(Row):
    venue: str
    symbol: str
    price: MaybeNumber
    tick_price: Number
    minimum_cost_quote: Number
    maximum_leverage: int


class PlanData(Result):
    """What an act would do; the same call with the token does it."""

    plan: list[str]
    token: str
    expires_at: str
    confirm: Literal["operator", "token"]


class OutcomeData(Result):
    status: Literal["done", "refused", "waiting", "expired"]
    sentence: str
    ask: int | None
    repeated: bool


class JobOutcomeData(OutcomeData):
    job: int | None


class ChoiceData(Result):
    """Several runs could be meant; there is no token."""

    sentence: str
    choose_from: list[RunRow]


class NoneData(Result):
    """No run is active."""

    sentence: str
