"""Frozen views of Test mode: the draft, its tests, and what they found.

None means that a figure is not known or not defined. Times are milliseconds since the epoch, UTC. Money is in
quote, and float64 where it is computed and not booked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.runs import ExitReason

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    import numpy as np
    from numpy.typing import NDArray

    from firstwatch.trading.trade import Trade
DRAFT_OF = "draft of "
"""Begins the name of a draft, before that of the version."""
OWN_PERIOD = "own"
WHOLE_PERIOD = "all"


class DraftChangedError(WrongUseError):
    """A draft was changed elsewhere since it was opened. Nothing was kept, and nothing is lost."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was changed elsewhere since it was opened here: nothing was kept.")
        self.name = name


@dataclass(frozen=True, slots=True)
class TestSetup:
    """The texts in the fields of a test's settings. Empty: the default."""

    __test__ = False

    venue: str = ""
    """Whose market; empty: one that is assumed from the candles."""
    symbol: str = ""
    candles: str = "venue"
    period: str = "182"
    """Days up to the end of the candles, ``all``, or ``own``: from ``begin`` to ``end``."""
    begin: str = ""
    end: str = ""
    capital: str = "10000"
    leverage: str = "1"
    taker_fee_bps: str = ""
    maker_fee_bps: str = ""
    slippage_bps: str = "2"
    limit_fills: str = "through"
    """When a limit entry fills: ``touch``, ``through`` or ``queue:0.3``."""
    trades_limit: str = ""
    parent_run_id: str = ""
    """The run whose next version is tested; empty: none."""

    @property
    def lacks_market(self) -> bool:
        """A venue's market is to be tested, and none is chosen yet."""
        return bool(self.venue) and not self.symbol


@dataclass(frozen=True, slots=True)
class DraftView:
    """An algorithm as it is being edited. ``document`` has the shape of its file, and may be wrong."""

    name: str
    """What the operator calls it: ``RSI reversion@1``, or ``draft of RSI reversion@1`` once it differs."""
    algorithm: str
    """The name of the algorithm of which it becomes a version."""
    base: str
    """The stored version that it began as, ``name@version``."""
    base_id: int
    document: Mapping[str, Any]
    stored: Mapping[str, Any]
    """The document of that version."""
    stored_sha256: str
    setup: TestSetup
    problems: Mapping[str, str] = field(default_factory=dict)
    """A sentence for each mistake, by its place in the document; the place of the whole is empty."""
    changes: tuple[str, ...] = ()
    """Places whose values differ from the stored version's."""
    is_changed: bool = False
    """It differs from the stored version that it began as."""
    kept: str = ""
    """The text of its draft, as it was read or kept last; empty: there was none."""
    hidden: str = ""
    """The text of that version's draft, if that holds other changes; empty: it does not."""
    sha256: str = ""
    """Of its canonical JSON; empty: it is not valid."""
    warnings: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """It can be tested and saved."""
        return not self.problems

    @property
    def hides_draft(self) -> bool:
        """It cannot be kept without the loss of another draft."""
        return self.is_changed and bool(self.hidden)

    def replacing(self) -> "DraftView":
        """Return it in place of the draft that it hides."""
        return replace(self, kept=self.hidden, hidden="")


@dataclass(frozen=True, slots=True)
class DraftChoice:
    """A version or a draft that can be opened."""

    value: str
    """``name@version``, or the draft's name."""
    note: str
    is_draft: bool


class Standing(StrEnum):
    """How something stands before a launch."""

    BLOCKS = "blocks"
    WARNS = "warns"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Blocker:
    """Something that stands before a launch, and what to do."""

    standing: Standing
    text: str
    action: str = ""
    """The action whose key does it; empty: none."""


@dataclass(frozen=True, slots=True)
class TestView:
    """A test in the list: a job, or a stored baseline."""

    __test__ = False

    key: str
    """``job 12`` or ``baseline 3``."""
    kind: JobKind
    title: str
    """What was tested, as the operator called it."""
    state: JobState
    created_ms: int
    sentence: str = ""
    """The step under way, the result in words, or why it failed."""
    symbol: str = ""
    timeframe: str = ""
    begin_ms: int | None = None
    end_ms: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    progress: float = 0.0
    seconds_left: float | None = None
    job: int | None = None
    is_being_cancelled: bool = False
    spec_sha256: str = ""
    verdict: bool | None = None
    """Of a cross-validation: passed, failed; None: no verdict."""
    poor: tuple[str, ...] = ()
    """Its figures outside of what is good, in words."""

    @property
    def number(self) -> str:
        """The number by which it is called."""
        return self.key.rpartition(" ")[2]

    @property
    def has_result(self) -> bool:
        """There is something to show."""
        return self.state is JobState.DONE


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a result, with what is usual beside it."""

    name: str
    value: float | None
    reference: str = ""
    """What a good one is, in words; empty: there is no such."""
    is_good: bool | None = None
    """None: there is no reference, or no value."""
    needs: str = ""
    """What it needs, where it has no value."""


@dataclass(frozen=True, slots=True)
class Fall:
    """A drawdown: from the peak to the lowest point, and until the peak was reached again."""

    depth: float
    """A fraction of the peak."""
    begin_ms: int
    lowest_ms: int
    end_ms: int | None
    """None: it goes on."""


@dataclass(frozen=True, slots=True)
class ExitView:
    """The trades that ended for one reason; money in quote, net."""

    reason: ExitReason
    trades: int
    pnl: float
    average_trade: float
    average_bars: float


@dataclass(frozen=True, eq=False)
class BacktestView:
    """What a backtest found."""

    capital: float
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    trades: "tuple[Trade, ...]"
    time_ms: "NDArray[np.int64]"
    equity: "NDArray[np.float64]"
    """At each bar of ``time_ms``, quote."""
    exits: tuple[ExitView, ...]
    falls: tuple[Fall, ...]
    """The five largest drawdowns, the largest first."""
    months: Mapping[tuple[int, int], float]
    """Return of each month (year, month), as a fraction."""


@dataclass(frozen=True, eq=False)
class TestDetails:
    """A test with all that it found."""

    __test__ = False

    view: TestView
    settings: tuple[tuple[str, str], ...] = ()
    """What was asked for: setting and value, in words."""
    backtest: BacktestView | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    """The result of another kind of test, in the shape of its command's JSON."""


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A number of a draft that can be optimised."""

    name: str
    """As ``entry.long.required[0].left.timeperiod``."""
    section: str
    """Its condition, ``long entry: rsi(14) < 30``, or ``other numbers``."""
    label: str
    value: float
    is_whole: bool
    lowest: float
    highest: float
    proposal: str
    """A usual range around the value: ``7..21:1``."""


@dataclass(frozen=True, slots=True)
class FoldSettings:
    """How a draft is cross-validated."""

    folds: int
    is_sliding: bool = False
    """Each fold trains on the block before its test alone."""
    trials: int = 0
    """Trials of a search on the training part of each fold; 0: nothing is searched."""
    parameters: tuple[str, ...] = ()
    """What is searched, ``NAME=LOW..HIGH[:STEP]`` each; empty: the usual numbers."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What an optimisation looks for. ``parameters``: ``NAME=LOW..HIGH[:STEP]`` each."""

    parameters: tuple[str, ...]
    objective: str = "sharpe"
    constraints: tuple[str, ...] = ()
    trials: int = 100
    study: str = ""
    """Its name, by which it is gone on with; empty: that of its job."""
