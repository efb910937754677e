"""The functions that TA-Lib does not have, each as one formula for whole arrays and for bar after bar.

A formula gets its inputs, then its parameters, and returns its outputs. A value in it is an array with one
entry per bar, or the number of one bar: + - * and ``abs`` give the same bits for both, and everything else is
done by ``Parts``. A part remembers what it needs from one bar to the next and is known by its turn, so that a
formula asks for the same parts in the same order whatever the values are.

A bar at which an input of a part is not finite does not exist for that part, as for a function. What has no
value by the formula, a division by zero above all, is NaN.
"""

# Positions, not keywords, as TA-Lib's functions are called; in a recursion ``if`` instead of max() and min(),
# which take as long as all the rest.
# ruff: noqa: PLR0917

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

Value = Any
"""An array with one entry per bar, or the float of one bar."""
State = tuple[float, ...]

_DAY_MS = 86_400_000
_NONE = math.nan
_ROUNDING = 1e-10


class Parts(Protocol):
    """What a formula is made of beside + - * and ``abs``."""

    def talib(self, function: str, parameters: tuple[int, ...], *inputs: Value) -> Value:
        """Return a function of TA-Lib that has one output."""

    def back(self, value: Value, bars: int) -> Value:
        """Return the value of so many bars before."""

    def total(self, period: int, term: Callable[..., Value], value: Value, *beside: Value) -> Value:
        """Return the sum of a term over the last ``period`` bars, added from the oldest to the newest.

        The term is called with how many bars back it lies, ``value`` there, and ``beside`` at this bar.
        """

    def recursion(
        self, step: Callable[..., State], start: State, *inputs: Value, outputs: int = 1
    ) -> tuple[Value, ...]:
        """Return the first entries of a state that each bar makes of the one before: step(state, *inputs)."""

    def ratio(self, above: Value, below: Value) -> Value:
        """Return the quotient; none where ``below`` is 0 or a side is not finite."""

    def root(self, value: Value) -> Value:
        """Return the square root; none of what is negative."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula, and what follows from its parameters."""

    compute: Callable[..., tuple[Value, ...]]
    lookback: Callable[..., int]
    """How many bars pass before its first value; days are counted apart."""
    period: Callable[..., int] | None = None
    """The period of a Wilder's average that forgets as fast; None: its longest one."""


def alma(parts: Parts, source: Value, timeperiod: int, offset: float, sigma: float) -> tuple[Value, ...]:
    """Arnaud Legoux moving average (Legoux and Kouzis-Loukas, 2009): weights of a Gaussian curve.

    Counted from the oldest bar, i = 0, its centre is offset * (period - 1), its width period / sigma.
    """
    weights = _gaussian(timeperiod, offset, sigma)
    return (parts.total(timeperiod, lambda back, value: weights[back] * value, source),)


@lru_cache(maxsize=64)
def _gaussian(period: int, offset: float, sigma: float) -> tuple[float, ...]:
    """Return the weights of ``alma``, whose sum is 1, the newest bar's first."""
    centre, width = offset * (period - 1), period / sigma
    weights = [math.exp(-((index - centre) ** 2) / (2 * width * width)) for index in range(period)]
    whole = math.fsum(weights)
    return tuple(weight / whole for weight in reversed(weights))


def chandelier(
    parts: Parts, high: Value, low: Value, close: Value, timeperiod: int, multiplier: float
) -> tuple[Value, ...]:
    """Chandelier exit (Charles LeBeau; Elder, "Come Into My Trading Room", 2002).

    Long: the highest high less ``multiplier`` ATRs, short: the lowest low plus as many, all of one period.
    """
    distance = multiplier * parts.talib("atr", (timeperiod,), high, low, close)
    return (
        parts.talib("max", (timeperiod,), high) - distance,
        parts.talib("min", (timeperiod,), low) + distance,
    )


def chop(parts: Parts, high: Value, low: Value, close: Value, timeperiod: int) -> tuple[Value, ...]:
    """Choppiness index (E. W. Dreiss, 1992): 100 * log10(sum of true ranges / range) / log10(period)."""
    way = parts.total(timeperiod, _itself, parts.talib("trange", (), high, low, close))
    extent = parts.talib("max", (timeperiod,), high) - parts.talib("min", (timeperiod,), low)
    return (100 * parts.talib("log10", (), parts.ratio(way, extent)) / math.log10(timeperiod),)


