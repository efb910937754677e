"""Candles prepared for tests of any number of algorithms: what does not depend on the algorithm, once."""

from collections import OrderedDict
from collections.abc import Hashable

from firstwatch.backtest.replay import Replay, ReplayBars
from firstwatch.market.funding import FundingSeries
from firstwatch.market.sessions import SessionCalendar
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.evaluation import ArrayEvaluator, SeriesArrays, SeriesMemory
from firstwatch.strategy.specification import AlgorithmSpec

_KEPT = 4


class PreparedCandles:
    """Candles with the calendar and the funding of a test, and the replays of the last algorithms on them."""

    def __init__(
        self,
        candles: CandleArrays,
        calendar: SessionCalendar,
        funding: FundingSeries,
        *,
        memory: SeriesMemory | None = None,
    ) -> None:
        """Take the candles. ``memory``: of the series on them; by default all are kept."""
        self.candles = candles
        self.calendar = calendar
        self.funding = funding
        self._bars = ReplayBars(candles, calendar, funding)
        self._arrays = SeriesArrays(candles, memory=memory)
        self._replays: OrderedDict[Hashable, Replay] = OrderedDict()

    def replay(self, spec: AlgorithmSpec) -> Replay:
        """Return the replay of an algorithm, whose timeframe is that of the candles.

        Those that differ in no condition and in no ATR share it.
        """
        periods = tuple(
            None if level is None else level.period for level in (spec.stop_loss, spec.take_profit)
        )
        key = spec.direction, spec.entry, spec.exit, periods
        if key in self._replays:
            self._replays.move_to_end(key)
        else:
            self._replays[key] = Replay(self._bars, self.evaluator(spec).signals())
            if len(self._replays) > _KEPT:
                self._replays.popitem(last=False)
        return self._replays[key]

    def evaluator(self, spec: AlgorithmSpec) -> ArrayEvaluator:
        """Return an evaluator of an algorithm, whose timeframe is that of the candles; series are shared."""
        return ArrayEvaluator(spec, self.candles, arrays=self._arrays)
