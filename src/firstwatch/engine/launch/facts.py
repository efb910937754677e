"""Types of the launch checks and their facts (rule 1 of ``firstwatch.engine``).

Checks are pure: ``gather`` asks the store and the venue first, so that all of them judge the same facts, and
a preview and a start cannot disagree.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_state import CoreSettings
from firstwatch.strategy.evaluation import GroupFlags
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.account import Approval, Balance, Position
from firstwatch.trading.launch import CheckResult, LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.orders import OrderReport, Touch
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.protocol import Holdings, VenueCondition

COMPARED = (
    "capital",
    "leverage",
    "trades_limit",
    "assume_position_now",
    "close_position_on_exit",
    "session",
    "reset",
    "guards",
)
"""Launch settings that are compared with those of the baseline."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The backtest of the version on the symbol that a launch is compared with. Ratios: None if undefined."""

    start_ms: int
    end_ms: int
    sharpe: float | None
    max_drawdown: float | None
    """Fraction of the peak, not negative."""
    settings: Mapping[str, Any]
    """The launch settings it was made with, by field name of ``LaunchSettings``."""
    taker_fee_bps: Decimal | None = None
    maker_fee_bps: Decimal | None = None
    stale: str = ""
    """Why it should be made again, as a clause; empty: it is fresh."""


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """The newest cross-validation of the version on the symbol."""

    start_ms: int
    end_ms: int
    passed: bool | None
    """None: no verdict."""
    rule: str
    leverage: Decimal
    """The leverage that it was made at."""
    is_old: bool = False
    """It was made when the program decided otherwise."""


@dataclass(frozen=True, slots=True)
class LaunchFacts:
    """Facts that a launch is judged by. None: it could not be read; the problem says why."""

    settings: LaunchSettings
    capital_share: float
    """Share of the wallet above which the capital needs a written reason."""
    spec: AlgorithmSpec | None = None
    algorithm_problem: str = ""
    """Why the algorithm cannot be used: it does not exist, or is archived."""
    wallet_problem: str = ""
    """Why the wallet cannot be used: it does not exist, or is archived."""
    used_by: str | None = None
    """The active run that has the wallet."""
    earlier_runs: frozenset[str] = frozenset()
    """Ids of the wallet's finished runs, whose orders are not external."""
    known_runs: frozenset[str] = frozenset()
    """Ids of all runs of this data folder."""
    venue: str = ""
    venue_problem: str = ""
    is_paper: bool = True
    """The venue has play money, which an operator may give to a wallet."""
    is_mainnet: bool = False
    """The venue trades real money."""
    symbols: tuple[str, ...] = ()
    market: Market | None = None
    core: CoreSettings | None = None
    """The strategy core's settings for this launch."""
    settings_problem: str = ""
    """Why algorithm and launch settings do not fit together."""
    session_problem: str = ""
    balance: Balance | None = None
    position: Position | None = None
    open_orders: Sequence[OrderReport] | None = None
    holdings: Holdings | None = None
    """The account's positions and orders in all markets of the venue."""
    condition: VenueCondition | None = None
    approvals: Sequence[Approval] | None = None
    touch: Touch | None = None
    history: Mapping[Timeframe, CandleArrays] | None = None
    flags: GroupFlags | None = None
    """Condition groups and ATR at the last closed bar."""
    baseline: Baseline | None = None
    cross_validation: CrossValidated | None = None
    other_baseline: int | None = None
    """Without a baseline: the newest other version that has one on the symbol."""

    @property
    def price(self) -> float | None:
        """The mark, in quote."""
        return None if self.touch is None else self.touch.mark

    @property
    def next_open_ms(self) -> int | None:
        """Open time of the first bar that the run would decide on."""
        if self.spec is None or self.history is None or not len(self.history[self.spec.timeframe]):
            return None
        return int(self.history[self.spec.timeframe].time_ms[-1]) + self.spec.timeframe.ms


@dataclass(frozen=True, slots=True)
class Finding:
    """Finding of one check, and the remedy if it did not pass."""

    passed: bool
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One launch check. A hard one refuses; a soft one requires a written reason."""

    name: str
    is_hard: bool
    look: Callable[[LaunchFacts], Finding]


def judge(checks: Sequence[Check], facts: LaunchFacts) -> tuple[CheckResult, ...]:
    """Return the result of every check, in the order of the list."""
    return tuple(_result(check, check.look(facts)) for check in checks)


def _result(check: Check, finding: Finding) -> CheckResult:
    return CheckResult(
        name=check.name,
        is_hard=check.is_hard,
        passed=finding.passed,
        found=finding.found,
        remedy="" if finding.passed else finding.remedy,
    )
