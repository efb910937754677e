"""Writes the records of a run's steps, with the checkpoint that includes them, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firstwatch.engine.core import records
from firstwatch.store import bars, equity, fills, journal, outlooks, positions, runs, trades, watch
from firstwatch.store.database import Session
from firstwatch.store.orders import StoredOrder, get_order, update_order, upsert_order
from firstwatch.trading.errors import StoreError
from firstwatch.trading.events import RunEvent
from firstwatch.trading.orders import Touch
from firstwatch.trading.runs import Author, Health
from firstwatch.venues.protocol import PreparedRequest


@dataclass(frozen=True, slots=True)
class CallTouches:
    """The prices around one call to the venue, which cannot be rebuilt later."""

    submission: Touch | None
    acknowledgement: Touch | None


@dataclass(frozen=True, slots=True)
class StepMetadata:
    """Data that the worker adds to a step: times, prepared requests, prices around calls."""

    venue: str
    symbol: str
    venue_ms: int
    local_ms: int
    requests: Mapping[str, PreparedRequest] = field(default_factory=dict)
    """The prepared request of each ``NewOrder``, by client order id."""
    decision: Touch | None = None
    """The prices when the step's new orders were decided."""
    calls: Mapping[str, CallTouches] = field(default_factory=dict)
    """Prices around the calls whose outcome this step handled, by client order id."""


@dataclass(slots=True)
class Written:
    """Cache of a run's rows as last written; kept from step to step, discarded after an error."""

    orders: dict[str, StoredOrder] = field(default_factory=dict)
    """Its open orders as stored; one that is missing here is read."""
    last_bars: bars.Block | None = None
    """The block that the next bar is appended to; None: read it first."""
    checkpoint_base: str | None = None
    """The checkpoint against which the next one is stored as differences."""
    is_stale: bool | None = None
    """The run's data was stale when last written; None: not known yet."""


@dataclass(frozen=True, slots=True)
class Part:
    """The records of one event."""

    records: Sequence[records.Record]
    metadata: StepMetadata


def persist(
    session: Session, run_id: str, parts: Sequence[Part], checkpoint: str, *, written: Written
) -> None:
    """Write the records of one or more events in order, then the checkpoint that includes them.

    Raises:
        StoreError: an order changes that was never stored: a defect of the program.
    """
    sequence: int | None = None
    moved: dict[str, StoredOrder] = {}
    for part in parts:
        writing = _StepWriter(session, run_id, part.metadata, written, moved=moved, sequence=sequence)
        for record in part.records:
            writing.write(record)
        sequence = writing.flush()
    assert sequence is not None, "a step has at least one part"
    # An order that changed state twice, such as one filled as it was sent, is written once, with both
    # transitions.
    for order in moved.values():
        update_order(session, order)
    written.checkpoint_base = journal.save_checkpoint(
        session,
        run_id,
        checkpoint,
        sequence=sequence,
        now_ms=parts[-1].metadata.local_ms,
        base=written.checkpoint_base,
    )


