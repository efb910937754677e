"""What happened, in a trader's terms: the journals of all runs as one list, order steps as its details."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from firstwatch.manager.journal_text import event_text
from firstwatch.manager.views import StoryLine
from firstwatch.store.database import Session
from firstwatch.store.journal import JournalEntry, written_after
from firstwatch.trading import events
from firstwatch.trading.launch_words import EXIT_WORDS
from firstwatch.trading.numbers import price_text
from firstwatch.trading.orders import OrderPurpose, OrderState, Side
from firstwatch.trading.runs import ExitReason, RunState
from firstwatch.trading.why import because

LINES = 300
"""Lines of the story that are kept, and as many of its details."""
_ROWS = 200
"""Rows of the journals that are read at once."""

_STATES = {
    RunState.NEW: "launched",
    RunState.RUNNING: "started",
    RunState.STOPPING: "stopping",
    RunState.STOPPED: "stopped",
}
_IN_TROUBLE = (OrderState.REJECTED, OrderState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Entry:
    """The decision of an open trade, with its conditions as a clause."""

    side: Side
    expected_price: float
    slices: int
    because: str


@dataclass(slots=True)
class _Known:
    """State of one run, from its entries so far."""

    venue_ms: int | None = None
    purposes: dict[str, OrderPurpose] = field(default_factory=dict)
    """Purposes of the orders of the open trade."""
    entry: _Entry | None = None
    entered: StoryLine | None = None
    """The line of its entry, while it has no stop yet."""
    entry_text: str = ""
    """The entry's line without stop, target and conditions."""
    exit: tuple[ExitReason, str] | None = None
    """Why that trade was decided to be left, and the conditions as a clause."""
    amount: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    """Filled amount of the entry, and its cost in quote."""
    expected: float = 0.0
    """What it was expected to cost."""
    slice: int = 1
    """Which slice of the entry was decided last."""


