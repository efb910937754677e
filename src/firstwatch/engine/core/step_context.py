"""Context of one event: the run's memory, and the records and effects that the event produces."""

from decimal import Decimal

from firstwatch.engine.core.effects import Effect, ReadFills, ReadOpenOrders, ReadPosition
from firstwatch.engine.core.records import JournalRow, Record, Step
from firstwatch.engine.core.run_memory import RunMemory, RunSetup
from firstwatch.trading.events import AlarmCleared, AlarmRaised, EntriesPaused, Noted, RunEvent
from firstwatch.trading.runs import Author

_FIRST_RETRY_MS = 1_000
_LONGEST_RETRY_MS = 30_000


def back_off_ms(attempts: int) -> int:
    """Return the wait before attempt ``attempts + 1``: exponential backoff, doubling from 1 s up to 30 s."""
    return int(min(_FIRST_RETRY_MS * 2 ** min(attempts, 10), _LONGEST_RETRY_MS))


def unknown_signer(reason: str) -> str:
    """Return the remedy when the venue does not know the key; ``reason``: the venue's own text."""
    return (
        f"the venue does not know who signed ({reason.rstrip('.')}): check that the settings name the"
        " network that api_url belongs to, and that the key is still approved"
    )


def pending_key(effect: Effect) -> str:
    """Return the key under which an effect's outcome is awaited."""
    order = getattr(effect, "new_client_order_id", None) or getattr(effect, "client_order_id", "")
    return f"{type(effect).__name__}:{order}" if order else type(effect).__name__


class StepContext:
    """Shared by all parts of one run's core. ``records`` and ``effects`` belong to the current event."""

    def __init__(self, setup: RunSetup, memory: RunMemory) -> None:
        self.setup = setup
        self.memory = memory
        self.records: list[Record] = []
        self.effects: list[Effect] = []
        self.refusal = ""

    def begin(self, time_ms: int) -> None:
        """Begin a new event at the venue's time."""
        self.records = []
        self.effects = []
        self.refusal = ""
        self.memory.now_ms = max(self.memory.now_ms, time_ms)

    def step(self) -> Step:
        """Return the records and effects of the event."""
        return Step(tuple(self.records), tuple(self.effects), self.refusal)

    def record(self, record: Record) -> None:
        self.records.append(record)

    def journal(self, event: RunEvent, author: Author = Author.SYSTEM) -> None:
        self.records.append(JournalRow(event, self.memory.now_ms, author))

    def refuse(self, sentence: str, author: Author) -> None:
        """Refuse an operator's request, with the reason."""
        self.refusal = sentence
        self.journal(Noted(sentence=sentence), author)

    def request(self, effect: Effect) -> bool:
        """Add an effect that has an outcome, unless the same one is under way. Return whether it is new."""
        key = pending_key(effect)
        if key in self.memory.pending:
            return False
        self.memory.pending.append(key)
        self.effects.append(effect)
        return True

    @property
    def awaits_position(self) -> bool:
        """The position must be read before anything is concluded from it."""
        return self.memory.wants_position and not self.memory.goes_by_books

    def request_read(self, effect: Effect) -> None:
        """Add a reading, unless readings fail and it is too early to try again."""
        if self.memory.elapsed_ms >= self.memory.read_at_ms:
            self.request(effect)

    def answered(self, effect: Effect) -> bool:
        """Note that an outcome has arrived. Return whether it was awaited; a repeated one is not."""
        key = pending_key(effect)
        if key not in self.memory.pending:
            return False
        self.memory.pending.remove(key)
        return True

    def read_succeeded(self) -> None:
        """Note that the venue answered a reading: the next failure is the first one again."""
        self.memory.failed_reads = 0
        self.memory.read_at_ms = 0
        self.clear_alarm("venue")

    def want_position(self) -> None:
        """Have the venue's position read, as of now or later, and compared with the books."""
        self.memory.wants_position = True
        self.want_anew(ReadPosition())

    def want_open_orders(self) -> None:
        """Have the open orders read, as of now or later."""
        self.memory.wants_open_orders = True
        self.want_anew(ReadOpenOrders())

    def want_fills(self) -> None:
        """Have fills and payments read, up to now at least."""
        self.memory.wants_fills = True
        self.want_anew(ReadFills(0, 0))

    def want_anew(self, effect: Effect) -> None:
        """Note that a reading under way must be repeated: its answer may be too old."""
        key = pending_key(effect)
        if key in self.memory.pending and key not in self.memory.wanted_anew:
            self.memory.wanted_anew.append(key)

    def is_wanted_anew(self, effect: Effect) -> bool:
        """Return, once, whether a reading that was just answered must be repeated."""
        key = pending_key(effect)
        is_too_old = key in self.memory.wanted_anew
        if is_too_old:
            self.memory.wanted_anew.remove(key)
        return is_too_old

    def is_pending(self, effect: Effect) -> bool:
        return pending_key(effect) in self.memory.pending

    def worst_price(self, order_sign: int, bound_bps: float) -> Decimal | None:
        """Return the price beyond which a market order sent now may not fill, ``order_sign`` +1 buys.

        None at a close of a feed with phases: the order waits for the next open, whose price is not known
        yet, and there the backtest fills without a bound.
        """
        if self.setup.has_phases and not (self.memory.is_in_bar or self.memory.feed_ended):
            return None
        return self.setup.market.price(self.memory.price * (1 + order_sign * bound_bps / 10_000))

    def pause(self, reason: str, why: str, author: Author = Author.SYSTEM) -> None:
        """Pause entries for a reason, once until they are resumed."""
        if reason not in self.memory.pause_reasons:
            self.memory.pause_reasons.append(reason)
            self.journal(EntriesPaused(why=why), author)

    def alarm(self, topic: str, sentence: str) -> None:
        """Raise an alarm, once until it is cleared."""
        if topic not in self.memory.alarms:
            self.memory.alarms[topic] = sentence
            self.journal(AlarmRaised(topic=topic, sentence=sentence))

    def clear_alarm(self, topic: str) -> None:
        if self.memory.alarms.pop(topic, None) is not None:
            self.journal(AlarmCleared(topic=topic))
