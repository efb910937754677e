"""The formulas of ``strategy/formulas.py`` written anew, bar by bar over plain lists, from their definitions.

Each function takes the candles as lists by field and the parameters, and returns its outputs: lists with one
entry per bar, None where there is no value. They share nothing with the program and know no stream.
"""

import math
from fractions import Fraction

Column = list[float | None]
Candles = dict[str, list[float]]
DAY_MS = 86_400_000


def _empty(candles: Candles) -> Column:
    return [None] * len(candles["close"])


def _window(values: Column, index: int, period: int) -> list[float] | None:
    """Return the last values that there are up to a bar at which there is one, if they are enough."""
    if values[index] is None:
        return None
    known = [value for value in values[: index + 1] if value is not None]
    return known[-period:] if len(known) >= period else None


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _averages(values: Column, period: int, share: float) -> Column:
    """Return an exponential average that begins at the simple one of its first values."""
    found: Column = [None] * len(values)
    line = None
    for index in range(len(values)):
        window = _window(values, index, period)
        if window is not None:
            line = _mean(window) if line is None else line * (1 - share) + values[index] * share
            found[index] = line
    return found


def _true_ranges(candles: Candles) -> Column:
    found = _empty(candles)
    for i in range(1, len(found)):
        high, low, before = candles["high"][i], candles["low"][i], candles["close"][i - 1]
        found[i] = max(high - low, abs(high - before), abs(low - before))
    return found


def alma(candles, period, offset, sigma):
    found = _empty(candles)
    centre, width = offset * (period - 1), period / sigma
    for i in range(period - 1, len(found)):
        weighted = weights = 0.0
        for k in range(period):
            weight = math.exp(-((k - centre) ** 2) / (2 * width**2))
            weighted += weight * candles["source"][i - period + 1 + k]
            weights += weight
        found[i] = weighted / weights
    return (found,)


def chandelier(candles, period, multiplier):
    ranges = _averages(_true_ranges(candles), period, 1 / period)
    long, short = _empty(candles), _empty(candles)
    for i, average in enumerate(ranges):
        if average is not None:
            long[i] = max(candles["high"][i - period + 1 : i + 1]) - multiplier * average
            short[i] = min(candles["low"][i - period + 1 : i + 1]) + multiplier * average
    return long, short


def chop(candles, period):
    found, ranges = _empty(candles), _true_ranges(candles)
    for i in range(period, len(found)):
        extent = max(candles["high"][i - period + 1 : i + 1]) - min(candles["low"][i - period + 1 : i + 1])
        if extent:
            way = math.fsum(ranges[i - period + 1 : i + 1])
            found[i] = 100 * math.log(way / extent) / math.log(period)
    return (found,)


def _wilder_rsi(values: Column, period: int) -> Column:
    gains: Column = [None] * len(values)
    losses: Column = [None] * len(values)
    before = None
    for i, value in enumerate(values):
        if before is not None and value is not None:
            gains[i], losses[i] = max(value - before, 0.0), max(before - value, 0.0)
        before = value if value is not None else before
    gains, losses = (_averages(each, period, 1 / period) for each in (gains, losses))
    return [
        100 - 100 / (1 + gain / loss) if gain is not None and loss else (100.0 if gain else None)
        for gain, loss in zip(gains, losses, strict=True)
    ]


def crsi(candles, rsi_period, streak_period, rank_period):
    source = candles["source"]
    streaks, found = _empty(candles), _empty(candles)
    for i in range(1, len(source)):
        rise = fall = 0
        while i - rise > 0 and source[i - rise] > source[i - rise - 1]:
            rise += 1
        while i - fall > 0 and source[i - fall] < source[i - fall - 1]:
            fall += 1
        streaks[i] = float(rise - fall)
    first, second = _wilder_rsi(source, rsi_period), _wilder_rsi(streaks, streak_period)
    growth = [None, *(Fraction(source[i]) / Fraction(source[i - 1]) - 1 for i in range(1, len(source)))]
    for i in range(rank_period + 1, len(source)):
        lower = [each for each in growth[i - rank_period : i] if each < growth[i]]
        if first[i] is not None and second[i] is not None:
            found[i] = (first[i] + second[i] + 100 * len(lower) / rank_period) / 3
    return (found,)


def fisher(candles, period):
    middle = [(high + low) / 2 for high, low in zip(candles["high"], candles["low"], strict=True)]
    found, trigger = _empty(candles), _empty(candles)
    value1, fish, before = 0.0, 0.0, None
    for i in range(period - 1, len(middle)):
        window = middle[i - period + 1 : i + 1]
        if max(window) == min(window):
            continue
        value1 = 0.33 * 2 * ((middle[i] - min(window)) / (max(window) - min(window)) - 0.5) + 0.67 * value1
        value1 = 0.999 if value1 > 0.99 else -0.999 if value1 < -0.99 else value1
        fish = math.atanh(value1) + 0.5 * fish
        found[i], trigger[i], before = fish, before, fish
    return found, trigger


def ichimoku(candles, conversion, base, span, displacement):
    def middles(period: int) -> Column:
        found = _empty(candles)
        for i in range(period - 1, len(found)):
            part = slice(i - period + 1, i + 1)
            found[i] = (max(candles["high"][part]) + min(candles["low"][part])) / 2
        return found

    tenkan, kijun, slow = middles(conversion), middles(base), middles(span)
    span_a, span_b = _empty(candles), _empty(candles)
    for i in range(displacement, len(tenkan)):
        then = i - displacement
        if tenkan[then] is not None and kijun[then] is not None:
            span_a[i] = (tenkan[then] + kijun[then]) / 2
        span_b[i] = slow[then]
    return tenkan, kijun, span_a, span_b


