"""The draft of a launch: the fields of the form, and the texts in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Any

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlgorithmView
from firstwatch.trading.launch import (
    GuardAction,
    LaunchSettings,
    OnDiverged,
    OnExhausted,
    ResetMode,
    SessionPolicy,
)
from firstwatch.trading.launch_words import (
    ACTION_WORDS,
    EXHAUSTED_WORDS,
    POLICY_WORDS,
    RESET_WORDS,
    STOP_WORDS,
    link_words,
    window_words,
)
from firstwatch.trading.runs import StopMode
from firstwatch.tui.launch_form import parse

VERSIONS_OWN = "version's own"
YES, NO = "on", "off"
INSIDE, OUTSIDE = "inside", "outside"


@dataclass(frozen=True, slots=True)
class LaunchDraft:
    """The texts in the fields."""

    algorithm: str = ""
    """``name@version``"""
    wallet: str = ""
    symbol: str = ""
    capital: str = ""
    leverage: str = "1"
    trades_limit: str = ""
    assume_position_now: str = NO
    close_position_on_exit: str = YES
    without_stop_reason: str = ""
    session_policy: str = SessionPolicy.OFF.value
    session_windows: str = ""
    session_calendar: str = ""
    session_timezone: str = "UTC"
    session_trading: str = "inside"
    session_lead: str = "0"
    reset_mode: str = VERSIONS_OWN
    cooldown_bars: str = "0"
    on_exhausted: str = OnExhausted.RESET.value
    follow_up: str = ""
    drawdown: str = ""
    drawdown_action: str = GuardAction.STOP.value
    daily_loss: str = ""
    daily_loss_action: str = GuardAction.PAUSE.value
    losing_trades: str = ""
    losing_trades_action: str = GuardAction.PAUSE.value
    guard_stop_mode: str = StopMode.CLOSE.value
    on_diverged: str = OnDiverged.NOTHING.value
    accepted_warnings: str = ""
    parent_run_id: str = ""

    def with_value(self, field: str, value: str) -> "LaunchDraft":
        """Return the draft with one field changed."""
        changes: dict[str, Any] = {field: value}
        return replace(self, **changes)

    def value(self, field: str) -> str:
        """Return the text in the field."""
        return str(getattr(self, field))


Options = Callable[[LaunchDraft, ManagerSnapshot], tuple[str, ...]]
Shown = Callable[[LaunchDraft], bool]
Read = Callable[[str], object]


class Section(StrEnum):
    """The parts of the form, in order."""

    MONEY = "Money"
    WHEN = "When"
    EXIT = "After an exit"
    GUARDS = "Guards"


class Entry(Enum):
    """How a value gets into a field."""

    TEXT = "text"
    """Typed on the field's row."""
    CHOICE = "choice"
    """One of a few: stepped through on the row, or picked from a list."""
    SEARCH = "search"
    """Searched in a long list."""
    LIST = "list"
    """Several things of one kind, in a form of their own."""


def _any(text: str) -> object:
    return text


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of the form."""

    id: str
    label: str
    section: Section
    meaning: str
    """In one line."""
    default: str = ""
    """Meaning of an empty or untouched field, in words; empty: it has to be filled in."""
    entry: Entry = Entry.TEXT
    read: Read = _any
    """Reads a text.

    Raises:
        ValueError: it cannot be read; the sentence says why.
    """
    options: Options | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    """Labels of values on the screen, where these differ from the values."""
    shown: Shown = lambda _draft: True

    def choices(self, draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
        """Return the options now; none for a text."""
        return () if self.options is None else self.options(draft, snapshot)

    def worded(self, value: str) -> str:
        """Return a value as the screen shows it."""
        if self.entry is Entry.LIST and value and not parse.problem(self.read, value):
            return _LISTED[self.id](value)
        return self.words.get(value, value)

    @property
    def note(self) -> str:
        """The meaning, and the default."""
        return f"{self.meaning}. Default: {self.default}." if self.default else f"{self.meaning}."


def _windows_words(text: str) -> str:
    return ", ".join(map(window_words, parse.windows(text)))


def _chain_words(text: str) -> str:
    return "; ".join(map(link_words, parse.chain(text)))


_LISTED = {"session_windows": _windows_words, "follow_up": _chain_words}


def _of(*values: str) -> Options:
    return lambda _draft, _snapshot: values


def _algorithms(_draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
    return tuple(f"{each.name}@{each.version}" for each in snapshot.offered)


def _wallets(_draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
    return tuple(wallet.name for wallet in snapshot.wallets)


def _symbols(draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
    algorithm = chosen_algorithm(draft, snapshot)
    return (algorithm.symbol,) if algorithm and algorithm.symbol else snapshot.symbols


def has_session(draft: LaunchDraft) -> bool:
    """Whether the calendar pauses the run."""
    return draft.session_policy != SessionPolicy.OFF


def has_weekly_hours(draft: LaunchDraft) -> bool:
    """Whether the calendar is one of weekly hours, not an exchange's."""
    return has_session(draft) and not draft.session_calendar.strip()