class Story:
    """Turns journal entries, oldest first, into lines. Pure."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._story: deque[StoryLine] = deque(maxlen=LINES)
        self._details: deque[StoryLine] = deque(maxlen=LINES)
        self._lines: tuple[StoryLine, ...] | None = None
        self._taken = 0

    @property
    def lines(self) -> tuple[StoryLine, ...]:
        """The newest lines, in the order in which they were written."""
        if self._lines is None:
            both = (*self._details, *self._story)
            self._lines = tuple(sorted(both, key=lambda line: line.place))
        return self._lines

    def take(self, entries: Iterable[JournalEntry]) -> None:
        """Take in more entries."""
        for entry in entries:
            self._lines = None
            self._taken += 1
            self._take(entry)

    def _take(self, entry: JournalEntry) -> None:
        known = self._known.setdefault(entry.run_id, _Known())
        if entry.venue_time_ms is not None:
            known.venue_ms = entry.venue_time_ms
        sentence, is_detail = event_text(entry.event), False
        pnl: Decimal | None = None
        match entry.event:
            case events.Transitioned() as event:
                sentence = _transition(event)
                if event.new.is_final:
                    self._known.pop(entry.run_id)
            case events.EntryDecided() as event:
                known.entry = _Entry(event.side, event.expected_price, event.slices, _because(event))
                known.entered = known.exit = None
                known.amount = known.cost = Decimal(0)
                known.expected, known.slice = 0.0, 1
                known.purposes.clear()
                is_detail = True
            case events.SliceDecided(number=number):
                known.slice = number
                is_detail = True
            case events.OrderIntended() as event:
                known.purposes[event.client_order_id] = event.purpose
                is_detail = True
            case events.FillBooked() as event:
                is_entry = known.purposes.get(event.client_order_id or "") is OrderPurpose.ENTRY
                is_detail = not is_entry or known.entry is None
                if is_entry and known.entry is not None:
                    known.entry_text = _entered(known, known.entry, event)
                    sentence = known.entry_text + ("" if known.slice > 1 else known.entry.because)
            case events.ProtectionMoved() as event:
                self._protect(known, event)
                is_detail = True
            case events.TradeClosed() as event:
                reason, clause = known.exit or (None, "")
                sentence, pnl = _closed(event) + (clause if reason is event.reason else ""), event.pnl
                known.entry = known.entered = known.exit = None
            case events.OrderMoved(new=new):
                is_detail = new not in _IN_TROUBLE
            case events.AlarmRaised(sentence=text):
                sentence = f"▲ {text}"
            case events.ExitDecided() as event:
                known.exit = event.reason, _because(event)
                is_detail = True
            case events.FundingBooked() | events.LateBar() | events.BarRevised() | events.EquityCompared():
                is_detail = True
            case _:
                pass
        line = StoryLine(
            place=self._taken,
            run_id=entry.run_id,
            sequence=entry.sequence,
            venue_ms=known.venue_ms,
            is_about=entry.venue_time_ms is None,
            local_ms=entry.local_time_ms,
            sentence=sentence,
            author=entry.author,
            is_detail=is_detail,
            is_alarm=isinstance(entry.event, events.AlarmRaised),
            pnl=pnl,
        )
        if is_detail:
            self._details.append(line)
        elif isinstance(entry.event, events.FillBooked):
            known.entered = self._put(known.entered, line)
        else:
            self._story.append(line)

    def _protect(self, known: _Known, event: events.ProtectionMoved) -> None:
        """Add the first stop and target of an entry to its line."""
        if known.entered is None:
            return
        levels = {"stop": event.stop, "target": event.target}
        named = [f"{name} {price_text(level)}" for name, level in levels.items() if level is not None]
        if named:
            clause = "" if known.entry is None else known.entry.because
            sentence = f"{known.entry_text}; {', '.join(named)}{clause}"
            self._put(known.entered, replace(known.entered, sentence=sentence))
            known.entered = None

    def _put(self, old: StoryLine | None, new: StoryLine) -> StoryLine:
        """Put a line in the place of an older one that it completes, if that is still kept."""
        if old is None or old not in self._story:
            self._story.append(new)
            return new
        completed = replace(new, place=old.place, sequence=old.sequence)
        self._story[self._story.index(old)] = completed
        return completed


class StoryReader:
    """Reads on in the journals of all runs of one store. Used by one thread."""

    def __init__(self) -> None:
        self._story = Story()
        self._place: int | None = None

    def read(self, session: Session) -> tuple[StoryLine, ...]:
        """Return the newest lines of all runs; what was read before is not read again."""
        place, entries, is_more = written_after(session, self._place, limit=_ROWS)
        if is_more:
            # More entries than are shown were written since, as after a long sleep.
            place, entries, _ = written_after(session, None, limit=_ROWS)
        if self._place is None or is_more:
            self._story = Story()
        self._place = place
        self._story.take(entries)
        return self._story.lines


def _because(decided: events.EntryDecided | events.ExitDecided) -> str:
    """Return the conditions under which that was decided, with their values; empty: none is known."""
    clause = because(decided.conditions or ())
    return f": {clause}" if clause else ""


def _transition(event: events.Transitioned) -> str:
    word = _STATES.get(event.new, event.new.value.lower())
    if event.new is RunState.NEW:
        return word
    mode = f" ({event.stop_mode.value.replace('_', ' ')})" if event.stop_mode else ""
    return f"{word}{mode}: {event.why}" if event.why else f"{word}{mode}"


def _entered(known: _Known, decided: _Entry, fill: events.FillBooked) -> str:
    """Return the line of an entry, whose fills are counted together."""
    known.amount += fill.amount
    known.cost += fill.amount * fill.price
    known.expected += float(fill.amount) * (fill.mid_at_decision or decided.expected_price)
    price = known.cost / known.amount
    worse_bps = (float(known.cost) / known.expected - 1) * decided.side.sign * 10_000
    word = "worse" if worse_bps >= 0 else "better"
    part = "" if decided.slices == 1 else f" by slice {known.slice} of {decided.slices}"
    return (
        f"{decided.side} entered{part} at {price_text(price)}, {abs(worse_bps):.1f} bps {word} than decided"
    )


def _closed(event: events.TradeClosed) -> str:
    share = (event.exit_price / event.entry_price - 1) * event.side.sign if event.entry_price else None
    percent = "" if share is None else f" ({share * 100:+.2f} %)"
    prices = f"{price_text(event.entry_price)} → {price_text(event.exit_price)}"
    reason = EXIT_WORDS[event.reason]
    at = "" if event.level is None else f" at {price_text(event.level)}:"
    return f"{event.side} closed by {reason}{at} {prices}  {event.pnl:+,.2f}{percent}"
