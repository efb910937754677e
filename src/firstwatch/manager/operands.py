"""The operands of a run's algorithm over its newest bars, as its chart shows them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from firstwatch.manager.run_views import OperandView
from firstwatch.store import bars
from firstwatch.store.database import Session
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.conditions import (
    Indicator,
    Number,
    Operand,
    Price,
    anchors_of,
    indicators_of,
    is_price,
    series_of,
)
from firstwatch.strategy.function_table import FUNCTIONS
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.timeframe import Timeframe

if TYPE_CHECKING:
    from firstwatch.strategy.evaluation import ArrayEvaluator

MOST_BARS = 1_500
"""Own bars of the run, the newest ones, on which operands are computed; more where one needs whole days."""


@dataclass(slots=True)
class OperandReader:
    """Reads the operands of one run repeatedly; they are computed anew when it has handled a bar."""

    run_id: str
    spec: AlgorithmSpec
    shown: int
    """Newest values that are wanted."""
    _warm_up: CandleArrays | None = None
    _own: CandleArrays = field(init=False)
    _most: int = MOST_BARS
    _is_whole: bool = True
    """The run has no earlier bars than ``_own``."""
    _views: tuple[OperandView, ...] = ()

    def __post_init__(self) -> None:
        self._own = CandleArrays.from_bars((), self.spec.timeframe)

    def read(self, session: Session) -> tuple[OperandView, ...]:
        """Return the operands of the algorithm's own timeframe that are no prices, in the order of the file.

        Behind arithmetic come the indicators in it. Anchored ones are left out unless all bars of the run
        are used: their values would be wrong.

        Raises:
            DamagedRowError: bars cannot be read.
        """
        if self._warm_up is None:
            warm_up = bars.warm_up_of(session, self.run_id).get(self.spec.timeframe, ())
            self._warm_up = CandleArrays.from_bars(warm_up, self.spec.timeframe)
            self._most = max(MOST_BARS, self._bars_of_days() + self.shown)
        last_ms = int(self._own.time_ms[-1]) if len(self._own) else None
        # As arrays at once: bars one by one are ten times as large.
        fresh = [
            CandleArrays.from_bars([each.bar for each in block], self.spec.timeframe)
            for block in bars.blocks_of(session, self.run_id, after_ms=last_ms, limit=self._most + 1)
        ]
        if fresh:
            known = CandleArrays.joined([self._own, *reversed(fresh)])
            self._is_whole = self._is_whole and len(known) <= self._most
            self._own = known.part(-self._most, len(known))
            self._views = self._computed(self._warm_up)
        return self._views

    def _bars_of_days(self) -> int:
        """Return how many bars pass before a function that begins with a day has a value, at most."""
        series = (series for condition in self.spec.conditions() for series in condition.series)
        days = [FUNCTIONS[each.function].days for one in series for each in indicators_of(one)]
        return max(days, default=0) * Timeframe.D1.ms // self.spec.timeframe.ms

    def _computed(self, warm_up: CandleArrays) -> tuple[OperandView, ...]:
        # TA-Lib is imported where it is needed.
        from firstwatch.strategy.evaluation import ArrayEvaluator

        known = CandleArrays.joined([warm_up, self._own]) if self._is_whole else self._own
        evaluator = ArrayEvaluator(self.spec, known, {})
        count = min(self.shown, len(self._own))
        return tuple(
            operand_view(operand, beside, evaluator, count)
            for operand, beside in numbers_beside(self.spec).items()
            if all(series.timeframe in (None, self.spec.timeframe) for series in series_of(operand))
            and (self._is_whole or not anchors_of(operand))
        )


def numbers_beside(spec: AlgorithmSpec) -> dict[Operand, tuple[float, ...]]:
    """Return the operands of the conditions in the order of the file, with the numbers beside them.

    Prices and numbers are left out; behind arithmetic come the indicators in it.
    """
    numbers: dict[Operand, dict[float, None]] = {}
    for condition in spec.conditions():
        for side, other in ((condition.left, condition.right), (condition.right, condition.left)):
            if not isinstance(side, Number | Price):
                beside = numbers.setdefault(side, {})
                if isinstance(other, Number):
                    beside[other.value] = None
            for series in series_of(side):
                if isinstance(series, Indicator):
                    numbers.setdefault(series, {})
    return {operand: tuple(beside) for operand, beside in numbers.items()}


def operand_view(
    operand: Operand, numbers: tuple[float, ...], evaluator: "ArrayEvaluator", count: int
) -> OperandView:
    """Return an operand at the newest ``count`` closes."""
    values = np.asarray(evaluator.seen(operand), dtype=np.float64)[-count:]
    return OperandView(str(operand), is_price(operand), values, numbers)
