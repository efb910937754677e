"""Frozen views of Build mode: the algorithms, the text that is edited, and what it means on the candles.

Lines and columns are counted from 0, in characters. Times are milliseconds since the epoch, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firstwatch.manager.run_views import OperandView
from firstwatch.manager.test_views import TestSetup
from firstwatch.trading.orders import Side
from firstwatch.trading.runs import ExitReason

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    import numpy as np
    from numpy.typing import NDArray

    from firstwatch.strategy.candles import CandleArrays


@dataclass(frozen=True, slots=True)
class TextProblem:
    """A mistake in a text, where it stands: from ``column`` up to, not including, ``end_column``."""

    line: int
    column: int
    end_column: int
    sentence: str


@dataclass(frozen=True, slots=True)
class TextChoice:
    """One way to complete what is being typed."""

    label: str
    """As the list shows it: ``rsi``."""
    insert: str
    """What takes the place of the characters from ``Completion.column`` to the cursor."""
    detail: str = ""
    """What it is: ``rsi(timeperiod 14)``."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The choices at a cursor, the best first; none: nothing can be completed there."""

    column: int
    choices: tuple[TextChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class TextView:
    """An algorithm's text as it is being edited, which may be wrong."""

    draft: str
    """The name of its draft, under which it is kept."""
    text: str
    base: str = ""
    """The stored version that it began as, ``name@version``; empty: none."""
    base_id: int | None = None
    stored: str = ""
    """The canonical text of that version."""
    newest: str = ""
    """The newest stored version of that algorithm; another one than ``base``: it has changed meanwhile."""
    setup: TestSetup = field(default_factory=TestSetup)
    """The market of the chart; it is that of the draft's tests too."""
    algorithm: str = ""
    """The name in the text, as long as that is valid."""
    kept: str = ""
    """The text of its draft, as it was read or kept last; empty: there was none."""
    problems: tuple[TextProblem, ...] = ()
    is_changed: bool = False
    """It means something else than the stored version, or there is none."""

    @property
    def is_valid(self) -> bool:
        """It can be saved."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """A stored version in the list of algorithms."""

    id: int
    label: str
    """``name@version``."""
    number: int
    created_ms: int
    note: str = ""
    """What its author wrote when it was saved."""
    parent: str = ""
    """The version that it was edited from, ``name@version``; empty: none, or not known."""
    runs: tuple[str, ...] = ()
    """Ids of its runs, the newest first."""
    result: str = ""
    """The newest backtest in words; empty: none."""


@dataclass(frozen=True, slots=True)
class AlgorithmEntry:
    """An algorithm with its versions, the newest first."""

    name: str
    versions: tuple[VersionEntry, ...]
    is_archived: bool = False
    draft: str = ""
    """The name of the draft of it that was changed last; empty: none."""


@dataclass(frozen=True, slots=True)
class TradeMark:
    """A trade of the preview. ``exit_ms`` None: it is open at the last bar."""

    side: Side
    entry_ms: int
    entry_price: float
    exit_ms: int | None
    exit_price: float | None
    reason: ExitReason | None
    pnl: float


@dataclass(frozen=True, slots=True, eq=False)
class PreviewView:
    """What a text means on the candles of a market: a backtest of it, with its indicators and signals.

    All arrays are as long as the candles. ``problem``: why there is none; the arrays are then empty.
    """

    text: str
    """The text that it belongs to."""
    symbol: str = ""
    candles: "CandleArrays | None" = None
    trades: tuple[TradeMark, ...] = ()
    stop: "NDArray[np.float64] | None" = None
    """The stop of the position at each bar; NaN: there is none."""
    target: "NDArray[np.float64] | None" = None
    signals: "Mapping[tuple[str, Side], NDArray[np.bool_]]" = field(default_factory=dict)
    """Where the groups are true, by ``entry`` or ``exit`` and side."""
    operands: tuple[OperandView, ...] = ()
    """The indicators of the conditions, in the order of the file."""
    condition: str = ""
    """The condition under the cursor, in its canonical form; empty: none."""
    holds: "NDArray[np.bool_] | None" = None
    """Where that condition is true."""
    summary: str = ""
    """The backtest in words: trades, return, drawdown."""
    problem: str = ""
