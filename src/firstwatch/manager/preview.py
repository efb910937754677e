"""Previews: what an algorithm's text means on the newest candles of a market, by a backtest of it.

Kept are the candles of the markets that were asked for last and the series computed on them. Nothing is read
from disk but candles, and nothing written but those that a venue gives.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstwatch.backtest.compiling import COMPILER
from firstwatch.backtest.inputs import FROM_VENUE, BacktestInput, BacktestRequest
from firstwatch.backtest.prepared import PreparedCandles
from firstwatch.backtest.series_memory import SharedSeries
from firstwatch.backtest.simulate import BacktestResult, simulate_prepared
from firstwatch.engine.jobs.inputs import Source, input_of, read_source
from firstwatch.manager.draft_document import document_of, value_at
from firstwatch.manager.operands import numbers_beside, operand_view
from firstwatch.manager.preview_messages import LOG_FILE, TRADE_COLUMNS, Asked, Computed
from firstwatch.manager.test_requests import period_of, request_of_spec
from firstwatch.manager.test_views import TestSetup
from firstwatch.market.archive import REFERENCE
from firstwatch.market.assumed import coarse_tick
from firstwatch.market.sessions import SessionCalendar
from firstwatch.settings import Settings
from firstwatch.strategy.candles import CandleArrays
from firstwatch.strategy.evaluation import TRUE
from firstwatch.strategy.language import parse_condition
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError, WrongUseError, said
from firstwatch.trading.orders import Side
from firstwatch.trading.text import counted
from firstwatch.trading.why import GroupKind

MOST_BARS = 10_000
"""Bars of a preview, the newest of the period."""
_FRESH_S = 600.0
"""Time for which candles that were read are used."""
_PROBLEM_S = 5.0
"""Time for which candles that could not be read are not asked for again."""
_SOURCES, _SHOWN = 4, 4
_LEAST_WARM_UP = 4_096
"""Bars before those of the preview; more by powers of two, so that a longer period seldom changes them."""

_log = logging.getLogger(__name__)


# --- candles -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A source as it was read, or why it could not be. ``number``: no other one has it."""

    number: int
    at_s: float
    bars: int
    source: Source | None = None
    problem: str = ""

    def is_usable(self, now_s: float, bars: int) -> bool:
        if self.source is None:
            return now_s - self.at_s < _PROBLEM_S
        return now_s - self.at_s < _FRESH_S and self.bars >= bars


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """The candles of a preview, with their warm-up before ``first``, prepared."""

    number: int
    prepared: PreparedCandles
    first: int

    @property
    def candles(self) -> CandleArrays:
        return self.prepared.candles.part(self.first, len(self.prepared.candles))


class Previewer:
    """Computes previews for the settings of one data folder. One thread uses it."""

    def __init__(self, settings: Settings, clock: Clock, *, begin_reading: Callable[[], None]) -> None:
        """``begin_reading``: called before candles are read from disk or from a venue."""
        self._settings = settings
        self._clock = clock
        self._begin_reading = begin_reading
        self._sources: OrderedDict[Hashable, _Read] = OrderedDict()
        self._shown: OrderedDict[Hashable, _Shown] = OrderedDict()
        self._numbers = 0

    def answer(self, asked: Asked) -> Computed:
        """Return the preview of a text; a mistake or a failure is its problem, in one sentence."""
        try:
            return self._computed(asked)
        except FirstwatchError as error:
            return Computed(problem=_sentence(error))
        except MemoryError:
            return Computed(problem="The preview needs more memory than there is; choose a shorter period.")
        except Exception as error:
            # A text may meet a mistake of ours; the next one must be answered all the same.
            _log.exception("a preview failed")
            return Computed(problem=f"The preview failed ({said(error)}); see {LOG_FILE} in the data folder.")

    def _computed(self, asked: Asked) -> Computed:
        spec = AlgorithmSpec.from_toml(asked.text, "the text")
        with _settings_checked():
            request = request_of_spec(spec, asked.setup, algorithm="the text")
        warm_up = _LEAST_WARM_UP
        while warm_up < _warm_up_bars(spec):
            warm_up *= 2
        read = self._read(request, spec, warm_up)
        if read.source is None:
            raise WrongUseError(read.problem)
        given = input_of(request, spec, read.source)
        shown = self._shown_of(read, given, asked.setup, warm_up)
        if given.assumed and (problem := coarse_tick(given.market.tick, spec, shown.candles)):
            raise WrongUseError(f"The market of these candles cannot be assumed: {problem}.")
        return _preview(given, shown, asked)

    def _read(self, request: BacktestRequest, spec: AlgorithmSpec, warm_up: int) -> _Read:
        """Return the source of a request, read before or now."""
        key = request.candles, request.venue, request.symbol, spec.timeframe
        bars = warm_up + MOST_BARS if request.candles == FROM_VENUE else 0
        found, now_s = self._sources.get(key), self._clock.elapsed_s()
        if found is None or not found.is_usable(now_s, bars):
            self._begin_reading()
            try:
                source = read_source(self._settings, request, self._clock, bars=bars)
                found = _Read(self._next_number(), now_s, bars, source)
            except FirstwatchError as error:
                found = _Read(self._next_number(), now_s, bars, problem=_sentence(error))
        _keep(self._sources, key, found, _SOURCES)
        return found

    def _shown_of(self, read: _Read, given: BacktestInput, setup: TestSetup, warm_up: int) -> _Shown:
        key = read.number, warm_up, setup.period, setup.begin, setup.end
        found = self._shown.get(key) or _prepared(self._next_number(), given, setup, warm_up)
        _keep(self._shown, key, found, _SHOWN)
        return found

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers


