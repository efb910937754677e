"""The rows of the tabs *Setup, Entry, Exit, Reset*: what each shows, and how its value is written.

The key of a row is ``setup.`` with the name of a setting, or a place in the draft's document
(``firstwatch.manager.draft_document``), or a table with ``.kind`` or ``.value``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from firstwatch.manager import draft_document
from firstwatch.manager.test_views import OWN_PERIOD, WHOLE_PERIOD, DraftView, TestSetup
from firstwatch.trading.launch import OnExhausted, ResetMode
from firstwatch.trading.launch_words import EXHAUSTED_WORDS, RESET_WORDS, link_words
from firstwatch.trading.limit_fills import LimitFills
from firstwatch.trading.orders import Side
from firstwatch.trading.timeframe import Timeframe
from firstwatch.tui.bench import condition_words
from firstwatch.tui.draft_form import parse_test
from firstwatch.tui.launch_form import parse
from firstwatch.tui.launch_form.draft import Entry

SETUP = "setup."
NO_VENUE = ""
_DAYS = {"7": "the last 7 days", "30": "the last 30 days", "91": "the last 3 months",
         "182": "the last 6 months", "365": "the last year", "730": "the last 2 years"}  # fmt: skip
PERIODS = _DAYS | {WHOLE_PERIOD: "all candles", OWN_PERIOD: "from … to …"}


class Tab(StrEnum):
    """The tabs of the draft."""

    SETUP = "Setup"
    ENTRY = "Entry"
    EXIT = "Exit"
    RESET = "Reset"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field: its section and label, the text in it, and how another value gets into it."""

    key: str
    section: str
    label: str
    text: str
    meaning: str
    entry: Entry = Entry.TEXT
    read: Callable[[str], object] = str
    """Reads a text.

    Raises:
        ValueError: it cannot be read; the sentence says why.
    """
    words: Mapping[str, str] = field(default_factory=dict)
    """The values of a choice, with what the screen writes for them."""
    empty: str = ""
    """Shown while the text is empty."""
    is_condition: bool = False

    @property
    def shown(self) -> str:
        """The value as the screen writes it."""
        return self.words.get(self.text, self.text) or self.empty


def rows(draft: DraftView, tab: Tab, venues: tuple[str, ...] = ()) -> list[FieldRow]:
    """Return the rows of a tab, in order."""
    match tab:
        case Tab.SETUP:
            return list(_setup(draft, venues))
        case Tab.ENTRY:
            return list(_entry(draft))
        case Tab.EXIT:
            return list(_exit(draft))
        case Tab.RESET:
            return list(_reset(draft))


# --- Setup ---------------------------------------------------------------------------------------


def _setup(draft: DraftView, venues: tuple[str, ...]) -> Iterator[FieldRow]:
    setup, what, money, costs = draft.setup, "What", "Money", "Costs"
    changes = f" ({len(draft.changes)} changed)" if draft.is_changed else ""
    yield FieldRow(
        "algorithm", what, "Algorithm", f"{draft.base}{changes}",
        "The version that is tested, or a draft; Enter opens another one", Entry.SEARCH,
    )  # fmt: skip
    yield FieldRow(
        "timeframe", what, "Timeframe", _text(draft, "timeframe"), "The length of its bars",
        Entry.CHOICE, words={each.value: each.value for each in Timeframe},
    )  # fmt: skip
    yield from market_rows(setup, venues)
    yield FieldRow(
        f"{SETUP}capital", money, "Capital", setup.capital, "What the test begins with, in quote",
        read=parse.positive, empty="write…",
    )  # fmt: skip
    yield FieldRow(
        f"{SETUP}leverage", money, "Leverage", setup.leverage,
        "How many times its margin a position is worth", read=parse.leverage,
    )  # fmt: skip
    yield FieldRow(
        f"{SETUP}trades_limit", money, "Trades limit", setup.trades_limit,
        "After so many entries the test is done", read=parse.count_or_none, empty="no limit",
    )  # fmt: skip
    fee = "the market's"
    yield FieldRow(
        f"{SETUP}taker_fee_bps", costs, "Taker fee, bps", setup.taker_fee_bps,
        "Of what is traded at market; 4.5 bps is 0.045 %", read=parse_test.bps_or_none, empty=fee,
    )  # fmt: skip
    yield FieldRow(
        f"{SETUP}maker_fee_bps", costs, "Maker fee, bps", setup.maker_fee_bps,
        "Of what is traded at a limit", read=parse_test.bps_or_none, empty=fee,
    )  # fmt: skip
    yield FieldRow(
        f"{SETUP}slippage_bps", costs, "Slippage, bps", setup.slippage_bps,
        "How much worse than decided each fill at market is", read=parse_test.bps,
    )  # fmt: skip
    yield FieldRow(
        f"{SETUP}limit_fills", costs, "Limit fills", setup.limit_fills,
        "When a limit entry fills: touch, through (a price beyond it), or queue:0.3, a share of the volume",
        read=LimitFills.parse,
    )  # fmt: skip