def crsi(
    parts: Parts, source: Value, rsiperiod: int, streakperiod: int, rankperiod: int
) -> tuple[Value, ...]:
    """Connors RSI (Connors and Alvarez, "An Introduction to ConnorsRSI", 2012): the mean of three figures.

    Wilder's RSI of the source; the same of its streak, the bars that it has risen (or, negative, fallen) in a
    row; and how many per cent of the last ``rankperiod`` changes, in per cent, were below this one.
    """
    before = parts.back(source, 1)
    change = source - before
    (streak,) = parts.recursion(_streak, (0.0,), change)
    growth = parts.ratio(change, before)
    lower = parts.total(rankperiod + 1, lambda _, old, now: old < now, growth, growth)
    streak_change = streak - parts.back(streak, 1)
    return (
        (_rsi(parts, change, rsiperiod) + _rsi(parts, streak_change, streakperiod) + lower * 100 / rankperiod)
        / 3,
    )


def _streak(state: State, change: float) -> State:
    (streak,) = state
    if change > 0:
        return (streak + 1 if streak > 0 else 1.0,)
    if change < 0:
        return (streak - 1 if streak < 0 else -1.0,)
    return (0.0,)


def _rsi(parts: Parts, change: Value, period: int) -> Value:
    """Wilder's RSI of changes. TA-Lib's takes a price below 1e-14 for 0, and has a value without a change."""
    gain = parts.talib("rma", (period,), _rise(change))
    loss = parts.talib("rma", (period,), _rise(-change))
    return 100 * parts.ratio(gain, gain + loss)


def fisher(parts: Parts, high: Value, low: Value, timeperiod: int) -> tuple[Value, ...]:
    """Fisher transform (Ehlers, "Using the Fisher Transform", Stocks & Commodities, November 2002).

    Of the place of (high + low) / 2 in its range, smoothed; the trigger is the value of the bar before.
    """
    price = (high + low) / 2
    lowest = parts.talib("min", (timeperiod,), price)
    place = parts.ratio(price - lowest, parts.talib("max", (timeperiod,), price) - lowest)

    def step(state: State, place: float) -> State:
        smooth = 0.66 * (place - 0.5) + 0.67 * state[1]
        if abs(smooth) > 0.99:
            smooth = math.copysign(0.999, smooth)
        return 0.5 * math.log((1 + smooth) / (1 - smooth)) + 0.5 * state[0], smooth

    (transformed,) = parts.recursion(step, (0.0, 0.0), place)
    return transformed, parts.back(transformed, 1)


def ichimoku(
    parts: Parts,
    high: Value,
    low: Value,
    conversionperiod: int,
    baseperiod: int,
    spanperiod: int,
    displacement: int,
) -> tuple[Value, ...]:
    """Ichimoku Kinko Hyo (Goichi Hosoda, 1969): middles between the highest high and the lowest low.

    The spans, the cloud at a bar, are those that were computed ``displacement`` bars before. (TradingView
    counts the bar itself, so its 26 is 25 here.) The lagging span is a later close and does not exist here.
    """
    conversion = parts.talib("midprice", (conversionperiod,), high, low)
    base = parts.talib("midprice", (baseperiod,), high, low)
    span = parts.talib("midprice", (spanperiod,), high, low)
    return (
        conversion,
        base,
        parts.back((conversion + base) / 2, displacement),
        parts.back(span, displacement),
    )


def kst(parts: Parts, source: Value, *periods: int) -> tuple[Value, ...]:
    """Know Sure Thing (Martin Pring, "Summed Rate of Change", Stocks & Commodities, September 1992).

    Simple averages of four rates of change in per cent, weighted 1 to 4; the signal is their average.
    """
    line: Value = 0.0
    for weight in (1, 2, 3, 4):
        before = parts.back(source, periods[weight - 1])
        change = 100 * parts.ratio(source - before, before)
        line = line + weight * _mean(parts, periods[weight + 3], change)
    return line, _mean(parts, periods[8], line)


def _kst_lookback(*periods: int) -> int:
    return max(periods[index] + periods[index + 4] - 1 for index in range(4)) + periods[8] - 1


