"""What the trials of a search share, and the test of one of them in a worker."""

from dataclasses import dataclass, field
from typing import Any

from firstwatch.backtest.inputs import BacktestInput
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.tester import Tester
from firstwatch.backtest.trial import Outcome, tried
from firstwatch.market.funding import FundingSeries
from firstwatch.market.packed import History, until
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import Market


@dataclass(slots=True, eq=False)
class Searched:
    """What all trials share, in every worker: no candle after the period that is searched is among it."""

    candles: CandleArrays
    market: Market
    costs: Costs
    settings: BacktestSettings
    funding: FundingSeries
    start_ms: int
    end_ms: int
    tests: int = 1
    """About how many each worker will run."""
    _tester: Tester | None = field(default=None, init=False)

    @classmethod
    def of(cls, given: BacktestInput, start_ms: int, end_ms: int, *, tests: int = 1) -> "Searched":
        """Return the part of a test's input that is searched, from ``start_ms`` up to ``end_ms``."""
        history = until(History(given.file.candles, given.funding), end_ms)
        return cls(
            history.candles,
            given.market,
            given.costs,
            given.settings,
            history.funding,
            start_ms,
            end_ms,
            tests,
        )

    @property
    def tester(self) -> Tester:
        """One for all trials, which share its indicators."""
        if self._tester is None:
            self._tester = Tester(
                self.candles,
                market=self.market,
                costs=self.costs,
                settings=self.settings,
                funding=self.funding,
                tests=self.tests,
            )
        return self._tester

    def end_of(self, share: float) -> int:
        """Return the end of the first share of the bars."""
        if share >= 1:
            return self.end_ms
        first = self.candles.index_at(self.start_ms)
        return int(self.candles.time_ms[first + int((len(self.candles) - first) * share)])

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"_tester": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


def try_one(shared: Searched, asked: tuple[str, float]) -> Outcome:
    """Test one specification, in a worker."""
    spec_json, share = asked
    spec = AlgorithmSpec.from_json(spec_json)
    capital = float(shared.settings.capital)
    return tried(shared.tester, spec, capital, shared.start_ms, shared.end_of(share))


def get_ready() -> None:
    """Load in a worker what ``try_one`` needs: importing this module does."""
