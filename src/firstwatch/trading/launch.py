"""Launch settings (rules 18 and 21 to 27 of ``firstwatch.strategy``) and the results of launch checks."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

from firstwatch.trading.numbers import MOST_BARS, BoundedDecimal
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason, StopMode
from firstwatch.trading.text import CleanText, quoted


class _Frozen(BaseModel):
    # Built on first use: building all models takes a tenth of the time to first paint. Two threads may race
    # to build one only since Pydantic 2.14.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class ResetMode(StrEnum):
    """When a run may enter again after a trade."""

    COOLDOWN_ONLY = "cooldown_only"
    REGULAR = "regular"
    STRICT = "strict"


class FollowUpSide(StrEnum):
    """Side of a link, relative to the trade before it."""

    SAME = "same"
    OPPOSITE = "opposite"


class OnExhausted(StrEnum):
    """What happens when the last link of the chain is matched again."""

    RESET = "reset"
    STOP_RUN = "stop_run"


class FollowUp(_Frozen):
    """One link of the follow-up chain (rules 22 and 23 of ``firstwatch.strategy``)."""

    after: tuple[ExitReason, ...] = Field(min_length=1)
    side: FollowUpSide = FollowUpSide.SAME
    wait_bars: int = Field(default=0, ge=0, le=MOST_BARS)
    within_bars: int = Field(ge=1, le=MOST_BARS)
    require_signal: bool = True
    size_factor: float = Field(default=1.0, gt=0, le=2)

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.wait_bars >= self.within_bars:
            raise ValueError(f"wait_bars ({self.wait_bars}) must be below within_bars ({self.within_bars})")
        return self


class ResetSettings(_Frozen):
    """What happens after a trade (rules 21 to 23 of ``firstwatch.strategy``)."""

    mode: ResetMode = ResetMode.COOLDOWN_ONLY
    cooldown_bars: int = Field(default=0, ge=0, le=MOST_BARS)
    on_exhausted: OnExhausted = OnExhausted.RESET
    follow_up: tuple[FollowUp, ...] = ()


class GuardAction(StrEnum):
    """What a guard does at its limit: pause entries, or stop the run."""

    PAUSE = "pause"
    STOP = "stop"


class Guards(_Frozen):
    """Limits evaluated at closes (rule 18 of ``firstwatch.strategy``). None: there is no such limit."""

    drawdown: float | None = Field(default=None, gt=0, lt=1)
    """Fraction of the peak of run equity."""
    drawdown_action: GuardAction = GuardAction.STOP
    daily_loss: float | None = Field(default=None, gt=0, lt=1)
    """Fraction of the day's first run equity (UTC)."""
    daily_loss_action: GuardAction = GuardAction.PAUSE
    losing_trades: int | None = Field(default=None, ge=1, le=MOST_BARS)
    """Closed trades in a row with net PnL below zero."""
    losing_trades_action: GuardAction = GuardAction.PAUSE
    stop_mode: StopMode = StopMode.CLOSE


class SessionPolicy(StrEnum):
    """What happens outside of trading time."""

    OFF = "off"
    PAUSE_ENTRIES = "pause_entries"
    FLATTEN = "flatten"


