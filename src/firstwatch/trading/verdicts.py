"""What the first watch may say: verdicts, checks, causes and signs, and the levels at which it says them."""

from dataclasses import dataclass
from enum import StrEnum

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
