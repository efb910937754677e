"""The report of the first watch, which every screen and agent reads.

``WatchReport`` is one day's watch of one run. Its JSON is what ``firstwatch report RUN --json`` prints and
what the store keeps: times as ISO 8601 UTC, money as text, what is not known as null.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from firstwatch.trading.clock import iso, parse_iso
from firstwatch.trading.numbers import plain
from firstwatch.trading.text import CleanText
from firstwatch.trading.verdicts import Change, CheckName, MismatchCause, Verdict


def _moment(value: object) -> object:
    return parse_iso(value) if isinstance(value, str) else value


Moment = Annotated[int, BeforeValidator(_moment), PlainSerializer(iso, return_type=str, when_used="json")]
"""Milliseconds since the epoch, UTC; ISO 8601 in JSON."""
Amount = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
"""Money in quote; text in JSON."""


class _Frozen(BaseModel):
    # Values that are not finite are refused: NaN must reach neither store nor screen.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Locked(_Frozen):
    """The recipe of the calibration that was fixed before the run's first order."""

    hash: str
    at: Moment


class Check(_Frozen):
    """Current state of one check."""

    name: CheckName
    verdict: Verdict
    first_at: Moment | None = None
    """When it became ``DIVERGED`` on this day."""
    observed: float | None = None
    """In the check's unit: basis points (``fill_prices``, ``costs``), a fraction (``drawdown``), a count
    (mismatches, entries, exits by stop), a Sharpe ratio per year (``edge``)."""
    expected: float | None = None
    """Median over the baseline's days at this look."""
    band: tuple[float, float] | None = None
    """5th and 95th percentile over the baseline's days at this look."""
    n: int | None = None
    """Sample size: entries; for ``exits`` exits, ``fill_prices`` fills, ``signal_parity`` decisions."""
    n_expected: float | None = None
    p_adjusted: float | None = None
    """p-value of the joint calibration, adjusted over all of its checks and looks."""
    e_value: float | None = None
    """E-value of ``fill_prices``."""
    smallest_effect: Change | None = None
    """The smallest change that would be detected with 80 % power by now."""
    more_at: Moment | None = None
    """When the check will have more data."""
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
    """Attribution of the PnL difference between live run and shadow, in quote, as effects on the PnL."""

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
    """Remainder that none of the terms explains."""
    venue_residual: Amount | None = None
    """Equity at the venue less that of the ledger; None: not read."""


class LimitGap(_Frozen):
    """Share of a run's limit entries that filled at the limit or better, live and by the backtest's rule."""

    rule: CleanText
    """Which bars fill a limit in the backtest: ``touch``, ``through`` or ``queue:Q``."""
    entries: int
    """Limit entries since the run began."""
    assumed_share: float
    """Of their amount, on the bars that the run saw while they rested."""
    live_share: float


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
    """Times of the looks, in minutes since the start of the day's watch."""
    p5: tuple[float, ...]
    p25: tuple[float, ...]
    p50: tuple[float, ...]
    p75: tuple[float, ...]
    p95: tuple[float, ...]
    live: tuple[float | None, ...]
    """None for looks in the future."""


class WatchReport(_Frozen):
    """One day's watch of one run."""

    run: str
    mode: Literal["paper", "testnet", "live"]
    day: int = Field(ge=1)
    hours: float = Field(ge=0, le=24)
    """Hours on watch today."""
    verdict: Verdict
    first_at: Moment | None = None
    locked: Locked | None = None
    next_look_at: Moment | None = None
    checks: tuple[Check, ...]
    since_start: SinceStart
    mismatches: tuple[Mismatch, ...] = ()
    identity: Identity | None = None
    limit_fills: LimitGap | None = None
    """None: no limit entry was decided."""
    hours_strip: tuple[HourCell, ...] = ()
    fan: Fan | None = None
    next: CleanText
    """Sentence on what to do next."""

    @property
    def failing(self) -> tuple[CheckName, ...]:
        """The checks that cause the verdict, if it is a bad one."""
        if self.verdict not in (Verdict.DIVERGED, Verdict.WATCH):
            return ()
        return tuple(check.name for check in self.checks if check.verdict is self.verdict)

    def check(self, name: CheckName) -> Check | None:
        """Return the check of that name."""
        return next((check for check in self.checks if check.name is name), None)
