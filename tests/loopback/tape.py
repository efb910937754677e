"""The venue's clock, and the price path of one coin through its candles."""

import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Protocol

from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe


def wall_ms() -> int:
    """Return the wall time of nonces, signatures and request limits."""
    return time.time_ns() // 1_000_000


class VenueClock(Protocol):
    def now_ms(self) -> int:
        """Return the venue's time."""


class WallClock:
    """Venue time that is the wall's."""

    def now_ms(self) -> int:
        return wall_ms()


class RunningClock:
    """Venue time that runs ``factor`` times as fast as the wall's from ``start_ms`` on."""

    def __init__(self, start_ms: int, factor: float) -> None:
        self.factor = factor
        self._start_ms = start_ms
        self._origin_s = time.monotonic()

    def now_ms(self) -> int:
        return self._start_ms + int((time.monotonic() - self._origin_s) * 1000 * self.factor)

    def move_to(self, time_ms: int) -> None:
        self._start_ms += time_ms - self.now_ms()


class SteppedClock:
    """Venue time that stands until it is moved."""

    def __init__(self, start_ms: int) -> None:
        self.time_ms = start_ms

    def now_ms(self) -> int:
        return self.time_ms

    def move_to(self, time_ms: int) -> None:
        self.time_ms = time_ms


@dataclass(frozen=True)
class Coin:
    """One perpetual market. Without ``bars`` it stands at ``price`` and has no candles."""

    name: str
    sz_decimals: int = 5
    max_leverage: int = 40
    bars: Sequence[Bar] = ()
    timeframe: Timeframe = Timeframe.M1
    price: float = 100.0
    is_delisted: bool = False
    half_spread_bps: float = 0.0
    """The book's best prices lie so far beside the price, and then on the tick away from it."""
    level_amount: Decimal = Decimal(1_000_000)
    """Amount in each of the book's levels, which are one tick apart."""
    funding_rate: float = 0.0000125
    """Of an hour, where ``funding`` does not say another."""
    funding: dict[int, float] = field(default_factory=dict)
    """Rates by the time at which they fall due."""

    @property
    def maintenance_rate(self) -> Decimal:
        return Decimal(1) / (2 * self.max_leverage)

    def tick_at(self, price: Decimal) -> Decimal:
        """Return the price step: five figures, 6 - sz_decimals decimals, whole numbers always."""
        decimals = Decimal(1).scaleb(self.sz_decimals - 6)
        figures = Decimal(1).scaleb(price.adjusted() - 4) if price else decimals
        return max(decimals, min(figures, Decimal(1)))

    def is_on_tick(self, price: Decimal) -> bool:
        return price % self.tick_at(price) == 0

    def is_on_step(self, amount: Decimal) -> bool:
        return amount % Decimal(1).scaleb(-self.sz_decimals) == 0


@dataclass(frozen=True, slots=True)
class Leg:
    """A piece of a bar's path: from one price to the next in a straight line of time."""

    start_ms: int
    end_ms: int
    start: float
    end: float


