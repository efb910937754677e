"""The tables. Rows stay inside the store: repositories return frozen views.

The file is long because the whole schema is in one place, as the counterpart of the migrations. Columns of
later revisions come last in their table, so that a migrated store has the same shape as a new one. JSON
columns hold text from pydantic models of ``trading`` or from the module that owns the noun.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Insert,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlmodel import Field, SQLModel

from firstwatch.store.types import Milliseconds, Money, PackedBytes, PackedText, RowNumber

_ACTIVE_RUN = text("state IN ('NEW', 'RUNNING', 'STOPPING')")
_STANDS = text("cleared_at_ms IS NULL")
_WAITS = text("state = 'waiting'")
_UNFINISHED = text("outcome = 'PENDING' OR outcome = 'ACCEPTED'")


class _Rows(SQLModel):
    # The names of constraints are part of the schema that migrations must reproduce.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _number() -> Any:
    return Field(default=None, sa_column=Column(RowNumber, primary_key=True, autoincrement=True))


def _ref(target: str, *, primary_key: bool = False, nullable: bool = False) -> Any:
    foreign_key = ForeignKey(target)
    column: Column[Any]
    if target.endswith(".id") and target != "run.id":
        column = Column(RowNumber, foreign_key, nullable=nullable)
    else:
        column = Column(foreign_key, primary_key=primary_key, nullable=nullable)
    return Field(default=None, sa_column=column)


def _ms(*, primary_key: bool = False) -> Any:
    return Field(sa_type=Milliseconds, primary_key=primary_key)


def _ms_or_none() -> Any:
    return Field(default=None, sa_type=Milliseconds)


def _money() -> Any:
    return Field(sa_type=Money)


def _money_or_none() -> Any:
    return Field(default=None, sa_type=Money)


def _json(*, default: str | None = None) -> Any:
    return Field(sa_type=Text, sa_column_kwargs={"server_default": default} if default else {})


def _packed(*, default: str | None = None) -> Any:
    return Field(
        sa_type=PackedText, sa_column_kwargs={"server_default": text(f"'{default}'")} if default else {}
    )


# --- algorithms and their backtests --------------------------------------------------------------


class AlgorithmTable(_Rows, table=True):
    """An algorithm: its name."""

    __tablename__ = "algorithm"

    id: int | None = _number()
    name: str = Field(unique=True)
    created_at_ms: int = _ms()
    archived_at_ms: int | None = _ms_or_none()


class FormerNameTable(_Rows, table=True):
    """A name that an algorithm had. It goes on meaning that algorithm, and no other one may take it."""

    __tablename__ = "former_name"

    name: str = Field(primary_key=True)
    algorithm_id: int = _ref("algorithm.id")


class AlgorithmVersionTable(_Rows, table=True):
    """One version: canonical JSON of the specification, and its hash."""

    __tablename__ = "algorithm_version"
    __table_args__ = (UniqueConstraint("algorithm_id", "number"), UniqueConstraint("algorithm_id", "sha256"))

    id: int | None = _number()
    algorithm_id: int = _ref("algorithm.id")
    number: int
    spec_json: str = _json()
    sha256: str
    created_at_ms: int = _ms()
    note: str = Field(default="", sa_column_kwargs={"server_default": ""})
    parent_id: int | None = Field(default=None, sa_type=RowNumber)


class BacktestTable(_Rows, table=True):
    """A backtest of a version; trades and equity are packed (``curves``)."""

    __tablename__ = "backtest"
    __table_args__ = (Index(None, "version_id", "symbol"),)

    id: int | None = _number()
    version_id: int = _ref("algorithm_version.id")
    symbol: str
    timeframe: str
    costs_json: str = _json()
    settings_json: str = _json()
    start_ms: int = _ms()
    end_ms: int = _ms()
    bars: int
    metrics_json: str = _json()
    trades: bytes = Field(sa_type=LargeBinary)
    equity: bytes = Field(sa_type=LargeBinary)
    created_at_ms: int = _ms()
    market_json: str = _json(default="{}")
    candles: str = Field(default="", sa_column_kwargs={"server_default": ""})
    core_version: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


# --- wallets and runs ----------------------------------------------------------------------------


class WalletTable(_Rows, table=True):
    """A name for an account at a venue."""

    __tablename__ = "wallet"

    id: int | None = _number()
    name: str = Field(unique=True)
    venue: str
    kind: str
    account: str
    created_at_ms: int = _ms()
    archived_at_ms: int | None = _ms_or_none()


class RunTable(_Rows, table=True):
    """A run: its frozen settings and market, its state, and the facts beside the state."""

    __tablename__ = "run"
    __table_args__ = (
        Index("uq_run_active_wallet", "wallet_id", unique=True, sqlite_where=_ACTIVE_RUN,
              postgresql_where=_ACTIVE_RUN),
        Index(None, "created_at_ms"),
    )  # fmt: skip

    id: str = Field(primary_key=True)
    wallet_id: int = _ref("wallet.id")
    version_id: int = _ref("algorithm_version.id")
    settings_json: str = _packed()
    state: str
    paused: bool
    pause_reason: str
    health: str
    exposure: str
    protection: str
    stop_mode: str | None = None
    exit_reason: str | None = None
    sentence: str
    parent_run_id: str | None = None
    created_at_ms: int = _ms()
    started_at_ms: int | None = _ms_or_none()
    ended_at_ms: int | None = _ms_or_none()
    market_json: str = _packed()
    first_bars_json: str = _json(default="{}")


class RunEventTable(_Rows, table=True):
    """Journal entries of one transaction, packed; ``sequence`` and ``place`` are those of the last one."""

    __tablename__ = "run_event"
    __table_args__ = (UniqueConstraint("run_id", "sequence"),)

    run_id: str = _ref("run.id")
    sequence: int
    kind: str
    payload_version: int
    payload: Any = _json()
    author: str
    venue_time_ms: int | None = _ms_or_none()
    local_time_ms: int = _ms()
    place: int | None = _number()


class AlarmTable(_Rows, table=True):
    """One topic of alarms of a run. ``cleared_at_ms`` None: the alarm is active."""

    __tablename__ = "alarm"
    __table_args__ = (
        Index("ix_alarm_standing", "run_id", sqlite_where=_STANDS, postgresql_where=_STANDS),
    )  # fmt: skip

    run_id: str = _ref("run.id", primary_key=True)
    topic: str = Field(primary_key=True)
    sentence: str
    raised: int
    since_ms: int = _ms()
    cleared_at_ms: int | None = _ms_or_none()


class AlarmAcknowledgementTable(_Rows, table=True):
    """An alarm that an operator has acknowledged; ``seen``: its state then."""

    __tablename__ = "alarm_acknowledgement"

    alarm_id: str = Field(primary_key=True)
    seen: str
    at_ms: int = _ms()
    is_left: bool


class AlertSentTable(_Rows, table=True):
    """The last alarm of a run or wallet on a topic that was sent to an address; it began at ``since_ms``."""

    __tablename__ = "alert_sent"

    address: str = Field(primary_key=True)
    owner: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    since_ms: int = _ms()
    sent_at_ms: int = _ms()


class AlertAddressTable(_Rows, table=True):
    """An address, by its hash, to which sending fails."""

    __tablename__ = "alert_address"

    address: str = Field(primary_key=True)
    failing_since_ms: int = _ms()
    problem: str


class CheckpointTable(_Rows, table=True):
    """Start of a recovery, as the changes since the run's base was written."""

    __tablename__ = "checkpoint"

    run_id: str = _ref("run.id", primary_key=True)
    payload: Any = _json()
    sequence: int
    updated_at_ms: int = _ms()