def mcginley(parts: Parts, source: Value, timeperiod: int) -> tuple[Value, ...]:
    """McGinley dynamic (John R. McGinley, 1990), as TradingView has it: without the factor 0.6.

    It goes from the line by (source - line) / (period * (source / line)^4), beginning at a simple average.
    Where that would pass the source, as after a fall to half (period 14), it goes to the source: the formula
    by itself would then leave every price behind. A line at 0 begins anew at the source.
    """

    def step(state: State, value: float, mean: float) -> State:
        line = state[0]
        if not math.isfinite(line):
            return (mean,)
        if line == 0:
            return (value,)
        square = (value / line) * (value / line)
        slowness = timeperiod * (square * square)
        return (line + (value - line) / slowness if slowness > 1 else value,)

    return parts.recursion(step, (_NONE,), source, _mean(parts, timeperiod, source))


def pivots(parts: Parts, time_ms: Value, high: Value, low: Value, close: Value) -> tuple[Value, ...]:
    """Classic pivot points ("floor trader's") of the last day (UTC) before the bar's that had bars.

    p = (high + low + close) / 3, and three levels on either side. A day counts if its first bar was there.
    """

    def step(state: State, time_ms: float, high: float, low: float, close: float) -> State:
        before_high, before_low, before_close, day, highest, lowest, last = state
        today = time_ms // _DAY_MS
        if today != day:
            is_whole = day >= 0 or time_ms % _DAY_MS == 0
            before_high, before_low, before_close = highest, lowest, last
            highest, lowest = (high, low) if is_whole else (_NONE, _NONE)
        # Of a day that began before the history these remain NaN.
        highest = high if high > highest else highest
        lowest = low if low < lowest else lowest
        return before_high, before_low, before_close, today, highest, lowest, close

    start = (_NONE, _NONE, _NONE, -1.0, _NONE, _NONE, _NONE)
    high, low, close = parts.recursion(step, start, time_ms, high, low, close, outputs=3)
    pivot = (high + low + close) / 3
    extent = high - low
    return (
        pivot,
        2 * pivot - low,
        pivot + extent,
        high + 2 * (pivot - low),
        2 * pivot - high,
        pivot - extent,
        low - 2 * (high - pivot),
    )


def session_vwap(
    parts: Parts, time_ms: Value, high: Value, low: Value, close: Value, volume: Value, nbdev: float
) -> tuple[Value, ...]:
    """Volume weighted average of (high + low + close) / 3 since the day (UTC) began, with bands.

    The bands lie ``nbdev`` standard deviations away, weighted by volume too (as TradingView has them), summed
    up by West's method (Communications of the ACM 22, 1979). A day counts if its first bar was there.
    """

    def step(state: State, time_ms: float, price: float, volume: float) -> State:
        mean, _, day, is_whole, weight, turnover, squares = state
        today = time_ms // _DAY_MS
        if today != day:
            is_whole = day >= 0 or time_ms % _DAY_MS == 0
            weight = turnover = squares = 0.0
        if not is_whole:
            return _NONE, _NONE, today, is_whole, 0.0, 0.0, 0.0
        before = mean if weight > 0 else price
        weight += volume
        turnover += price * volume
        if not weight > 0:
            return _NONE, _NONE, today, is_whole, weight, turnover, squares
        mean = turnover / weight
        squares += volume * (price - before) * (price - mean)
        variance = 0.0 if squares < 0 else squares / weight
        return mean, math.sqrt(variance), today, is_whole, weight, turnover, squares

    start = (_NONE, _NONE, -1.0, False, 0.0, 0.0, 0.0)
    price = (high + low + close) / 3
    mean, deviation = parts.recursion(step, start, time_ms, price, volume, outputs=2)
    return mean, mean + nbdev * deviation, mean - nbdev * deviation