def kst(candles, *periods):
    source, line, signal = candles["source"], _empty(candles), _empty(candles)
    rates, means, last = periods[:4], periods[4:8], periods[8]
    for i in range(len(source)):
        if all(i >= rate + mean - 1 for rate, mean in zip(rates, means, strict=True)):
            line[i] = math.fsum(
                weight * _mean([100 * (source[j] / source[j - rate] - 1) for j in range(i - mean + 1, i + 1)])
                for weight, rate, mean in zip((1, 2, 3, 4), rates, means, strict=True)
            )
        window = _window(line, i, last)
        signal[i] = None if window is None else _mean(window)
    return line, signal


def mcginley(candles, period):
    source, found = candles["source"], _empty(candles)
    line = None
    for i in range(period - 1, len(source)):
        if line is None:
            line = _mean(source[:period])
        else:
            slow = period * (source[i] / line) ** 4
            line = source[i] if slow < 1 else line + (source[i] - line) / slow
        found[i] = line
    return (found,)


def _days(candles: Candles) -> list[int]:
    return [int(time_ms // DAY_MS) for time_ms in candles["time_ms"]]


def _starts_whole(candles: Candles, day: int) -> bool:
    """Return whether the first bar of a day is known to be that."""
    return day > _days(candles)[0] or candles["time_ms"][0] % DAY_MS == 0


def pivots(candles):
    columns = [_empty(candles) for _ in range(7)]
    days = _days(candles)
    for i, today in enumerate(days):
        before = [day for day in days[:i] if day < today]
        if not before or not _starts_whole(candles, before[-1]):
            continue
        bars = [j for j, day in enumerate(days) if day == before[-1]]
        high, low = max(candles["high"][j] for j in bars), min(candles["low"][j] for j in bars)
        pivot = (high + low + candles["close"][bars[-1]]) / 3
        first_resistance, first_support = 2 * pivot - low, 2 * pivot - high
        levels = (
            pivot, first_resistance, pivot + first_resistance - first_support, 2 * pivot + high - 2 * low,
            first_support, pivot - first_resistance + first_support, 2 * pivot - (2 * high - low),
        )  # fmt: skip
        for column, level in zip(columns, levels, strict=True):
            column[i] = level
    return tuple(columns)


def session_vwap(candles, deviations):
    columns = [_empty(candles) for _ in range(3)]
    days = _days(candles)
    for i, today in enumerate(days):
        bars = [j for j in range(i + 1) if days[j] == today]
        volume = math.fsum(candles["volume"][j] for j in bars)
        if not volume or not _starts_whole(candles, today):
            continue
        prices = {j: (candles["high"][j] + candles["low"][j] + candles["close"][j]) / 3 for j in bars}
        mean = math.fsum(prices[j] * candles["volume"][j] for j in bars) / volume
        variance = math.fsum(candles["volume"][j] * (prices[j] - mean) ** 2 for j in bars) / volume
        for column, sign in zip(columns, (0, 1, -1), strict=True):
            column[i] = mean + sign * deviations * math.sqrt(variance)
    return tuple(columns)


def stc(candles, fast, slow, cycle, factor):
    quick, lazy = (_averages(candles["source"], each, 2 / (each + 1)) for each in (fast, slow))
    line = [None if b is None or a is None else a - b for a, b in zip(quick, lazy, strict=True)]
    sizes = [None if b is None or a is None else abs(a) + abs(b) for a, b in zip(quick, lazy, strict=True)]
    for stage in (1, 2):
        smooth = _empty(candles)
        place = before = None
        for i in range(len(line)):
            window = _window(line, i, cycle)
            if window is None:
                continue
            low, high = min(window), max(window)
            if high - low > 1e-10 * sizes[i]:
                place = 100 * (line[i] - low) / (high - low)
            elif stage == 2 and place is None:
                place = line[i]
            if place is not None:
                before = place if before is None else before + factor * (place - before)
                smooth[i] = before
        line = sizes = smooth
    return (line,)


def ulcer(candles, period):
    source = candles["source"]
    falls, found = _empty(candles), _empty(candles)
    for i in range(period - 1, len(source)):
        highest = max(source[i - period + 1 : i + 1])
        falls[i] = 100 * (source[i] - highest) / highest
        window = _window(falls, i, period)
        found[i] = None if window is None else math.sqrt(_mean([fall**2 for fall in window]))
    return (found,)


def vidya(candles, period, cmo_period):
    source, found = candles["source"], _empty(candles)
    line = None
    for i in range(cmo_period, len(source)):
        changes = [source[j] - source[j - 1] for j in range(i - cmo_period + 1, i + 1)]
        way = math.fsum(map(abs, changes))
        if way:
            share = 2 / (period + 1) * abs(math.fsum(changes) / way)
            line = source[i] if line is None else share * source[i] + (1 - share) * line
            found[i] = line
    return (found,)


def zscore(candles, period):
    source, found = candles["source"], _empty(candles)
    for i in range(period - 1, len(source)):
        window = source[i - period + 1 : i + 1]
        if len(set(window)) > 1:
            mean = _mean(window)
            found[i] = (source[i] - mean) / math.sqrt(_mean([(each - mean) ** 2 for each in window]))
    return (found,)