class _StepWriter:
    """Writes one step; adjacent journal rows of one author and time are written with one statement."""

    def __init__(
        self,
        session: Session,
        run_id: str,
        metadata: StepMetadata,
        written: Written,
        *,
        moved: dict[str, StoredOrder],
        sequence: int | None,
    ) -> None:
        """Collect the orders that change in ``moved``; the caller writes them.

        ``sequence``: number of the journal's last row, if this transaction has written one.
        """
        self._session = session
        self._written = written
        self._known = written.orders
        self._moved = moved
        self._run_id = run_id
        self._metadata = metadata
        self._sequence = sequence
        self._rows: list[RunEvent] = []
        self._author = Author.SYSTEM
        self._time_ms = metadata.venue_ms

    def flush(self) -> int:
        """Append the pending journal rows; return the journal's last sequence."""
        rows, self._rows = self._rows, []
        if rows or self._sequence is None:
            self._sequence = journal.append_events(
                self._session,
                self._run_id,
                rows,
                author=self._author,
                venue_time_ms=self._time_ms,
                local_time_ms=self._metadata.local_ms,
            )
        return self._sequence

    def write(self, record: records.Record) -> None:
        match record:
            case records.JournalRow():
                self._journal(record)
            case records.Transition():
                self._transition(record)
            case records.NewOrder():
                self._new_order(record)
            case records.OrderChanged():
                self._order_changed(record)
            case records.FillRow():
                self._fill(record)
            case records.FundingRow(funding):
                fills.add_funding(
                    self._session,
                    self._metadata.venue,
                    self._run_id,
                    funding,
                    local_time_ms=self._metadata.local_ms,
                )
            case records.TradeRow(_, trade):
                trades.add_trade(self._session, self._run_id, trade)
            case records.TradeAmended(trade, closed_since):
                trades.amend_trade(self._session, self._run_id, trade, closed_since=closed_since)
            case records.PositionRow():
                self._position(record)
            case records.BarRow(bar, mark_high, mark_low, decided):
                # The decisions at its close follow in the journal.
                fresh = bars.RunBar(bar, mark_high, mark_low, self.flush(), decided)
                self._written.last_bars = bars.add_bar(
                    self._session, self._run_id, fresh, self._written.last_bars
                )
            case records.EquityRow(time_ms, value):
                equity.add_equity(self._session, self._run_id, [(time_ms, value)])
            case records.OutlookRow(outlook):
                outlooks.save_outlook(self._session, self._run_id, outlook)
            case records.FactsRow():
                self._facts(record)

    def _journal(self, row: records.JournalRow) -> None:
        if self._rows and (row.author, row.time_ms) != (self._author, self._time_ms):
            self.flush()
        self._author, self._time_ms = row.author, row.time_ms
        self._rows.append(row.event)

    def _transition(self, row: records.Transition) -> None:
        self.flush()
        self._sequence = runs.transition(
            self._session,
            self._run_id,
            row.new,
            row.why,
            author=row.author,
            local_time_ms=self._metadata.local_ms,
            venue_time_ms=row.time_ms,
            stop_mode=row.stop_mode,
            hazard=row.hazard,
        )

    def _new_order(self, record: records.NewOrder) -> None:
        intent, now_ms = record.intent, self._metadata.local_ms
        request = self._metadata.requests[intent.client_order_id]
        order = StoredOrder.of(
            intent,
            nonce=request.nonce,
            body=request.body,
            expires_at_ms=request.expires_at_ms,
            now_ms=now_ms,
            touch_at_decision=self._metadata.decision,
        )
        upsert_order(self._session, order)
        self._known[order.client_order_id] = order

    def _order_changed(self, record: records.OrderChanged) -> None:
        order_id = record.client_order_id
        stored = self._known.get(order_id) or self._moved.get(order_id) or get_order(self._session, order_id)
        if stored is None:
            raise StoreError(
                f"Order {order_id} of run {self._run_id} changes and is not in the store; "
                "the run is recovered from what the store holds."
            )
        call = self._metadata.calls.get(order_id)
        order = stored.moved(
            record.state,
            record.why,
            now_ms=self._metadata.local_ms,
            filled=record.filled,
            average_price=record.average_price,
            venue_order_id=record.venue_order_id,
            touch_at_submission=call.submission if call else stored.touch_at_submission,
            touch_at_acknowledgement=call.acknowledgement if call else stored.touch_at_acknowledgement,
        )
        self._moved[order_id] = order
        if order.state.is_final:
            self._known.pop(order_id, None)
        else:
            self._known[order_id] = order

    def _fill(self, record: records.FillRow) -> None:
        fills.add_fill(
            self._session,
            fills.StoredFill(
                venue=self._metadata.venue,
                run_id=self._run_id,
                fill=record.fill,
                local_time_ms=self._metadata.local_ms,
                mid_at_decision=record.mid_at_decision,
                mid_at_submission=record.mid_at_submission,
                mid_at_acknowledgement=record.mid_at_acknowledgement,
                mid_at_fill=record.mid_at_fill,
            ),
        )

    def _position(self, record: records.PositionRow) -> None:
        positions.set_position(
            self._session,
            positions.RunPosition(
                run_id=self._run_id,
                symbol=self._metadata.symbol,
                side=record.side,
                amount=record.amount,
                updated_at_ms=self._metadata.local_ms,
                entry_price=record.entry_price,
                stop=record.stop,
                target=record.target,
                stop_wanted=record.stop_wanted,
                target_wanted=record.target_wanted,
                liquidation_price=record.liquidation,
                margin=record.margin,
                opened_at_ms=record.entry_time_ms,
            ),
        )

    def _facts(self, record: records.FactsRow) -> None:
        is_stale = record.health is Health.STALE
        if is_stale is not self._written.is_stale:
            watch.note_stale(self._session, self._run_id, is_stale=is_stale, time_ms=self._metadata.venue_ms)
            self._written.is_stale = is_stale
        runs.update_side_facts(
            self._session,
            self._run_id,
            runs.SideFacts(
                paused=record.is_paused,
                pause_reason="; ".join(record.pause_reasons),
                health=record.health,
                exposure=record.exposure,
                protection=record.protection,
                stop_mode=record.stop_mode,
                exit_reason=record.exit_reason,
                sentence=record.sentence or record.health_sentence,
            ),
        )