@dataclass(slots=True)
class Row:
    """The bar that is forming."""

    time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Tape:
    """A coin's price through time: a jump to each bar's open, then straight legs to its extremes and close.

    A green bar goes to its low first, a red one to its high. ``dwell`` is the share of the bar for which
    its open stands, so that who reacts to a close can trade near the next open at any acceleration.
    """

    def __init__(self, coin: Coin, *, dwell: float, start_ms: int) -> None:
        if not 0 <= dwell <= 0.9:
            raise ValueError("an open stands for a share of its bar, at most 0.9")
        self.coin = coin
        self.bars = list(coin.bars)
        self.dwell = dwell
        self.time_ms = start_ms
        self.next_index = bisect_left(self.bars, start_ms, key=lambda bar: bar.time_ms)
        """The first bar that has not begun."""
        self.row: Row | None = None
        self.legs: list[Leg] = []
        before = self.bars[self.next_index - 1].close if self.next_index else None
        first = self.bars[0].open if self.bars else coin.price
        self.price = decimal_of(first if before is None else before)
        if self.next_index and self.bars[self.next_index - 1].time_ms + coin.timeframe.ms > start_ms:
            self._begin(self.next_index - 1)
            self.price = decimal_of(self.row.open)

    @property
    def has_ended(self) -> bool:
        return self.next_index == len(self.bars) and self.row is None

    def append(self, bar: Bar) -> None:
        if self.bars and bar.time_ms <= self.bars[-1].time_ms:
            raise ValueError(f"the bar at {bar.time_ms} is not after the last one")
        self.bars.append(bar)

    def revise(self, bar: Bar) -> None:
        """Replace the bar of that time, as a venue does that has found more trades."""
        place = bisect_left(self.bars, bar.time_ms, key=lambda each: each.time_ms)
        if self.bars[place].time_ms != bar.time_ms:
            raise ValueError(f"there is no bar at {bar.time_ms}")
        self.bars[place] = bar

    def next_edge_ms(self, until_ms: int) -> int:
        """Return the next time up to ``until_ms`` at which something happens besides moving straight."""
        edges = [until_ms]
        if self.row is not None:
            edges.append(self.row.time_ms + self.coin.timeframe.ms)
            edges.extend(leg.end_ms for leg in self.legs if leg.end_ms > self.time_ms)
        if self.next_index < len(self.bars):
            edges.append(max(self.bars[self.next_index].time_ms, self.time_ms))
        return min(edges)

    def bar_ends_at(self, time_ms: int) -> bool:
        return self.row is not None and self.row.time_ms + self.coin.timeframe.ms <= time_ms

    def bar_begins_at(self, time_ms: int) -> bool:
        return self.next_index < len(self.bars) and self.bars[self.next_index].time_ms <= time_ms

    def begin(self) -> Decimal:
        """Begin the next bar; return its open, to which the price jumps."""
        self._begin(self.next_index)
        self.next_index += 1
        return decimal_of(self.row.open)

    def finish(self) -> None:
        """Give the bar that ends the figures of the file, to the last digit."""
        bar, row = self.bars[self.next_index - 1], self.row
        row.open, row.high, row.low, row.close, row.volume = bar[1:]

    def end(self) -> None:
        """Leave the bar that has ended."""
        self.row = None
        self.legs = []

    def price_at(self, time_ms: int) -> Decimal:
        """Return the price to which the path has moved at that time of the bar."""
        for leg in self.legs:
            if leg.start_ms < time_ms <= leg.end_ms or (leg.end_ms < time_ms and leg is self.legs[-1]):
                if time_ms >= leg.end_ms:
                    return decimal_of(leg.end)
                share = (time_ms - leg.start_ms) / (leg.end_ms - leg.start_ms)
                return decimal_of(round(leg.start + (leg.end - leg.start) * share, 6))
        return self.price

    def moved(self, price: Decimal, time_ms: int) -> None:
        """Say that the price stands there now; the forming row follows."""
        self.price, self.time_ms = price, time_ms
        if self.row is None:
            return
        bar = self.bars[self.next_index - 1]
        self.row.close = float(price)
        self.row.high = max(self.row.high, float(price))
        self.row.low = min(self.row.low, float(price))
        share = min(1.0, (time_ms - bar.time_ms) / self.coin.timeframe.ms)
        self.row.volume = bar.volume * share

    def candles(self, interval: Timeframe, start_ms: int, end_ms: int) -> list[Row]:
        """Return the rows that open in that time, the forming one included; [] for a smaller interval."""
        if not interval.is_multiple_of(self.coin.timeframe):
            return []
        first = bisect_left(self.bars, start_ms, key=lambda bar: bar.time_ms)
        closed = self.next_index - (self.row is not None)
        rows = [Row(*bar) for bar in self.bars[min(first, closed) : closed]]
        if self.row is not None and self.row.time_ms >= start_ms:
            rows.append(replace(self.row))
        rows = rows if interval is self.coin.timeframe else _joined(rows, interval)
        return [row for row in rows if start_ms <= row.time_ms <= end_ms]

    def last_row(self, interval: Timeframe) -> Row | None:
        """Return a copy of the row of that interval that holds the forming bar; None: none forms."""
        if self.row is None:
            return None
        rows = self.candles(interval, interval.open_of(self.row.time_ms), self.row.time_ms)
        return replace(rows[-1]) if rows else None

    def _begin(self, index: int) -> None:
        bar, length = self.bars[index], self.coin.timeframe.ms
        self.row = Row(bar.time_ms, bar.open, bar.open, bar.open, bar.open, 0.0)
        stops = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
        prices = (bar.open, *stops, bar.close)
        step = (0.98 - self.dwell) / 3
        times = [bar.time_ms + int(length * (self.dwell + step * number)) for number in range(4)]
        self.legs = [Leg(times[n], times[n + 1], prices[n], prices[n + 1]) for n in range(3)]


def _joined(rows: Sequence[Row], interval: Timeframe) -> list[Row]:
    joined: list[Row] = []
    for row in rows:
        open_ms = interval.open_of(row.time_ms)
        if not joined or joined[-1].time_ms != open_ms:
            joined.append(Row(open_ms, row.open, row.high, row.low, row.close, row.volume))
            continue
        last = joined[-1]
        last.high, last.low = max(last.high, row.high), min(last.low, row.low)
        last.close, last.volume = row.close, last.volume + row.volume
    return joined


def decimal_of(value: float) -> Decimal:
    return Decimal(repr(value))


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_CEILING) * step