def market_rows(setup: TestSetup, venues: tuple[str, ...]) -> Iterator[FieldRow]:
    """Yield the fields of a market, its candles and the period."""
    market = "Market"
    yield FieldRow(
        f"{SETUP}venue", market, "Venue", setup.venue, "Whose market, with its fees and steps",
        Entry.CHOICE, words={each: each for each in venues} | {NO_VENUE: "none: assumed from the candles"},
    )  # fmt: skip
    yield FieldRow(
        f"{SETUP}symbol", market, "Market", setup.symbol, "What is traded, like BTC/USDC:USDC",
        Entry.SEARCH, empty="choose…",
    )  # fmt: skip
    yield FieldRow(
        f"{SETUP}candles", market, "Candles", setup.candles,
        "The venue's own, a series of the archive, or a file", Entry.SEARCH, empty="choose…",
    )  # fmt: skip
    yield FieldRow(
        f"{SETUP}period", market, "Period", setup.period, "Up to the end of the candles, or your own dates",
        Entry.CHOICE, words=PERIODS,
    )  # fmt: skip
    if setup.period == OWN_PERIOD:
        yield FieldRow(
            f"{SETUP}begin", market, "From", setup.begin, "The first day, like 2025-07-01, UTC",
            read=parse_test.day_or_none, empty="the first candle",
        )  # fmt: skip
        yield FieldRow(
            f"{SETUP}end", market, "To", setup.end, "The day after the last one, UTC",
            read=parse_test.day_or_none, empty="the last candle",
        )  # fmt: skip


# --- Entry, Exit ---------------------------------------------------------------------------------


def _entry(draft: DraftView) -> Iterator[FieldRow]:
    yield FieldRow(
        "direction", "Sides", "Direction", _text(draft, "direction"), "The sides that it may take",
        Entry.CHOICE, words={"long": "long only", "short": "short only", "both": "long and short"},
    )  # fmt: skip
    for side in _sides(draft):
        yield from _group(draft, "entry", side)
    kind = _text(draft, "order.kind") or "market"
    order = "Order"
    yield FieldRow(
        "order.kind", order, "Entry order", kind,
        "At market at the next open, at a limit first, or in slices (TWAP)",
        Entry.CHOICE, words={each: each for each in draft_document.order_kinds()},
    )  # fmt: skip
    for name, label, meaning, read in _ORDER_FIELDS:
        if draft_document.value_at(draft.document, f"order.{name}") is not None:
            yield _number(draft, f"order.{name}", order, label=label, meaning=meaning, read=read)
    yield from _kinds(
        draft, "sizing", "Size", label="Position size", meaning="How a position is sized", kinds=_SIZES
    )


_ORDER_FIELDS = (
    ("offset_bps", "Offset, bps", "How far from the close the limit lies", parse_test.number),
    ("timeout_bars", "Rests, bars", "After so many bars the rest goes to market", parse_test.whole),
    ("bars", "Slices, bars", "One slice at each of so many opens", parse_test.whole),
)
_SIZES = {
    "equity": ("a share of equity", "Share", "Of the equity as margin: 0.5 is half of it"),
    "fixed": ("a fixed margin", "Margin", "Margin of each trade, in quote"),
    "risk": ("by the risk", "Risk", "Share of the equity that is lost at the stop: 0.01 is 1 %"),
}
_LEVELS = {
    "": ("none", "", ""),
    "fraction": ("a share of the price", "Distance", "As a share of the entry price: 0.05 is 5 %"),
    "amount": ("an amount", "Distance", "In price"),
    "atr": ("multiples of ATR", "Times ATR", "How many times the average true range"),
}


def _exit(draft: DraftView) -> Iterator[FieldRow]:
    for side in _sides(draft):
        yield from _group(draft, "exit", side)
    losing, winning = "Where a losing position is closed", "Where a winning position is closed"
    yield from _kinds(draft, "stop_loss", "Stop", label="Stop loss", meaning=losing, kinds=_LEVELS)
    if draft_document.kind_of(draft.document, "stop_loss"):
        trails = draft_document.value_at(draft.document, "stop_loss.trailing")
        yield FieldRow(
            "stop_loss.trailing", "Stop", "Trailing", "on" if trails else "off",
            "The stop follows the best price, at closes only", Entry.CHOICE,
            words={"on": "on: it follows the best price", "off": "off"},
        )  # fmt: skip
    yield from _kinds(draft, "take_profit", "Target", label="Take profit", meaning=winning, kinds=_LEVELS)