class CheckpointBaseTable(_Rows, table=True):
    """The packed text against which a run's checkpoint is packed."""

    __tablename__ = "checkpoint_base"

    run_id: str = _ref("run.id", primary_key=True)
    payload: Any = _json()


class RunArchiveTable(_Rows, table=True):
    """The packed journal of an ended run, up to the entry ``sequence``."""

    __tablename__ = "run_archive"

    run_id: str = _ref("run.id", primary_key=True)
    sequence: int
    rows: bytes = Field(sa_type=LargeBinary)


class RunOrderTable(_Rows, table=True):
    """An order of a run, with the prepared request in ``body``. Amounts in base coin, prices in quote."""

    __tablename__ = "run_order"

    client_order_id: str = Field(primary_key=True)
    run_id: str = _ref("run.id")
    account: str
    symbol: str
    purpose: str
    side: str
    kind: str
    amount: Decimal = _money()
    reduce_only: bool
    price: Decimal | None = _money_or_none()
    trigger_price: Decimal | None = _money_or_none()
    state: str
    filled: Decimal = _money()
    average_price: Decimal | None = _money_or_none()
    venue_order_id: str | None = None
    nonce: int | None = _ms_or_none()
    body: bytes = Field(sa_type=PackedBytes)
    expires_at_ms: int | None = _ms_or_none()
    history_json: str = _packed()
    created_at_ms: int = _ms()
    updated_at_ms: int = _ms()
    touches_json: str = _packed(default="[null, null, null]")


