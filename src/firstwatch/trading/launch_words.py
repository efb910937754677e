"""Launch settings as text for the operator; different settings never give the same text."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from firstwatch.trading.launch import (
    FollowUp,
    FollowUpSide,
    GuardAction,
    Guards,
    OnExhausted,
    ResetMode,
    ResetSettings,
    SessionPolicy,
    SessionSettings,
    SessionWindow,
    Weekday,
)
from firstwatch.trading.numbers import all_figures, plain
from firstwatch.trading.runs import ExitReason, StopMode
from firstwatch.trading.text import counted

RESET_WORDS: Mapping[str, str] = {
    ResetMode.COOLDOWN_ONLY: "enter again at the next signal",
    ResetMode.REGULAR: "wait until the signal is gone; the other side may enter",
    ResetMode.STRICT: "wait until the signals of all sides are gone",
}
EXHAUSTED_WORDS: Mapping[str, str] = {
    OnExhausted.RESET: "start the chain again",
    OnExhausted.STOP_RUN: "stop the run",
}
POLICY_WORDS: Mapping[str, str] = {
    SessionPolicy.OFF: "off",
    SessionPolicy.PAUSE_ENTRIES: "pause entries",
    SessionPolicy.FLATTEN: "close the position and pause",
}
ACTION_WORDS: Mapping[str, str] = {GuardAction.PAUSE: "pause entries", GuardAction.STOP: "stop the run"}
STOP_WORDS: Mapping[str, str] = {
    StopMode.CLOSE: "close the position",
    StopMode.LEAVE: "leave it with its stop",
    StopMode.LEAVE_UNPROTECTED: "leave it without a stop",
}
EXIT_WORDS: Mapping[str, str] = {reason: reason.value.replace("_", " ") for reason in ExitReason}
SIDE_WORDS: Mapping[str, str] = {FollowUpSide.SAME: "same side", FollowUpSide.OPPOSITE: "other side"}

_WEEK = list(Weekday)


def days_words(days: Sequence[Weekday]) -> str:
    """Return ``Mon–Fri``, ``Sat, Sun`` or ``every day``."""
    chosen = [day in days for day in _WEEK]
    if all(chosen):
        return "every day"
    parts: list[list[Weekday]] = []
    for day, is_chosen in zip(_WEEK, chosen, strict=True):
        if not is_chosen:
            continue
        if parts and _WEEK.index(parts[-1][-1]) == _WEEK.index(day) - 1:
            parts[-1].append(day)
        else:
            parts.append([day])
    return ", ".join(_span(part) for part in parts)


def _span(part: list[Weekday]) -> str:
    if len(part) < 3:
        return ", ".join(day.capitalize() for day in part)
    return f"{part[0].capitalize()}–{part[-1].capitalize()}"


def window_words(window: SessionWindow) -> str:
    """Return ``Mon–Fri 09:30–16:00``."""
    return f"{days_words(window.days)} {window.start}–{window.end}"


def link_words(link: FollowUp) -> str:
    """Return one link of the follow-up chain as text: exit reason, side, timing, size."""
    after = ", ".join(EXIT_WORDS[reason] for reason in link.after)
    signal = "at a signal" if link.require_signal else "without a signal"
    bars = f"bar {link.wait_bars + 1} to {link.within_bars}"
    size = "" if link.size_factor == 1 else f", size × {all_figures(link.size_factor)}"
    return f"after {after}: {SIDE_WORDS[link.side]}, {bars}, {signal}{size}"


def session_words(session: SessionSettings) -> str:
    """Return a session policy as text: its effect, and its times."""
    if session.policy is SessionPolicy.OFF:
        return "off"
    weekly = f"{', '.join(map(window_words, session.windows))} {session.timezone}"
    windows = weekly if session.calendar is None else f"the hours of {session.calendar}"
    lead = f", {session.lead_minutes} min before" if session.lead_minutes else ""
    outside = "outside of" if session.trading == "inside" else "in"
    return f"{POLICY_WORDS[session.policy]} {outside} {windows}{lead}"


def reset_words(reset: ResetSettings | None) -> str:
    """Return the rules after a trade as text; None: those of the version."""
    if reset is None:
        return "the version's own"
    words = RESET_WORDS[reset.mode]
    if reset.cooldown_bars:
        words = f"{counted(reset.cooldown_bars, 'bar')} of rest, then {words}"
    chain = "; ".join(map(link_words, reset.follow_up))
    return f"{words}; {chain}; then {EXHAUSTED_WORDS[reset.on_exhausted]}" if chain else words


def percent_words(share: float) -> str:
    """Return a fraction as per cent, with all its figures: ``2 %``."""
    return f"{plain(Decimal(str(share)) * 100)} %"


def guard_words(guards: Guards) -> dict[str, str]:
    """Return each guard's limit and action as text, by the guard's name."""
    shares = (
        ("drawdown guard", guards.drawdown, guards.drawdown_action),
        ("daily loss guard", guards.daily_loss, guards.daily_loss_action),
    )
    found = {
        name: "off" if limit is None else _limit(percent_words(limit), action, guards)
        for name, limit, action in shares
    }
    count = guards.losing_trades
    found["losing trades guard"] = (
        "off" if count is None else _limit(f"{count} in a row", guards.losing_trades_action, guards)
    )
    return found


def _limit(limit: str, action: GuardAction, guards: Guards) -> str:
    then = ACTION_WORDS[action]
    stops = f", {STOP_WORDS[guards.stop_mode]}" if action is GuardAction.STOP else ""
    return f"{limit}: {then}{stops}"


def guards_words(guards: Guards) -> str:
    """Return the active guards as one line."""
    on = (f"{name.removesuffix(' guard')} {words}" for name, words in guard_words(guards).items())
    return "; ".join(words for words in on if not words.endswith(" off")) or "off"


def value_words(value: object) -> str:
    """Return a simple setting as text: a number, on or off, ``no limit``."""
    if value is None:
        return "no limit"
    if isinstance(value, bool):
        return "on" if value else "off"
    return plain(value) if isinstance(value, Decimal) else str(value)