def has_reset(draft: LaunchDraft) -> bool:
    """Whether the draft overrides what the version does after a trade."""
    return draft.reset_mode != VERSIONS_OWN


def _has_chain(draft: LaunchDraft) -> bool:
    return has_reset(draft) and bool(draft.follow_up)


def _has_guard(draft: LaunchDraft) -> bool:
    pairs = (
        (draft.drawdown, draft.drawdown_action),
        (draft.daily_loss, draft.daily_loss_action),
        (draft.losing_trades, draft.losing_trades_action),
    )
    return any(limit.strip() and action == GuardAction.STOP for limit, action in pairs)


def _filled(field_id: str) -> Shown:
    return lambda draft: bool(draft.value(field_id).strip())


def _guard_action(limit: str, default: GuardAction) -> FormField:
    return FormField(
        f"{limit}_action", "… then", Section.GUARDS, "What the run does at that limit",
        ACTION_WORDS[default], Entry.CHOICE, options=_of(*GuardAction), words=ACTION_WORDS,
        shown=_filled(limit),
    )  # fmt: skip


FIELDS: tuple[FormField, ...] = (
    FormField(
        "algorithm", "Algorithm", Section.MONEY, "The stored version that trades; a run keeps it to its end",
        entry=Entry.SEARCH, options=_algorithms,
    ),
    FormField(
        "wallet", "Wallet", Section.MONEY, "Whose money it trades; a wallet has one active run at most",
        entry=Entry.SEARCH, options=_wallets,
    ),
    FormField(
        "symbol", "Market", Section.MONEY, "What it trades, like BTC/USDC:USDC",
        entry=Entry.SEARCH, options=_symbols,
    ),
    FormField(
        "capital", "Capital", Section.MONEY,
        "How much of the wallet it may use; profit and loss count from there", read=parse.positive,
    ),
    FormField(
        "leverage", "Leverage", Section.MONEY,
        "How many times its margin a position is worth; more of it brings liquidation nearer", "1",
        read=parse.leverage,
    ),
    FormField(
        "session_policy", "Session", Section.WHEN, "What the run does outside of its trading hours",
        "off, it trades at all hours", Entry.CHOICE, options=_of(*SessionPolicy), words=POLICY_WORDS,
    ),
    FormField(
        "session_windows", "Trading hours", Section.WHEN, "The hours of the week, in the time zone below",
        entry=Entry.LIST, read=parse.windows, shown=has_weekly_hours,
    ),
    FormField(
        "session_calendar", "Exchange", Section.WHEN,
        "The hours of an exchange by its code, like XNYS; empty: hours of the week instead", "none",
        read=parse.exchange, shown=lambda draft: has_session(draft) and not draft.session_windows.strip(),
    ),
    FormField(
        "session_timezone", "Time zone", Section.WHEN,
        "The zone of these hours, like America/New_York; summer time is followed", "UTC",
        read=parse.zone, shown=has_weekly_hours,
    ),
    FormField(
        "session_trading", "It trades", Section.WHEN, "In these hours, or at all other hours",
        "in these hours", Entry.CHOICE, options=_of(INSIDE, OUTSIDE),
        words={INSIDE: "in these hours", OUTSIDE: "outside of them"}, shown=has_session,
    ),
    FormField(
        "session_lead", "Minutes before", Section.WHEN, "How long before a pause it already begins", "0",
        read=parse.lead, shown=has_session,
    ),
    FormField(
        "assume_position_now", "Assume position now", Section.WHEN,
        "Take over what the wallet holds, or enter at once if an entry is true; below: what it does now",
        "off, it waits for a fresh signal", Entry.CHOICE, options=_of(NO, YES),
    ),
    FormField(
        "close_position_on_exit", "Close on exit", Section.EXIT,
        "Off: an exit signal only raises an alarm; stop and target still close", "on",
        Entry.CHOICE, options=_of(YES, NO),
    ),
    FormField(
        "without_stop_reason", "Why without a stop", Section.EXIT,
        "The algorithm has no stop and exits do not close: write why, for the journal", "none",
        shown=lambda draft: draft.close_position_on_exit == NO,
    ),
    FormField(
        "trades_limit", "Trades limit", Section.EXIT, "After so many entries the run is done", "no limit",
        read=parse.count_or_none,
    ),
    FormField(
        "reset_mode", "After a trade", Section.EXIT, "When it may enter again", "as the version says",
        Entry.CHOICE, options=_of(VERSIONS_OWN, *ResetMode),
        words={VERSIONS_OWN: "as the version says"} | dict(RESET_WORDS),
    ),
    FormField(
        "cooldown_bars", "Bars of rest", Section.EXIT, "So many bars after an exit nothing is decided", "0",
        read=parse.bars, shown=has_reset,
    ),
    FormField(
        "follow_up", "Follow-up chain", Section.EXIT,
        "Entries that follow certain exits, one after the other", "none",
        Entry.LIST, read=parse.chain, shown=has_reset,
    ),
    FormField(
        "on_exhausted", "After the chain", Section.EXIT, "When its last link is followed by such an exit",
        EXHAUSTED_WORDS[OnExhausted.RESET], Entry.CHOICE, options=_of(*OnExhausted), words=EXHAUSTED_WORDS,
        shown=_has_chain,
    ),
    FormField(
        "drawdown", "Largest drawdown", Section.GUARDS, "Per cent below the highest equity of the run",
        "no limit", read=parse.percent,
    ),
    _guard_action("drawdown", GuardAction.STOP),
    FormField(
        "daily_loss", "Largest daily loss", Section.GUARDS, "Per cent of the day's first equity (UTC)",
        "no limit", read=parse.percent,
    ),
    _guard_action("daily_loss", GuardAction.PAUSE),
    FormField(
        "losing_trades", "Losing trades", Section.GUARDS, "So many trades in a row that lose", "no limit",
        read=parse.count_or_none,
    ),
    _guard_action("losing_trades", GuardAction.PAUSE),
    FormField(
        "guard_stop_mode", "When a guard stops", Section.GUARDS, "What happens to an open position then",
        STOP_WORDS[StopMode.CLOSE], Entry.CHOICE, options=_of(*StopMode), words=STOP_WORDS, shown=_has_guard,
    ),
    FormField(
        "on_diverged", "If it diverges", Section.GUARDS,
        "When it no longer trades like its baseline, besides the alarm", "nothing more",
        Entry.CHOICE, options=_of(*OnDiverged),
        words={OnDiverged.NOTHING: "nothing more", OnDiverged.PAUSE_ENTRIES: "pause entries"},
    ),
    FormField(
        "accepted_warnings", "Why despite warnings", Section.GUARDS,
        "Your reason to start although soft checks fail, for the journal", "asked for at the start",
    ),
)  # fmt: skip

