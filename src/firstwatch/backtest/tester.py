"""Many tests on the same candles: trials of an optimisation, folds of a cross-validation, ablations.

Whatever does not depend on what is tested is computed once: series by ``series_memory``, signals by
``prepared``. The core is compiled where that is the faster choice, by the rule of ``compiling``.
"""

from firstwatch.backtest.compiling import COMPILER
from firstwatch.backtest.prepared import PreparedCandles
from firstwatch.backtest.series_memory import SharedSeries, series_files
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import BacktestResult, simulate_prepared
from firstwatch.market.funding import NO_FUNDING, FundingSeries
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import Market


class Tester:
    """Tests algorithms of one timeframe on the same candles, market, costs and settings.

    One thread uses it at a time.
    """

    def __init__(
        self,
        candles: CandleArrays,
        *,
        market: Market,
        costs: Costs,
        settings: BacktestSettings | None = None,
        funding: FundingSeries = NO_FUNDING,
        tests: int = 1,
    ) -> None:
        """Take what the tests share. ``tests``: about how many will be run in this process, each on most of
        the candles; it changes their speed only.

        Raises:
            WrongUseError: a session setting that cannot be used.
        """
        self.candles = candles
        self._market = market
        self._costs = costs
        self._settings = settings or BacktestSettings()
        self._tests = tests
        self._prepared = PreparedCandles(
            candles,
            SessionCalendar(self._settings.session),
            funding,
            memory=SharedSeries(candles, files=series_files),
        )

    @property
    def capital(self) -> float:
        """Where the equity of each test starts, in quote."""
        return float(self._settings.capital)

    def run(
        self, spec: AlgorithmSpec, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> BacktestResult:
        """Return what ``simulate`` returns for this algorithm and period; earlier bars are warm-up.

        Raises:
            WrongUseError: as ``simulate``.
        """
        first = 0 if start_ms is None else self.candles.index_at(start_ms)
        end = len(self.candles) if end_ms is None else self.candles.index_at(end_ms)
        loop = COMPILER.loop(max(0, end - first), tests=self._tests)
        self._tests = max(1, self._tests - 1)
        return simulate_prepared(
            spec,
            self._prepared,
            market=self._market,
            costs=self._costs,
            settings=self._settings,
            start_ms=start_ms,
            end_ms=end_ms,
            loop=loop,
        )
