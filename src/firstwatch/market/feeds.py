"""Sources of a feed's bars, and the times at which they are due. Pure: no thread, no clock.

A source gives bars by index; a pace turns market time into wall time. The paper venue that replays them
owns position, phases and waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Protocol

from firstwatch.market.funding import NO_FUNDING, FundingRate, FundingSeries
from firstwatch.market.synthetic import SyntheticMarket
from firstwatch.strategy.candles import CandleArrays
from firstwatch.trading.bar import Bar
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.validation import value_text

_BLOCK_BARS = 1024
_KEPT_BLOCKS = 8


class CandleSource(Protocol):
    """Bars of one market by index, from 0, oldest first. All methods may be called from any thread."""

    @property
    def timeframe(self) -> Timeframe:
        """The size of the bars."""

    @property
    def start_index(self) -> int:
        """The first bar that is replayed; the bars before it are history."""

    def bar(self, index: int) -> Bar | None:
        """Return a bar; None: the feed has ended before it."""

    def index_at(self, time_ms: int) -> int:
        """Return the index of the first bar whose open time is not before ``time_ms``."""

    def history(self, end_index: int, limit: int) -> list[Bar]:
        """Return up to ``limit`` bars that come right before ``end_index``, oldest first."""

    def funding_between(self, start_ms: int, end_ms: int) -> Sequence[FundingRate]:
        """Return the fundings with ``start_ms <= time < end_ms``, oldest first."""


class ReplayFeed:
    """The bars of a file, replayed from ``start_ms`` on; None: from the first one."""

    def __init__(
        self, candles: CandleArrays, funding: FundingSeries = NO_FUNDING, start_ms: int | None = None
    ) -> None:
        """Take the candles.

        Raises:
            WrongUseError: no bar is left to replay.
        """
        self.timeframe = candles.timeframe
        self._candles = candles
        self._funding = funding
        self.start_index = 0 if start_ms is None else self.index_at(start_ms)
        if self.start_index >= len(candles):
            first = "" if start_ms is None else f" at or after {iso(start_ms)}"
            last = f"; the last one opens at {iso(int(candles.time_ms[-1]))}" if len(candles) else ""
            raise WrongUseError(f"there is no candle to replay{first}{last}; choose another start or file")
        # A year of minutes takes 130 MB as Python numbers, 25 MB as arrays: only replayed bars are converted.
        self._block = lru_cache(maxsize=_KEPT_BLOCKS)(self._make_block)

    def __len__(self) -> int:
        return len(self._candles)

    def bar(self, index: int) -> Bar | None:
        """Return a bar; None after the last one."""
        if index >= len(self._candles):
            return None
        block, offset = divmod(index, _BLOCK_BARS)
        return self._block(block)[offset]

    def index_at(self, time_ms: int) -> int:
        """Return the index of the first bar at or after ``time_ms``, the count of bars when there is none."""
        return self._candles.index_at(time_ms)

    def history(self, end_index: int, limit: int) -> list[Bar]:
        """Return up to ``limit`` bars right before ``end_index``; fewer when the file begins later."""
        end = min(end_index, len(self._candles))
        return self._candles.part(max(0, end - limit), max(0, end)).bars()

    def funding_between(self, start_ms: int, end_ms: int) -> Sequence[FundingRate]:
        """Return the fundings of the file with ``start_ms <= time < end_ms``."""
        return self._funding.between(start_ms, end_ms)

    def _make_block(self, block: int) -> list[Bar]:
        return self._candles.part(block * _BLOCK_BARS, (block + 1) * _BLOCK_BARS).bars()


class SyntheticFeed:
    """Endless bars of a seeded market from ``start_ms`` on.

    An index counts bars since 1970, so history never ends.
    """

    def __init__(self, market: SyntheticMarket, start_ms: int) -> None:
        self.timeframe = market.timeframe
        self._market = market
        self.start_index = self.index_at(start_ms)

    def bar(self, index: int) -> Bar | None:
        """Return a bar; there always is one."""
        return self._market.bar(index)

    def index_at(self, time_ms: int) -> int:
        """Return the index of the first bar whose open time is not before ``time_ms``."""
        return -(-time_ms // self.timeframe.ms)

    def history(self, end_index: int, limit: int) -> list[Bar]:
        """Return ``limit`` bars right before ``end_index``."""
        first = max(0, end_index - limit)
        return self._market.candles(first * self.timeframe.ms, end_index - first).bars()

    def funding_between(self, start_ms: int, end_ms: int) -> Sequence[FundingRate]:
        """Return the fundings with ``start_ms <= time < end_ms``."""
        return self._market.funding(start_ms, end_ms).between(start_ms, end_ms)


Speed = float | Literal["max"]
"""Market seconds per wall second; ``max``: without waiting."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Market time against wall time: when the wall showed ``wall_ms`` the market stood at ``market_ms``."""

    speed: Speed
    market_ms: int = 0
    wall_ms: int = 0

    def __post_init__(self) -> None:
        if self.speed != "max" and not 0 < self.speed < float("inf"):
            raise WrongUseError(
                f'speed {value_text(self.speed)}: write a number above 0 (1 is real time) or "max"'
            )

    def from_here(self, market_ms: int, wall_ms: int) -> "Pace":
        """Return the same speed counted from here, after time stood still or the feed was moved."""
        return replace(self, market_ms=market_ms, wall_ms=wall_ms)

    def due_ms(self, market_ms: int) -> int:
        """Return the wall time at which the market reaches ``market_ms``; at ``max`` it is due already."""
        if self.speed == "max":
            return self.wall_ms
        return self.wall_ms + round((market_ms - self.market_ms) / self.speed)

    def market_at(self, wall_ms: int) -> int:
        """Return the market time at a wall time; at ``max`` the wall does not move the market."""
        if self.speed == "max":
            return self.market_ms
        return self.market_ms + round((wall_ms - self.wall_ms) * self.speed)