class WalletOrderTable(_Rows, table=True):
    """An order that closes a wallet's position without a run: reduce-only, at market."""

    __tablename__ = "wallet_order"

    client_order_id: str = Field(primary_key=True)
    wallet_id: int = _ref("wallet.id")
    account: str
    symbol: str
    side: str
    amount: Decimal = _money()
    price: Decimal | None = _money_or_none()
    state: str
    filled: Decimal = _money()
    average_price: Decimal | None = _money_or_none()
    venue_order_id: str | None = None
    nonce: int | None = _ms_or_none()
    body: bytes = Field(sa_type=PackedBytes)
    expires_at_ms: int | None = _ms_or_none()
    history_json: str = _packed()
    created_at_ms: int = _ms()
    updated_at_ms: int = _ms()


class FillTable(_Rows, table=True):
    """A fill of a run, unique by venue, account and fill id. Fees and mids in quote."""

    __tablename__ = "fill"
    __table_args__ = (Index(None, "run_id", "time_ms"),)

    venue: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    fill_id: str = Field(primary_key=True)
    run_id: str = _ref("run.id")
    client_order_id: str | None = None
    symbol: str
    side: str
    amount: Decimal = _money()
    price: Decimal = _money()
    fee: Decimal = _money()
    builder_fee: Decimal = _money()
    is_maker: bool
    is_liquidation: bool
    time_ms: int = _ms()
    local_time_ms: int = _ms()
    mid_at_decision: float | None = None
    mid_at_submission: float | None = None
    mid_at_acknowledgement: float | None = None
    mid_at_fill: float | None = None


class FundingTable(_Rows, table=True):
    """A funding payment of a run; ``paid`` in quote, negative: received."""

    __tablename__ = "funding"
    __table_args__ = (Index(None, "run_id", "time_ms"),)

    venue: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    funding_id: str = Field(primary_key=True)
    run_id: str = _ref("run.id")
    symbol: str
    paid: Decimal = _money()
    rate: Decimal = _money()
    time_ms: int = _ms()
    local_time_ms: int = _ms()


class TradeTable(_Rows, table=True):
    """A finished trade of a run, numbered from 1. PnL and excursions in quote."""

    __tablename__ = "trade"

    run_id: str = _ref("run.id", primary_key=True)
    number: int = Field(primary_key=True)
    side: str
    entry_time_ms: int = _ms()
    entry_price: Decimal = _money()
    exit_time_ms: int = _ms()
    exit_price: Decimal = _money()
    amount: Decimal = _money()
    gross_pnl: Decimal = _money()
    fees: Decimal = _money()
    funding: Decimal = _money()
    pnl: Decimal = _money()
    reason: str
    bars_held: int
    adverse_excursion: Decimal = _money()
    favourable_excursion: Decimal = _money()
    expected_entry_price: Decimal | None = _money_or_none()
    expected_exit_price: Decimal | None = _money_or_none()


