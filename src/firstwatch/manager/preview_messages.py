"""What goes between the service of previews and the process that computes them: numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firstwatch.manager.run_views import OperandView
from firstwatch.manager.test_views import TestSetup
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.orders import Side

LOG_FILE = "preview.log"
TRADE_COLUMNS = (
    "side",
    "entry_time_ms",
    "entry_price",
    "exit_time_ms",
    "exit_price",
    "reason",
    "pnl",
)
"""What is shown of a trade, by the names of ``TradeRecord``; the reason as its code."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A text to compute a preview of."""

    text: str
    setup: TestSetup
    condition: str = ""
    """The place of the condition at the cursor; empty: none."""
    known: int = 0
    """The number of the candles that the asking process has; 0: none."""


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """What a text means, as numbers. Arrays are as long as the candles. ``problem``: why there is nothing."""

    problem: str = ""
    symbol: str = ""
    number: int = 0
    """Of the candles."""
    candles: CandleArrays | None = None
    """None: they are those that the asking process has."""
    trades: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, len(TRADE_COLUMNS))))
    """One row each, of ``TRADE_COLUMNS``."""
    stop: NDArray[np.float64] | None = None
    target: NDArray[np.float64] | None = None
    signals: Mapping[tuple[str, Side], NDArray[np.bool_]] = field(default_factory=dict)
    operands: tuple[OperandView, ...] = ()
    condition: str = ""
    holds: NDArray[np.bool_] | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Candles are being read, which may take longer than computing."""