FIELD_BY_ID: Mapping[str, FormField] = {field.id: field for field in FIELDS}


def chosen_algorithm(draft: LaunchDraft, snapshot: ManagerSnapshot) -> AlgorithmView | None:
    """Return the stored version that the draft names."""
    return next(
        (each for each in snapshot.algorithms if f"{each.name}@{each.version}" == draft.algorithm), None
    )


def draft_of(settings: LaunchSettings, *, parent_run_id: str | None) -> LaunchDraft:
    """Return the draft that launches the same again, as a child of that run."""
    session, reset, guards = settings.session, settings.reset, settings.guards
    draft = LaunchDraft(
        algorithm=f"{settings.algorithm}@{settings.version}",
        wallet=settings.wallet,
        symbol=settings.symbol,
        capital=f"{settings.capital:f}",
        leverage=f"{settings.leverage:f}",
        trades_limit=parse.count_text(settings.trades_limit),
        assume_position_now=YES if settings.assume_position_now else NO,
        close_position_on_exit=YES if settings.close_position_on_exit else NO,
        without_stop_reason=settings.without_stop_reason or "",
        session_policy=session.policy.value,
        session_windows="; ".join(parse.window_text(window) for window in session.windows),
        session_calendar=session.calendar or "",
        session_timezone=session.timezone,
        session_trading=session.trading,
        session_lead=str(session.lead_minutes),
        drawdown=parse.percent_text(guards.drawdown),
        drawdown_action=guards.drawdown_action.value,
        daily_loss=parse.percent_text(guards.daily_loss),
        daily_loss_action=guards.daily_loss_action.value,
        losing_trades=parse.count_text(guards.losing_trades),
        losing_trades_action=guards.losing_trades_action.value,
        guard_stop_mode=guards.stop_mode.value,
        on_diverged=settings.on_diverged.value,
        accepted_warnings=settings.accepted_warnings or "",
        parent_run_id=parent_run_id or "",
    )
    if reset is None:
        return draft
    return replace(
        draft,
        reset_mode=reset.mode.value,
        cooldown_bars=str(reset.cooldown_bars),
        on_exhausted=reset.on_exhausted.value,
        follow_up="; ".join(parse.link_text(link) for link in reset.follow_up),
    )
