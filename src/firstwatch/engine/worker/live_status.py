"""A run's live figures, which the host writes once a second if they have changed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from firstwatch.engine.core import inputs
from firstwatch.engine.core.run_core import RunCore
from firstwatch.store.live import LiveStatus
from firstwatch.trading.market import Market
from firstwatch.venues.protocol import BarClosed, BarOpened, FillReported, FundingReported, MarkMoved


@dataclass(frozen=True, slots=True)
class _Held:
    """The booked position: signed amount steps and average entry price in quote."""

    steps: int = 0
    entry_price: float = 0.0


class LiveFigures:
    """The latest mark, unrealised PnL, equity and stream times of a run.

    Written by the run's worker, read by the host thread without a lock; each figure is replaced atomically,
    and small differences in age do no harm.
    """

    def __init__(self, run_id: str, market: Market) -> None:
        self._run_id = run_id
        self._market = market
        self._mark: float | None = None
        self._venue_time_ms: int | None = None
        self._streams: Mapping[str, int] = {}
        self._last_bar_ms = 0
        self._held = _Held()
        self._closing_equity = 0.0
        self._held_at_close = _Held()
        self._unrealised_at_close = Decimal(0)
        self._written: LiveStatus | None = None

    def update(self, event: inputs.Event, core: RunCore, now_ms: int) -> None:
        """Update the figures from one handled event. ``now_ms``: local time."""
        if not isinstance(event, inputs.TimePassed):
            self._venue_time_ms = event.time_ms
        self._held = _Held(core.exposed_steps, core.entry_price)
        match event:
            case BarClosed(bar=bar):
                if bar.time_ms >= core.last_bar_ms:
                    self._mark = bar.close
                self._stream_seen("bars", now_ms)
            case BarOpened(price=price):
                self._mark = price
                self._stream_seen("bars", now_ms)
            case MarkMoved(touch=touch, is_streamed=is_streamed):
                self._mark = touch.mark
                if is_streamed:
                    self._stream_seen("mark", now_ms)
            case FillReported() | FundingReported() | inputs.PositionRead():
                self._stream_seen("account", now_ms)
            case (
                inputs.Launched(touch=touch)
                | inputs.RecoveryStarted(reading=inputs.VenueReading(touch=touch))
            ):
                self._mark = self._mark if touch is None else touch.mark
                self._stream_seen("account", now_ms)
            case _:
                pass
        if core.last_bar_ms != self._last_bar_ms or isinstance(event, BarClosed) or core.state.is_final:
            self._last_bar_ms = core.last_bar_ms
            self._closing_equity = core.equity
            self._held_at_close = self._held
            self._unrealised_at_close = self._unrealised() or Decimal(0)

    def status(self, now_ms: int) -> LiveStatus:
        """Return the figures in the form of the store."""
        return LiveStatus(
            run_id=self._run_id,
            updated_at_ms=now_ms,
            mark=self._mark,
            unrealised_pnl=self._unrealised(),
            equity=self._equity(),
            last_bar_ms=self._last_bar_ms or None,
            venue_time_ms=self._venue_time_ms,
            streams=self._streams,
        )

    def changed(self, now_ms: int) -> LiveStatus | None:
        """Return the figures if they differ from those last written; for the host thread."""
        status = self.status(now_ms)
        return None if self._written == replace(status, updated_at_ms=0) else status

    def written(self, status: LiveStatus) -> None:
        """Note that these figures were written."""
        self._written = replace(status, updated_at_ms=0)

    def _unrealised(self) -> Decimal | None:
        """Return the PnL of the booked position at the mark, in quote, before closing costs."""
        held, mark = self._held, self._mark
        if held.steps == 0:
            return Decimal(0)
        if mark is None:
            return None
        return self._market.amount(held.steps) * (Decimal(repr(mark)) - Decimal(repr(held.entry_price)))

    def _equity(self) -> Decimal | None:
        """Return run equity at the last close, moved with the mark while the position is the same."""
        if self._last_bar_ms == 0:
            return None
        equity, unrealised = Decimal(repr(self._closing_equity)), self._unrealised()
        if unrealised is None or self._held != self._held_at_close:
            return equity
        return equity + unrealised - self._unrealised_at_close

    def _stream_seen(self, stream: str, now_ms: int) -> None:
        self._streams = {**self._streams, stream: now_ms}
