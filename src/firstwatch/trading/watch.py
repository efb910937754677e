"""The first watch in its own words: verdicts, checks, and the report that every screen and agent reads.

``WatchReport`` is one day's watch of one run. Its JSON is what ``firstwatch report RUN --json`` prints and
what the store keeps: times as ISO 8601 UTC, money as text, what is not known as null.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from firstwatch.trading.clock import iso, parse_iso
from firstwatch.trading.numbers import plain
from firstwatch.trading.text import CleanText

DAY_MS = 86_400_000
JOINT_ALPHA = 0.04
"""Share of true first days that the joint calibration may call ``DIVERGED``."""
FILLS_ALPHA = 0.01
"""The same for fill prices."""
WATCH_P = 0.10
"""Adjusted p-value of the joint calibration from which on a check says ``WATCH``."""
WATCH_FILLS_ALPHA = 0.02
"""The same for fill prices, as their level."""
DIVERGED = "diverged"
"""Topic of the alarm of a diverged run, and reason of the pause that may follow."""


class Verdict(StrEnum):
    """What a check, or the watch as a whole, says by now."""

    CONSISTENT = "CONSISTENT"
    WATCH = "WATCH"
    DIVERGED = "DIVERGED"
    NOT_ENOUGH_DATA = "NOT ENOUGH DATA"


class CheckName(StrEnum):
    """The seven checks, in the order in which they are shown."""

    SIGNAL_PARITY = "signal_parity"
    FILL_PRICES = "fill_prices"
    TRADE_FREQUENCY = "trade_frequency"
    DRAWDOWN = "drawdown"
    EXITS = "exits"
    COSTS = "costs"
    EDGE = "edge"


class Change(StrEnum):
    """Alterations of a true day with which the power of the checks is measured."""

    HALF_RATE = "rate/2"
    QUARTER_RATE = "rate/4"
    DOUBLE_RATE = "rate*2"
    DOUBLE_LOSSES = "losses*2"
    DOUBLE_STOPS = "stops*2"
    SLIPPAGE_2 = "slippage+2bps"
    SLIPPAGE_5 = "slippage+5bps"
    SLIPPAGE_10 = "slippage+10bps"
    MISSED = "missed/20"
    EDGE_GONE = "edge_gone"


class MismatchCause(StrEnum):
    """Why live run and shadow differ; by the journal."""

    REJECTED = "rejected"
    UNFILLED = "unfilled"
    BELOW_MINIMUM = "below minimum"
    GUARD = "guard"
    SESSION = "session"
    PAUSE = "pause"
    STALE_DATA = "stale data"
    LATE = "late"
    RECOVERY = "recovery"
    OPERATOR = "operator"
    LIQUIDATION = "liquidation"
    ADOPTED = "adopted"
    DATA = "data"
    MARK_PRICE = "mark price"
    LIMIT_UNFILLED = "limit not filled"
    UNEXPLAINED = "unexplained"

    @property
    def is_harmless(self) -> bool:
        """A mismatch that leaves the check ``CONSISTENT``: it was chosen, or is how the venue works."""
        return self in _HARMLESS


_HARMLESS = frozenset(
    {
        MismatchCause.OPERATOR,
        MismatchCause.GUARD,
        MismatchCause.SESSION,
        MismatchCause.MARK_PRICE,
        MismatchCause.ADOPTED,
        MismatchCause.LIMIT_UNFILLED,
    }
)


def _moment(value: object) -> object:
    return parse_iso(value) if isinstance(value, str) else value


Moment = Annotated[int, BeforeValidator(_moment), PlainSerializer(iso, return_type=str, when_used="json")]
"""Milliseconds since the epoch, UTC; ISO 8601 in JSON."""
Amount = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
"""Money in quote; text in JSON."""


class _Frozen(BaseModel):
    # A field that is not finite is none: NaN must reach neither store nor screen.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Locked(_Frozen):
    """The recipe of the calibration that was fixed before the run's first order."""

    hash: str
    at: Moment


