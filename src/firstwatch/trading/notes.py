"""Notes beside the figures of a backtest: what it assumed, and what the core did not do."""

from dataclasses import dataclass
from enum import StrEnum


class NoteCode(StrEnum):
    """What a note is about; stable, so that a program can look for it."""

    BELOW_MINIMUM = "below_minimum"
    EQUITY_GONE = "equity_gone"
    SIZE_CAPPED = "size_capped"
    RISK_CAPPED = "risk_capped"
    LEVEL_DROPPED = "level_dropped"
    SLICE_CUT = "slice_cut"
    GUARD_PAUSE = "guard_pause"
    GUARD_STOP = "guard_stop"
    CHAIN_STOP = "chain_stop"
    FUNDING_COVERAGE = "funding_coverage"
    ASSUMED_MARKET = "assumed_market"


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to know before relying on the figures."""

    code: NoteCode
    sentence: str
    count: int = 1
    """How often it happened."""
    first_ms: int | None = None
    """When it happened first: the open time of the bar; None: it holds for the whole test."""
