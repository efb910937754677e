"""Verdicts of the first watch, its checks, causes and signs, and their significance levels."""

from dataclasses import dataclass
from enum import StrEnum

DAY_MS = 86_400_000
JOINT_ALPHA = 0.04
"""False positive rate: share of true first days that the joint calibration may call ``DIVERGED``."""
FILLS_ALPHA = 0.01
"""The same for fill prices."""
WATCH_P = 0.10
"""A check says ``WATCH`` at or below this adjusted p-value of the joint calibration."""
WATCH_FILLS_ALPHA = 0.02
"""The same for fill prices, as a significance level."""
DIVERGED = "diverged"
"""Topic of the alarm of a diverged run, and reason of the pause that may follow."""


class Verdict(StrEnum):
    """Current verdict of a check, or of the watch as a whole."""

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
    """Why live run and shadow differ, according to the journal."""

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
        """A mismatch that leaves the check ``CONSISTENT``: someone chose it, or venues work this way."""
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


class SignName(StrEnum):
    """The four signs of an algorithm that needs tuning."""

    SHARPE = "Sharpe ratio"
    """Below the backtest's."""
    DRAWDOWN = "drawdown"
    """Larger than the backtest's."""
    FREQUENCY = "entries"
    """Fewer than in the backtest."""
    STOPS = "exits by stop"
    """The most frequent exit, and more frequent than in the backtest."""

    @property
    def check(self) -> CheckName:
        """The daily check of the same quantity."""
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
    """None: not enough data."""
    sentence: str
    live: float | None = None
    """A Sharpe ratio per year, a fraction (drawdown, share of exits) or a count."""
    test: float | None = None
    """The backtest's value that it is compared with, in the same unit: the limit beyond which one stretch in
    twenty lies; or its Sharpe ratio, or its share of exits by stop."""
    hint: str = ""
    """What to adjust if the sign is present."""