class PositionTable(_Rows, table=True):
    """The position of a run. Amount in base coin, levels and margin in quote."""

    __tablename__ = "position"

    run_id: str = _ref("run.id", primary_key=True)
    symbol: str
    side: str | None = None
    amount: Decimal = _money()
    entry_price: Decimal | None = _money_or_none()
    stop: Decimal | None = _money_or_none()
    target: Decimal | None = _money_or_none()
    liquidation_price: Decimal | None = _money_or_none()
    margin: Decimal = _money()
    leverage: Decimal | None = _money_or_none()
    opened_at_ms: int | None = _ms_or_none()
    updated_at_ms: int = _ms()
    stop_wanted: Decimal | None = _money_or_none()
    target_wanted: Decimal | None = _money_or_none()


class EquityTable(_Rows, table=True):
    """Equity of a run at its closes: float64 in quote by the core's formula, as in a backtest."""

    __tablename__ = "equity"
    # The points of a run are stored together by time, without a separate index.
    __table_args__ = {"sqlite_with_rowid": False}

    run_id: str = _ref("run.id", primary_key=True)
    time_ms: int = _ms(primary_key=True)
    equity: float


class EquityCurveTable(_Rows, table=True):
    """The packed curve of a finished run."""

    __tablename__ = "equity_curve"

    run_id: str = _ref("run.id", primary_key=True)
    curve: bytes = Field(sa_type=LargeBinary)


class RunBarTable(_Rows, table=True):
    """A block of bars that a run has handled, packed; ``first_ms``: the open time of its first one."""

    __tablename__ = "run_bar"

    run_id: str = _ref("run.id", primary_key=True)
    first_ms: int = _ms(primary_key=True)
    bars: bytes = Field(sa_type=LargeBinary)


class RunWarmUpTable(_Rows, table=True):
    """The bars with which a run's indicators were warmed up, packed."""

    __tablename__ = "run_warm_up"

    run_id: str = _ref("run.id", primary_key=True)
    timeframe: str = Field(primary_key=True)
    bars: bytes = Field(sa_type=LargeBinary)


class RunRereadTable(_Rows, table=True):
    """Open time up to which a run's bars were reread at the venue and compared."""

    __tablename__ = "run_reread"

    run_id: str = _ref("run.id", primary_key=True)
    until_ms: int = _ms()


class RunOutlookTable(_Rows, table=True):
    """The outlook of a run at its last close: conditions that would have to become true at the next."""

    __tablename__ = "run_outlook"

    run_id: str = _ref("run.id", primary_key=True)
    outlook_json: str = _packed()


class LiveStatusTable(_Rows, table=True):
    """Figures of a run that change all the time, in quote."""

    __tablename__ = "live_status"

    run_id: str = _ref("run.id", primary_key=True)
    mark: float | None = None
    unrealised_pnl: Decimal | None = _money_or_none()
    equity: Decimal | None = _money_or_none()
    last_bar_ms: int | None = _ms_or_none()
    venue_time_ms: int | None = _ms_or_none()
    streams_json: str = _json()
    updated_at_ms: int = _ms()


class WalletStatusTable(_Rows, table=True):
    """Last known money and key of a wallet, each with its time."""

    __tablename__ = "wallet_standing"

    wallet_id: int = Field(
        sa_column=Column(RowNumber, ForeignKey("wallet.id"), primary_key=True, autoincrement=False)
    )
    total: Decimal | None = _money_or_none()
    used: Decimal | None = _money_or_none()
    held_json: str | None = Field(default=None, sa_type=Text)
    money_at_ms: int | None = _ms_or_none()
    key_address: str | None = None
    key_kind: str | None = None
    valid_until_ms: int | None = _ms_or_none()
    missing_json: str | None = Field(default=None, sa_type=Text)
    key_at_ms: int | None = _ms_or_none()
    problem: str
    held_since_ms: int | None = _ms_or_none()