def stc(
    parts: Parts, source: Value, fastperiod: int, slowperiod: int, cycleperiod: int, factor: float
) -> tuple[Value, ...]:
    """Schaff trend cycle (Doug Schaff, 1999): the place of a MACD in its range, smoothed, and that again.

    Where a range is 0 the last place stays, as Schaff has it: a strong trend holds the smoothed one at 100.
    Before there is one, the smoothed place counts as its own. A range that is only the rounding of averages
    counts as 0, or what stands still would seem to move.
    """
    fast = parts.talib("ema", (fastperiod,), source)
    slow = parts.talib("ema", (slowperiod,), source)

    def place_of(line: Value, size: Value, *, is_place: bool) -> Value:
        def step(state: State, above: float, extent: float, size: float) -> State:
            smooth, place = state
            if extent > _ROUNDING * size:
                place = 100 * above / extent
            elif is_place and math.isnan(place):
                place = size
            return place if math.isnan(smooth) else smooth + factor * (place - smooth), place

        lowest = parts.talib("min", (cycleperiod,), line)
        extent = parts.talib("max", (cycleperiod,), line) - lowest
        return parts.recursion(step, (_NONE, _NONE), line - lowest, extent, size)[0]

    smooth = place_of(fast - slow, abs(fast) + abs(slow), is_place=False)
    return (place_of(smooth, smooth, is_place=True),)


def ulcer(parts: Parts, source: Value, timeperiod: int) -> tuple[Value, ...]:
    """Ulcer index (Peter Martin, 1987): the root of the mean square of falls, in per cent.

    A fall is that from the highest source of the period, the mean is one over the same period.
    """
    highest = parts.talib("max", (timeperiod,), source)
    fall = 100 * parts.ratio(source - highest, highest)
    return (parts.root(_mean(parts, timeperiod, fall * fall)),)


def vidya(parts: Parts, source: Value, timeperiod: int, cmoperiod: int) -> tuple[Value, ...]:
    """Variable index dynamic average (Tushar Chande, Stocks & Commodities, March 1992 and October 1995).

    An exponential average whose share of the new value is multiplied by the absolute Chande momentum
    oscillator, from 0 to 1. It begins at the source.
    """
    change = source - parts.back(source, 1)
    up = parts.total(cmoperiod, _itself, _rise(change))
    down = parts.total(cmoperiod, _itself, _rise(-change))
    share = 2 / (timeperiod + 1) * abs(parts.ratio(up - down, up + down))

    def step(state: State, value: float, share: float) -> State:
        line = state[0]
        return (line + share * (value - line) if math.isfinite(line) else value,)

    return parts.recursion(step, (_NONE,), source, share)


def zscore(parts: Parts, source: Value, timeperiod: int) -> tuple[Value, ...]:
    """The source less its mean, by its standard deviation (of the whole, not of a sample).

    Both are of the distances to the newest value: a source that does not change has none at all, and as the
    newest lies at most the root of the period away from the mean, the variance loses no more to rounding.
    """
    mean = parts.total(timeperiod, lambda _, old, now: old - now, source, source) / timeperiod
    square = parts.total(timeperiod, lambda _, old, now: (old - now) * (old - now), source, source)
    return (parts.ratio(-mean, parts.root(square / timeperiod - mean * mean)),)


def _itself(_: int, value: Value) -> Value:
    return value


def _mean(parts: Parts, period: int, value: Value) -> Value:
    return parts.total(period, _itself, value) / period


def _rise(change: Value) -> Value:
    """Return what is above 0 of a change, else 0."""
    return (change + abs(change)) / 2


FORMULAS: dict[str, Formula] = {
    "alma": Formula(alma, lambda period, *_: period - 1),
    "chandelier": Formula(chandelier, lambda period, _: period),
    "chop": Formula(chop, lambda period: period),
    "crsi": Formula(crsi, lambda rsi, streak, rank: max(rsi, streak + 1, rank + 1)),
    "fisher": Formula(fisher, lambda period: period),
    "ichimoku": Formula(
        ichimoku, lambda fast, base, span, displacement: max(fast, base, span) - 1 + displacement
    ),
    "kst": Formula(kst, _kst_lookback),
    # Below the price it follows more slowly than by 1 / period.
    "mcginley": Formula(mcginley, lambda period: period - 1, lambda period: 2 * period),
    "pivots": Formula(pivots, lambda: 0),
    "session_vwap": Formula(session_vwap, lambda _: 0),
    "stc": Formula(stc, lambda fast, slow, cycle, _: max(fast, slow) - 1 + 2 * (cycle - 1)),
    "ulcer": Formula(ulcer, lambda period: 2 * (period - 1)),
    # Of what walks at random the absolute CMO is 1 / root(period) in the mean.
    "vidya": Formula(vidya, lambda _, cmo: cmo, lambda period, cmo: math.ceil(period * math.sqrt(cmo) / 2)),
    "zscore": Formula(zscore, lambda period: period - 1),
}
"""By the function's name."""