def _keep(known: OrderedDict[Hashable, Any], key: Hashable, value: Any, most: int) -> None:
    """Keep a value as the one that was used last."""
    known[key] = value
    known.move_to_end(key)
    while len(known) > most:
        known.popitem(last=False)


@contextmanager
def _settings_checked() -> Iterator[None]:
    """Give mistakes in the texts of a test's settings a sentence."""
    try:
        yield
    except (ValueError, ArithmeticError) as error:
        raise WrongUseError("A setting of the test is wrong; correct it in Test mode.") from error


def _sentence(error: FirstwatchError) -> str:
    return str(error).partition("\n")[0]


def _warm_up_bars(spec: AlgorithmSpec) -> int:
    """Return the history that a live run would start with, in bars of the algorithm's own timeframe."""
    return max(bars * timeframe.ms // spec.timeframe.ms for timeframe, bars in spec.needed_bars().items())


def _prepared(number: int, given: BacktestInput, setup: TestSetup, warm_up: int) -> _Shown:
    candles = given.file.candles
    with _settings_checked():
        # Of a series of the archive the end is its last bar, as in a test of it.
        after_ms = 0 if setup.candles.startswith(REFERENCE) else candles.timeframe.ms
        begin_ms, end_ms = period_of(setup, lambda: int(candles.time_ms[-1]) + after_ms)
    end = len(candles) if end_ms is None else candles.index_at(end_ms)
    first = max(0 if begin_ms is None else candles.index_at(begin_ms), end - MOST_BARS)
    if first >= end:
        raise WrongUseError(f"There are no candles of {given.symbol} in this period; choose another one.")
    start = max(0, first - warm_up)
    part = candles.part(start, end)
    calendar = SessionCalendar(given.settings.session)
    prepared = PreparedCandles(part, calendar, given.funding, memory=SharedSeries(part))
    return _Shown(number, prepared, first - start)


# --- the preview -------------------------------------------------------------------------------------


def _preview(given: BacktestInput, shown: _Shown, asked: Asked) -> Computed:
    spec, candles = given.spec, shown.candles
    count = len(candles)
    result = simulate_prepared(
        spec,
        shown.prepared,
        market=given.market,
        costs=given.costs,
        settings=given.settings,
        start_ms=int(candles.time_ms[0]),
        loop=COMPILER.loaded,
        has_levels=True,
    )
    evaluator = shown.prepared.evaluator(spec)
    stop, target = (_as_long(level, count) for level in result.levels or ())
    text = value_at(document_of(spec), asked.condition) if asked.condition else None
    condition = parse_condition(text, spec.timeframe) if isinstance(text, str) else None
    return Computed(
        symbol=given.symbol,
        number=shown.number,
        candles=None if asked.known == shown.number else candles,
        trades=np.column_stack([result.records.column(name) for name in TRADE_COLUMNS]),
        stop=stop,
        target=target,
        signals=_signals(spec, shown, count),
        operands=tuple(
            operand_view(operand, numbers, evaluator, count)
            for operand, numbers in numbers_beside(spec).items()
        ),
        condition="" if condition is None else str(condition),
        holds=None if condition is None else evaluator.truth(condition)[-count:],
        summary=_summary(result),
    )


def _as_long(level: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return a level with no value at the bars before the backtest began."""
    return np.concatenate([np.full(count - len(level), np.nan), level])


def _signals(spec: AlgorithmSpec, shown: _Shown, count: int) -> dict[tuple[str, Side], NDArray[np.bool_]]:
    """Return where the groups that the algorithm has are true."""
    found = shown.prepared.replay(spec).signals
    arrays = {
        (GroupKind.ENTRY, Side.LONG): found.entry_long,
        (GroupKind.ENTRY, Side.SHORT): found.entry_short,
        (GroupKind.EXIT, Side.LONG): found.exit_long,
        (GroupKind.EXIT, Side.SHORT): found.exit_short,
    }
    return {
        (str(kind), side): flags[-count:] == TRUE
        for (kind, side), flags in arrays.items()
        if spec.placed(kind, side)
    }


def _summary(result: BacktestResult) -> str:
    """Return a backtest in words."""
    found = result.metrics
    drawdown = "" if found.max_drawdown is None else f", drawdown {found.max_drawdown:.1%}"
    gain = "" if found.total_return is None else f", return {found.total_return:+.1%}"
    return f"{counted(len(result.records), 'trade')}{gain}{drawdown} in {counted(result.bars, 'bar')}"
