"""Bars of a feed in its own and in higher timeframes, as known when the feed is at an index."""

from firstwatch.market.feeds import CandleSource
from firstwatch.strategy.aggregate import Aggregator
from firstwatch.trading.bar import Bar
from firstwatch.trading.timeframe import Timeframe


class FeedBars:
    """Reads bars of any timeframe from a source. ``Aggregator`` makes those of higher timeframes."""

    def __init__(self, source: CandleSource) -> None:
        self.source = source
        self.base = source.timeframe

    def ended_by(self, timeframe: Timeframe, end_ms: int, limit: int) -> list[Bar]:
        """Return up to ``limit`` bars that end at or before ``end_ms``, oldest first."""
        if timeframe is self.base:
            return self.before(timeframe, self.source.index_at(end_ms - self.base.ms + 1), limit)
        return self.before(timeframe, self.source.index_at(timeframe.open_of(end_ms)), limit)

    def before(self, timeframe: Timeframe, end_index: int, limit: int) -> list[Bar]:
        """Return up to ``limit`` whole bars made of the feed's bars before ``end_index``, oldest first."""
        if timeframe is self.base:
            return self.source.history(end_index, limit)
        # One bar before the first shows whether that one is complete; one after the last closes it.
        base = self.source.history(end_index, (limit + 1) * (timeframe.ms // self.base.ms) + 1)
        following = self.source.bar(end_index)
        aggregator = Aggregator(self.base, timeframe)
        made: list[Bar] = []
        for bar in base if following is None else [*base, following]:
            made += aggregator.push(bar)
        if following is not None:
            made = [bar for bar in made if bar.time_ms + timeframe.ms <= following.time_ms]
        return made[-limit:] if limit > 0 else []

    def opens(self, timeframe: Timeframe, index: int, bar: Bar) -> bool:
        """Return whether a bar of ``timeframe`` opens with the feed's ``bar``, which is at ``index``."""
        if timeframe is self.base:
            return True
        earlier = self.source.history(index, 1)
        return not earlier or earlier[0].time_ms < timeframe.open_of(bar.time_ms)

    def closed_by(self, timeframe: Timeframe, index: int, bar: Bar) -> Bar | None:
        """Return the bar of ``timeframe`` that the close of the feed's ``bar`` completes.

        A replay knows when its next bar opens, so a bar that ends with a hole is already complete here. Its
        decision executes at the next open, as in a backtest on that timeframe.
        """
        if timeframe is self.base:
            return bar
        opened_ms = timeframe.open_of(bar.time_ms)
        following = self.source.bar(index + 1)
        next_ms = bar.time_ms + self.base.ms if following is None else following.time_ms
        if next_ms < opened_ms + timeframe.ms:
            return None
        made = self.before(timeframe, index + 1, 1)
        return made[-1] if made and made[-1].time_ms == opened_ms else None

    def index_with_history(self, timeframe: Timeframe, limit: int, first_index: int) -> int | None:
        """Return the first index from ``first_index`` on with ``limit`` bars before it, or None."""
        index = first_index
        while missing := limit - len(self.before(timeframe, index, limit)):
            here = self.source.bar(index)
            if here is None:
                return None
            # With holes this is too early, never too late; the loop continues from there.
            index = self.source.index_at(
                timeframe.open_of(here.time_ms + timeframe.ms - 1) + missing * timeframe.ms
            )
        return index if self.source.bar(index) is not None else None