# --- the first watch -----------------------------------------------------------------------------


class WatchRecipeTable(_Rows, table=True):
    """The recipe of a day's calibration, fixed before its first order; ``tables`` is its packed result."""

    __tablename__ = "watch_recipe"

    run_id: str = _ref("run.id", primary_key=True)
    day: int = Field(primary_key=True)
    recipe_json: str = _json()
    sha256: str
    locked_at_ms: int = _ms()
    tables: bytes | None = Field(default=None, sa_type=LargeBinary)


class TimeLostTable(_Rows, table=True):
    """A stretch in which a run could not trade, by its venue's time; ``to_ms`` None: it goes on."""

    __tablename__ = "time_lost"

    run_id: str = _ref("run.id", primary_key=True)
    from_ms: int = _ms(primary_key=True)
    to_ms: int | None = _ms_or_none()
    cause: str


class WatchReportTable(_Rows, table=True):
    """The newest report of a day's watch; the state of its shadow, to continue from."""

    __tablename__ = "watch_report"

    run_id: str = _ref("run.id", primary_key=True)
    day: int = Field(primary_key=True)
    verdict: str
    made_at_ms: int = _ms()
    report_json: str = _packed()
    shadow_json: str | None = Field(default=None, sa_type=PackedText)


# --- commands and the host -----------------------------------------------------------------------


class CommandTable(_Rows, table=True):
    """A command to the engine, with its outcome."""

    __tablename__ = "command"
    __table_args__ = (
        Index("ix_command_unfinished", "id", sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED),
        Index(None, "run_id"),
    )

    id: int | None = _number()
    kind: str
    payload: str = _json()
    author: str
    run_id: str | None = None
    expected_state: str | None = None
    snapshot_sequence: int | None = None
    created_at_ms: int = _ms()
    expires_at_ms: int = _ms()
    outcome: str
    sentence: str
    result_json: str | None = Field(default=None, sa_type=Text)
    accepted_at_ms: int | None = _ms_or_none()
    finished_at_ms: int | None = _ms_or_none()
    act_id: int | None = Field(default=None, sa_type=RowNumber)


class AgentTokenTable(_Rows, table=True):
    """A token with which an agent's program may use the server over HTTP; only its hash is kept."""

    __tablename__ = "agent_token"

    id: int | None = _number()
    name: str = Field(unique=True)
    token_hash: str = Field(unique=True)
    scope: str
    max_capital: Decimal = _money()
    created_at_ms: int = _ms()
    expires_at_ms: int = _ms()
    revoked_at_ms: int | None = _ms_or_none()


class AgentLimitsTable(_Rows, table=True):
    """The limits of all agents: one row, number 1."""

    __tablename__ = "agent_limits"

    id: int = Field(sa_column=Column(RowNumber, primary_key=True, autoincrement=False))
    limits_json: str = _json()


class AgentActTable(_Rows, table=True):
    """What an agent wants done, with its plan, and the command that it became."""

    __tablename__ = "agent_act"
    __table_args__ = (Index(None, "created_at_ms"),)

    id: int | None = _number()
    token_hash: str | None = Field(default=None, unique=True)
    caller_json: str = _json()
    tool: str
    arguments_json: str = _json()
    command_json: str | None = Field(default=None, sa_type=Text)
    run_id: str | None = None
    name: str
    wallet: str | None = None
    money: str
    closes: bool
    notional: Decimal = _money()
    bound_json: str | None = Field(default=None, sa_type=Text)
    plan_json: str = _json()
    created_at_ms: int = _ms()
    expires_at_ms: int = _ms()
    command_id: int | None = Field(default=None, sa_type=RowNumber)
    job_id: int | None = Field(default=None, sa_type=RowNumber)