class Weekday(StrEnum):
    """Days of a session window, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class SessionWindow(_Frozen):
    """A weekly window in the calendar's time zone; one that ends before it starts crosses midnight.

    Equal ``start`` and ``end`` mean the whole day.
    """

    days: tuple[Weekday, ...] = Field(min_length=1)
    start: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["09:30"])]
    end: Annotated[str, Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$", examples=["16:00"])]


class SessionSettings(_Frozen):
    """Session policy: weekly windows, or an exchange calendar's code (rule 25 of ``firstwatch.strategy``)."""

    policy: SessionPolicy = SessionPolicy.OFF
    timezone: str = "UTC"
    windows: tuple[SessionWindow, ...] = ()
    calendar: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_/+.][A-Za-z0-9_/+.-]{0,31}$", examples=["XNYS"]
    )
    hours: str | None = Field(default=None, max_length=200_000, repr=False)
    """The calendar's trading hours, packed (``exchange_hours``); the program finds and stores them."""
    trading: Literal["inside", "outside"] = "inside"
    """Trading time is inside or outside of the windows."""
    lead_minutes: int = Field(default=0, ge=0, le=24 * 60)

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"no time zone {quoted(value)}; write one like UTC or America/New_York"
            ) from error
        return value

    @model_validator(mode="after")
    def _one_calendar(self) -> Self:
        if self.policy is not SessionPolicy.OFF and bool(self.windows) == (self.calendar is not None):
            raise ValueError("a session policy needs weekly windows or a calendar, and not both")
        if self.hours is not None and self.calendar is None:
            raise ValueError("hours belong to a calendar, and the program finds them")
        return self

    @model_serializer(mode="wrap")
    def _without_nothing(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave hours out where there are none: sessions without a calendar keep the text that they have."""
        written: dict[str, Any] = dump(self)
        if written.get("hours") is None:
            written.pop("hours", None)
        return written


class OnDiverged(StrEnum):
    """Response to the verdict ``DIVERGED`` of the first watch, beside the alarm."""

    NOTHING = "nothing"
    PAUSE_ENTRIES = "pause_entries"


class LaunchSettings(_Frozen):
    """Everything a run is started with, frozen into its row."""

    algorithm: str
    version: int = Field(ge=1, lt=2**31)
    wallet: str
    symbol: str
    capital: BoundedDecimal = Field(gt=0)
    leverage: BoundedDecimal = Field(default=Decimal(1), ge=1, le=1_000)
    trades_limit: int | None = Field(default=None, ge=1, le=MOST_BARS)
    assume_position_now: bool = False
    close_position_on_exit: bool = True
    without_stop_reason: str | None = None
    """Written reason to leave closing to the operator although the algorithm has no stop."""
    session: SessionSettings = Field(default_factory=SessionSettings)
    reset: ResetSettings | None = None
    """None: the version's own. Otherwise an override, and shown as one."""
    guards: Guards = Field(default_factory=Guards)
    on_diverged: OnDiverged = OnDiverged.NOTHING
    accepted_warnings: str | None = None
    """The written reason for soft checks that failed."""
    skip_protection_proof: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = (
        None
    )
    """Written reason to skip the protection proof before the first order; None: it is not skipped."""
    confirmed_name: str | None = None
    """The run's name as the operator typed it: a start with real money requires it."""
    parent_run_id: str | None = None

    @property
    def name(self) -> str:
        """What the run will be called."""
        return f"{self.algorithm}@{self.version}"

    @model_validator(mode="after")
    def _policies_agree(self) -> Self:
        if not self.close_position_on_exit and self.session.policy is SessionPolicy.FLATTEN:
            raise ValueError("the session policy flatten needs close_position_on_exit")
        return self


NOT_CHECKED = "not checked"
"""Start of the finding of a check whose facts are missing."""


class CheckResult(_Frozen):
    """Result of one launch check: a hard one refuses, a soft one needs a written reason."""

    name: str
    is_hard: bool
    passed: bool
    found: CleanText
    """The finding, with figures."""
    remedy: CleanText = ""
    """What to do when it did not pass."""


class MarketFacts(_Frozen):
    """The figures of a market that bound a launch, in quote."""

    symbol: str
    price: float | None
    """The mark; None: not known."""
    tick: Decimal
    minimum_cost: Decimal
    maximum_leverage: int


class NextTrade(_Frozen):
    """The first entry, if it came at the mark now. Money in quote; shares of the entry price."""

    amount: Decimal
    """In base coin."""
    cost: float
    margin: float
    stop_share: float | None
    """Distance of the stop; None: the algorithm has none."""
    worst_loss: float
    """Loss at the stop including the fees of both fills; without a stop the whole margin."""
    liquidation_share: float | None
    """Distance of the liquidation price, of the nearer side; None: there is none."""


class SettingDifference(_Frozen):
    """One launch setting that differs from the baseline's, in words."""

    name: str
    here: CleanText
    baseline: CleanText


class LaunchPreview(_Frozen):
    """What would happen if this launch were started now."""

    checks: tuple[CheckResult, ...]
    assume_position: CleanText = ""
    """Sentence about the effect of 'Assume position now'."""
    adopts: Side | None = None
    is_mainnet: bool = False
    """Real money is at stake: the start requires the run's name to be typed."""
    market: MarketFacts | None = None
    next_trade: NextTrade | None = None
    """The first entry; None: not known, or below the market's minimum."""
    differences: tuple[SettingDifference, ...] = ()
    """Relevant differences from the baseline."""
    symbols: tuple[str, ...] = ()
    """The venue's markets."""
    time_ms: int = 0

    @property
    def refused_by(self) -> tuple[CheckResult, ...]:
        """The hard checks that did not pass."""
        return tuple(check for check in self.checks if check.is_hard and not check.passed)

    @property
    def reasons(self) -> tuple[CheckResult, ...]:
        """The refusals to act on, without the checks that only lack facts because of them."""
        found = tuple(check for check in self.refused_by if not check.found.startswith(NOT_CHECKED))
        return found or self.refused_by

    @property
    def warnings(self) -> tuple[CheckResult, ...]:
        """The soft checks that did not pass."""
        return tuple(check for check in self.checks if not check.is_hard and not check.passed)