def _sides(draft: DraftView) -> tuple[Side, ...]:
    direction = draft_document.value_at(draft.document, "direction")
    return tuple(side for side in Side if direction in ("both", side.value))


def _group(draft: DraftView, kind: str, side: Side) -> Iterator[FieldRow]:
    section, group = f"{side.value.capitalize()} {kind}", f"{kind}.{side.value}"
    for part in ("required", "optional"):
        place = f"{group}.{part}"
        found = draft_document.value_at(draft.document, place) or []
        for number, text in enumerate((*found, "")):
            yield _condition(f"{place}[{number}]", section, text, part)
    for row in draft_document.tree_rows(draft.document, f"{group}.when"):
        if row.key in _MEANINGS:
            yield _condition(row.place, section, row.text, row.key)
        else:
            yield FieldRow(
                row.place, section, condition_words(row.place), row.text,
                "So many of the following must be true", read=parse_test.whole,
            )  # fmt: skip


_MEANINGS = {
    "required": "All of these must be true",
    "optional": "If there are any, one of these must be true too",
    "any": "One of these must be true",
    "all": "All of these must be true",
    "of": "At least so many of these must be true",
}
"""The meaning of the lists of conditions."""


def _condition(place: str, section: str, text: str, part: str) -> FieldRow:
    return FieldRow(
        place, section, condition_words(place, is_new=not text), text,
        f"{_MEANINGS[part]}; an empty text removes one", empty="add a condition…", is_condition=True,
    )  # fmt: skip


def _kinds(
    draft: DraftView,
    table: str,
    section: str,
    *,
    label: str,
    meaning: str,
    kinds: Mapping[str, tuple[str, str, str]],
) -> Iterator[FieldRow]:
    """Yield the row of the kind of a table's value, and those of the value itself."""
    kind = draft_document.kind_of(draft.document, table)
    words = {value: text for value, (text, _, _) in kinds.items()}
    yield FieldRow(f"{table}.kind", section, label, kind, meaning, Entry.CHOICE, words=words)
    if kind:
        _, name, explained = kinds[kind]
        yield _number(
            draft, f"{table}.{kind}", section, label=name, meaning=explained, read=parse_test.number
        )
    if draft_document.value_at(draft.document, f"{table}.period") is not None:
        yield _number(
            draft,
            f"{table}.period",
            section,
            label="ATR period",
            meaning="Bars of the average true range",
            read=parse_test.whole,
        )


def _number(
    draft: DraftView,
    place: str,
    section: str,
    *,
    label: str,
    meaning: str,
    read: Callable[[str], object],
) -> FieldRow:
    return FieldRow(place, section, label, _text(draft, place), meaning, read=read, empty="write…")


# --- Reset ---------------------------------------------------------------------------------------


def _reset(draft: DraftView) -> Iterator[FieldRow]:
    section = "After a trade"
    yield FieldRow(
        "reset.mode", section, "Enters again", _text(draft, "reset.mode"), "When it may enter again",
        Entry.CHOICE, words={mode.value: RESET_WORDS[mode] for mode in ResetMode},
    )  # fmt: skip
    yield FieldRow(
        "reset.cooldown_bars", section, "Bars of rest", _text(draft, "reset.cooldown_bars"),
        "So many bars after an exit nothing is decided", read=parse_test.whole_or_zero, empty="0",
    )  # fmt: skip
    links = draft_document.value_at(draft.document, "reset.follow_up") or []
    text = parse_test.chain_text(links)
    yield FieldRow(
        "reset.follow_up", section, "Follow-up chain", text,
        "Entries that follow certain exits, one after the other", Entry.LIST,
        words={text: "; ".join(map(link_words, parse.chain(text)))} if text else {}, empty="none",
    )  # fmt: skip
    if links:
        yield FieldRow(
            "reset.on_exhausted", section, "After the chain", _text(draft, "reset.on_exhausted"),
            "When its last link is followed by such an exit", Entry.CHOICE,
            words={each.value: EXHAUSTED_WORDS[each] for each in OnExhausted},
        )  # fmt: skip


def _text(draft: DraftView, place: str) -> str:
    """Return the value at a place as it is written."""
    value = draft_document.value_at(draft.document, place)
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