class AgentAskTable(_Rows, table=True):
    """A question to the operator whether an act may be done."""

    __tablename__ = "agent_ask"
    __table_args__ = (
        Index("ix_agent_ask_waiting", "id", sqlite_where=_WAITS, postgresql_where=_WAITS),
        Index(None, "act_id"),
    )

    id: int | None = _number()
    act_id: int = _ref("agent_act.id")
    created_at_ms: int = _ms()
    expires_at_ms: int = _ms()
    state: str
    sentence: str
    approved_by: str
    code_hash: str | None = None
    wrong_codes: int


class JobTable(_Rows, table=True):
    """Heavy work in a process of its own, with its progress and result."""

    __tablename__ = "job"

    id: int | None = _number()
    kind: str
    parameters_json: str = _json()
    state: str
    progress: float
    sentence: str
    result_json: str | None = Field(default=None, sa_type=Text)
    created_at_ms: int = _ms()
    started_at_ms: int | None = _ms_or_none()
    finished_at_ms: int | None = _ms_or_none()
    title: str = Field(default="", sa_column_kwargs={"server_default": ""})
    is_cancel_wanted: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    begun_progress: float = Field(default=0.0, sa_column_kwargs={"server_default": "0"})


class TestResultTable(_Rows, table=True):
    """What a test has found: a backtest, also of a draft; trades and equity are packed (``curves``)."""

    __tablename__ = "test_result"

    id: int | None = _number()
    job_id: int | None = _ref("job.id", nullable=True)
    title: str
    version_id: int | None = _ref("algorithm_version.id", nullable=True)
    spec_json: str = _json()
    symbol: str
    timeframe: str
    request_json: str = _json()
    market_json: str = _json()
    costs_json: str = _json()
    settings_json: str = _json()
    start_ms: int = _ms()
    end_ms: int = _ms()
    bars: int
    metrics_json: str = _json()
    details_json: str = _json()
    trades: bytes = Field(sa_type=LargeBinary)
    equity: bytes = Field(sa_type=LargeBinary)
    candles: str
    core_version: int
    created_at_ms: int = _ms()


class StudyTable(_Rows, table=True):
    """An optimisation, by its name."""

    __tablename__ = "study"

    id: int | None = _number()
    name: str = Field(unique=True)
    request_json: str = _json()
    created_at_ms: int = _ms()


class TrialTable(_Rows, table=True):
    """One specification tried on one market and period: of a study, or by itself."""

    __tablename__ = "trial"
    __table_args__ = (UniqueConstraint("study_id", "number"), Index(None, "symbol", "timeframe"))

    id: int | None = _number()
    study_id: int | None = _ref("study.id", nullable=True)
    number: int | None = Field(default=None)
    origin: str
    state: str
    spec_sha256: str
    costs_sha256: str
    symbol: str
    timeframe: str
    start_ms: int = _ms()
    end_ms: int = _ms()
    parameters_json: str = _json()
    first_value: float | None = Field(default=None)
    metrics_json: str | None = Field(default=None, sa_type=Text)
    daily_pnl: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at_ms: int = _ms()


class AnalysisTable(_Rows, table=True):
    """What a cross-validation or a usefulness has found of an algorithm; the newest of a market counts."""

    __tablename__ = "analysis"
    __table_args__ = (Index(None, "spec_sha256", "symbol"),)

    id: int | None = _number()
    job_id: int | None = _ref("job.id", nullable=True)
    kind: str
    spec_sha256: str
    symbol: str
    timeframe: str
    costs_json: str = _json()
    settings_json: str = _json()
    start_ms: int = _ms()
    end_ms: int = _ms()
    result_json: str = _json()
    core_version: int
    created_at_ms: int = _ms()


class DraftTable(_Rows, table=True):
    """An algorithm that is being edited: its text, which may not be valid yet, and its test's settings."""

    __tablename__ = "draft"

    id: int | None = _number()
    name: str = Field(unique=True)
    base_version_id: int | None = _ref("algorithm_version.id", nullable=True)
    text: str = Field(sa_type=Text)
    setup_json: str = _json()
    updated_at_ms: int = _ms()


