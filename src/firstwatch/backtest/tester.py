"""Many tests on the same candles: trials of an optimisation, folds of a cross-validation, ablations."""

from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import BacktestResult, simulate
from firstwatch.market.funding import NO_FUNDING, FundingSeries
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.market import Market


class Tester:
    """Tests algorithms of one timeframe on the same candles, market, costs and settings."""

    def __init__(
        self,
        candles: CandleArrays,
        *,
        market: Market,
        costs: Costs,
        settings: BacktestSettings | None = None,
        funding: FundingSeries = NO_FUNDING,
    ) -> None:
        self.candles = candles
        self._market = market
        self._costs = costs
        self._settings = settings or BacktestSettings()
        self._funding = funding

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
        return simulate(
            spec,
            self.candles,
            market=self._market,
            costs=self._costs,
            settings=self._settings,
            funding=self._funding,
            start_ms=start_ms,
            end_ms=end_ms,
        )
