"""Closes of a run's own bars, for the price chart, read from the market that its venue replays."""

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstwatch.market.cache import CandleCache
from firstwatch.settings import Settings
from firstwatch.store.runs import Run
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.venues.paper.assembly import candle_source, market_of, symbol_of_venue
from firstwatch.venues.paper.bars import FeedBars
from firstwatch.venues.paper.settings import PaperVenueSettings

SHOWN_BARS = 500
_CONTEXT_BARS = 40
"""Bars before the run's first, so that a young run has a chart."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Closes:
    """Open times and closes of bars, oldest first."""

    time_ms: NDArray[np.int64]
    close: NDArray[np.float64]


NO_CLOSES = Closes(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


def _symbols(settings: Settings) -> Iterator[str]:
    for name, venue in settings.venues.items():
        if not isinstance(venue, PaperVenueSettings):
            continue
        try:
            yield symbol_of_venue(venue)
        except FirstwatchError as error:
            # The engine says the same to the operator when it opens the venue.
            _log.info("no market of %s: %s", name, error)


class PriceReader:
    """Hands out what is known at once and reads what is missing on a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache = CandleCache(settings.home / "cache")
        self._markets: dict[str, FeedBars | None] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prices")
        self.symbols = tuple(_symbols(settings))
        """What the paper venues trade."""
        self._run_id = ""
        self._known = NO_CLOSES
        self._reading: Future[Closes] | None = None

    def of_run(self, run: Run, timeframe: Timeframe, first_ms: int | None, last_ms: int | None) -> Closes:
        """Return the closes up to the bar that opened at ``last_ms``, as far as they are known by now."""
        if run.id != self._run_id:
            self._run_id, self._known, self._reading = run.id, NO_CLOSES, None
        if self._reading is not None and self._reading.done():
            self._take(self._reading.result())
            self._reading = None
        is_behind = last_ms is not None and (not len(self._known.close) or self._known.time_ms[-1] < last_ms)
        venue = self._settings.venues.get(run.venue)
        if not isinstance(venue, PaperVenueSettings):
            return self._known
        if is_behind and last_ms is not None and self._reading is None:
            wanted = _CONTEXT_BARS
            if len(self._known.close):
                wanted = (last_ms - int(self._known.time_ms[-1])) // timeframe.ms
            elif first_ms is not None:
                wanted += (last_ms - first_ms) // timeframe.ms
            limit = max(1, min(wanted, SHOWN_BARS))
            self._reading = self._thread.submit(self._read, run.venue, venue, timeframe, last_ms, limit)
        return self._known

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _take(self, fresh: Closes) -> None:
        if not len(fresh.close):
            return
        kept = self._known.time_ms < fresh.time_ms[0]
        self._known = Closes(
            np.concatenate([self._known.time_ms[kept], fresh.time_ms])[-SHOWN_BARS:],
            np.concatenate([self._known.close[kept], fresh.close])[-SHOWN_BARS:],
        )

    def _read(
        self, name: str, venue: PaperVenueSettings, timeframe: Timeframe, last_ms: int, limit: int
    ) -> Closes:
        try:
            if name not in self._markets:
                self._markets[name] = FeedBars(candle_source(venue, market_of(venue), self._cache))
            market = self._markets[name]
        except FirstwatchError as error:
            # The engine says the same to the operator when it opens the venue.
            _log.info("no price chart for %s: %s", name, error)
            market = self._markets[name] = None
        if market is None:
            return NO_CLOSES
        bars = market.ended_by(timeframe, last_ms + timeframe.ms, limit)
        return Closes(
            np.array([bar.time_ms for bar in bars], dtype=np.int64),
            np.array([bar.close for bar in bars], dtype=np.float64),
        )