class HostTable(_Rows, table=True):
    """The engine of this store: one row, number 1."""

    __tablename__ = "host"

    id: int = Field(sa_column=Column(RowNumber, primary_key=True, autoincrement=False))
    epoch: int
    pid: int
    host_name: str
    version: str
    state: str
    started_at_ms: int = _ms()
    heartbeat_ms: int = _ms()


class EngineGapTable(_Rows, table=True):
    """A time without an engine: from the last heartbeat of one to the start of the next."""

    __tablename__ = "engine_gap"

    from_ms: int = _ms(primary_key=True)
    to_ms: int = _ms()


# --- the paper venue's own books -----------------------------------------------------------------


class PaperFeedTable(_Rows, table=True):
    """Position of the feed of one symbol."""

    __tablename__ = "paper_feed"

    venue: str = Field(primary_key=True)
    symbol: str = Field(primary_key=True)
    position_json: str = _json()
    updated_at_ms: int = _ms()


class PaperAccountTable(_Rows, table=True):
    """State of an account at the paper venue."""

    __tablename__ = "paper_account"

    venue: str = Field(primary_key=True)
    account: str = Field(primary_key=True)
    state_json: str = _json()
    updated_at_ms: int = _ms()


class PaperOrderTable(_Rows, table=True):
    """An order at the paper venue, or an invalidated request."""

    __tablename__ = "paper_order"
    __table_args__ = (
        Index("ix_paper_order_open", "venue", "account", sqlite_where=text("is_open = 1"),
              postgresql_where=text("is_open")),
    )  # fmt: skip

    venue: str = Field(primary_key=True)
    client_order_id: str = Field(primary_key=True)
    account: str
    symbol: str
    is_open: bool
    state_json: str = _packed()


class PaperFillTable(_Rows, table=True):
    """A fill at the paper venue."""

    __tablename__ = "paper_fill"
    __table_args__ = (Index(None, "venue", "account", "time_ms"),)

    venue: str = Field(primary_key=True)
    fill_id: str = Field(primary_key=True)
    account: str
    symbol: str
    time_ms: int = _ms()
    fill_json: str = _packed()


class PaperFundingTable(_Rows, table=True):
    """A funding payment at the paper venue."""

    __tablename__ = "paper_funding"
    __table_args__ = (Index(None, "venue", "account", "time_ms"),)

    venue: str = Field(primary_key=True)
    funding_id: str = Field(primary_key=True)
    account: str
    symbol: str
    time_ms: int = _ms()
    funding_json: str = _packed()


class PaperDepositTable(_Rows, table=True):
    """A deposit of play money in quote; negative: a withdrawal."""

    __tablename__ = "paper_deposit"
    __table_args__ = (Index(None, "venue", "account"),)

    id: int | None = _number()
    venue: str
    account: str
    amount: Decimal = _money()
    time_ms: int = _ms()


METADATA = _Rows.metadata


def table_of(row: type[SQLModel]) -> Table:
    """Return the table behind a row class, for Core statements."""
    return cast(Table, cast(Any, row).__table__)


def upsert(
    table: Table, *, keep: tuple[str, ...] = (), **other: Callable[[Any], ColumnElement[Any]]
) -> Insert:
    """Return an insert that replaces the row of the same primary key, all columns but ``keep``.

    ``other``: expressions for a column's value, from the columns of the new row.
    """
    statement = sqlite_insert(table)
    keys = [column.name for column in table.primary_key]
    fresh = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys and column.name not in keep
    }
    made = {name: value(statement.excluded) for name, value in other.items()}
    return statement.on_conflict_do_update(index_elements=keys, set_={**fresh, **made})


def insert_once(table: Table) -> Insert:
    """Return an insert that leaves an existing row of the same primary key unchanged."""
    return sqlite_insert(table).on_conflict_do_nothing(
        index_elements=[column.name for column in table.primary_key]
    )