class Check(_Frozen):
    """One check by now."""

    name: CheckName
    verdict: Verdict
    first_at: Moment | None = None
    """When it became ``DIVERGED`` on this day."""
    observed: float | None = None
    """In the check's unit: basis points (``fill_prices``, ``costs``), a fraction (``drawdown``), a count
    (mismatches, entries, exits by stop), a Sharpe ratio per year (``edge``)."""
    expected: float | None = None
    """Median of the baseline's days at this look."""
    band: tuple[float, float] | None = None
    """5 to 95 % of the baseline's days at this look."""
    n: int | None = None
    """Entries; exits of ``exits``, fills of ``fill_prices``, decisions of ``signal_parity``."""
    n_expected: float | None = None
    p_adjusted: float | None = None
    """Of the joint calibration, over all of its checks and looks."""
    e_value: float | None = None
    """Of ``fill_prices``."""
    smallest_effect: Change | None = None
    """The mildest change that is seen with a power of 80 % by now."""
    more_at: Moment | None = None
    """When it will know more."""
    sentence: CleanText


class SinceStart(_Frozen):
    """All days of a run together."""

    e_value: float | None = None
    verdict: Verdict = Verdict.NOT_ENOUGH_DATA


class Mismatch(_Frozen):
    """A decision or an exit that only one of live run and shadow has."""

    time: Moment
    what: CleanText
    cause: MismatchCause
    live: CleanText | None = None
    shadow: CleanText | None = None


class Identity(_Frozen):
    """Where the PnL of the live run and that of its shadow differ, in quote, as effects on the PnL."""

    live_pnl: Amount
    shadow_pnl: Amount
    missed: Amount
    extra: Amount
    entry: Amount
    exit: Amount
    exit_reason: Amount
    size: Amount
    fees: Amount
    funding: Amount
    residual: Amount
    """What none of the terms explains."""
    venue_residual: Amount | None = None
    """Equity at the venue less that of the ledger; None: not read."""


class HourCell(_Frozen):
    """One hour of the watch."""

    hour: int = Field(ge=0, le=23)
    trades: int | None = None
    """None: the hour has not begun."""
    verdict: Verdict | None = None
    down_minutes: float = 0.0


class Fan(_Frozen):
    """Quantiles of equity over the baseline's days, and the live curve, as fractions of the first equity."""

    minutes: tuple[float, ...]
    """Of the looks, since the begin of the day's watch."""
    p5: tuple[float, ...]
    p25: tuple[float, ...]
    p50: tuple[float, ...]
    p75: tuple[float, ...]
    p95: tuple[float, ...]
    live: tuple[float | None, ...]
    """None ahead of now."""


class SignName(StrEnum):
    """The four signs of an algorithm that needs tuning."""

    SHARPE = "Sharpe ratio"
    """Below the test's."""
    DRAWDOWN = "drawdown"
    """Larger than the test's."""
    FREQUENCY = "entries"
    """Fewer than the test's."""
    STOPS = "exits by stop"
    """Most of all, and more than the test's."""

    @property
    def check(self) -> CheckName:
        """The check that looks at the same in a day."""
        return _CHECK_OF_SIGN[self]


_CHECK_OF_SIGN = {
    SignName.SHARPE: CheckName.EDGE,
    SignName.DRAWDOWN: CheckName.DRAWDOWN,
    SignName.FREQUENCY: CheckName.TRADE_FREQUENCY,
    SignName.STOPS: CheckName.EXITS,
}


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign over several days of a run."""

    name: SignName
    is_present: bool | None
    """None: not enough is known."""
    sentence: str
    live: float | None = None
    """A Sharpe ratio per year, a fraction (drawdown, share of exits) or a count."""
    test: float | None = None
    """What it is compared with, in the same unit: the limit beyond which one stretch of the test in twenty
    lies; the test's own Sharpe ratio, its own share of exits by stop."""
    hint: str = ""
    """What to adjust where the sign is present."""


class WatchReport(_Frozen):
    """One day's watch of one run."""

    run: str
    mode: Literal["paper", "testnet", "live"]
    day: int = Field(ge=1)
    hours: float = Field(ge=0, le=24)
    """On watch today."""
    verdict: Verdict
    first_at: Moment | None = None
    locked: Locked | None = None
    next_look_at: Moment | None = None
    checks: tuple[Check, ...]
    since_start: SinceStart
    mismatches: tuple[Mismatch, ...] = ()
    identity: Identity | None = None
    hours_strip: tuple[HourCell, ...] = ()
    fan: Fan | None = None
    next: CleanText
    """What to do next, in words."""

    def check(self, name: CheckName) -> Check | None:
        """Return the check of that name."""
        return next((check for check in self.checks if check.name is name), None)
