"""Conversion of the launch form's texts into values and back. A refusal is a ValueError with a sentence."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from firstwatch.trading.launch import FollowUp, FollowUpSide, SessionWindow, Weekday
from firstwatch.trading.numbers import MOST_BARS
from firstwatch.trading.runs import ExitReason
from firstwatch.trading.text import clean
from firstwatch.trading.validation import nearest
from firstwatch.tui.formats import read_decimal

MOST_LEVERAGE = 1_000
MOST_LEAD_MINUTES = 24 * 60
LARGEST_FACTOR = 2
_LONGEST_QUOTE = 40

_EXCHANGE = re.compile(r"[\w/+.][\w/+.-]{0,31}", re.ASCII)

Value = TypeVar("Value")


def positive(text: str) -> Decimal:
    """Return an amount above 0."""
    if not text:
        raise ValueError("write an amount")
    value = read_decimal(text)
    if value <= 0:
        raise ValueError("must be above 0")
    return value


def leverage(text: str) -> Decimal:
    """Return a leverage of 1 or more; empty: 1."""
    value = read_decimal(text or "1")
    if not 1 <= value <= MOST_LEVERAGE:
        raise ValueError("must be 1 or more" if value < 1 else f"must be {MOST_LEVERAGE:,} or less")
    return value


def count_or_none(text: str) -> int | None:
    """Return a whole number from 1; empty: None."""
    return count(text, least=1) if text else None


def bars(text: str) -> int:
    """Return a number of bars; empty: 0."""
    return count(text or "0")


def lead(text: str) -> int:
    """Return minutes of at most a day; empty: 0."""
    return count(text or "0", most=MOST_LEAD_MINUTES)


def count(text: str, *, least: int = 0, most: int = MOST_BARS) -> int:
    """Return a whole number from ``least`` to ``most`` (default: the most bars that a setting may have)."""
    is_whole = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not is_whole or not least <= int(text) <= most:
        raise ValueError(f"write a whole number from {least} to {most:,}")
    return int(text)


def percent(text: str) -> float | None:
    """Return a text in percent as a fraction between 0 and 1; empty: None."""
    if not text:
        return None
    value = read_decimal(text.removesuffix("%").strip())
    if not 0 < value < 100:
        raise ValueError("must be between 0 and 100 per cent")
    return float(value / 100)


def zone(text: str) -> str:
    """Return a time zone that exists; empty: UTC."""
    name = text or "UTC"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {_quote(name)}; write one like UTC or America/New_York") from error
    return name


def exchange(text: str) -> str | None:
    """Return the code of an exchange calendar; empty: none. Whether there is one of it the engine says."""
    if not text:
        return None
    if not _EXCHANGE.fullmatch(text):
        raise ValueError(f"not the code of an exchange: {_quote(text)}; write one like XNYS")
    return text


def problem(read: Callable[[str], object], text: str) -> str:
    """Return why a text cannot be read; empty: it can."""
    try:
        read(text.strip())
    except ValueError as error:
        return str(error)
    return ""


# --- windows and chains: as the draft keeps them, one text each ------------------------------------------

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_WINDOW = re.compile(r"(?P<days>\S+)\s+(?P<start>\d{2}:\d{2})-(?P<end>\d{2}:\d{2})", re.ASCII)
_LINK = re.compile(
    r"(?P<after>[a-z_,]+)\s+(?P<side>same|opposite)\s+(?P<wait>\d+)-(?P<within>\d+)"
    r"(?P<signal>\s+signal)?(?:\s+x(?P<factor>\S+))?",
    re.ASCII,
)


def time_of_day(text: str) -> str:
    """Return a time of the day, from 00:00 to 23:59."""
    if not _TIME.fullmatch(text):
        raise ValueError("write a time like 09:30")
    return text


def end_of_window(text: str) -> str:
    """Return a time of the day at which a window ends: up to 24:00."""
    return text if text == "24:00" else time_of_day(text)


def windows(text: str) -> tuple[SessionWindow, ...]:
    """Return the windows of a text like ``mon-fri 09:30-16:00; sat 10:00-12:00``."""
    found = _parts(text, _window)
    if not found:
        raise ValueError("add a window: Enter")
    return found


def _window(text: str) -> SessionWindow:
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError(f"not a window: {_quote(text)}; write one like mon-fri 09:30-16:00")
    return SessionWindow(
        days=_days(found["days"]), start=time_of_day(found["start"]), end=end_of_window(found["end"])
    )


def _days(text: str) -> tuple[Weekday, ...]:
    week = list(Weekday)
    days: list[Weekday] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            start, end = week.index(Weekday(first)), week.index(Weekday(last or first))
        except ValueError as error:
            raise ValueError(f"not a day: {_quote(part)}; write mon tue wed thu fri sat sun") from error
        days += [week[(start + step) % 7] for step in range((end - start) % 7 + 1)]
    return tuple(dict.fromkeys(days))


def window_text(window: SessionWindow) -> str:
    """Return the text of a window."""
    return f"{','.join(window.days)} {window.start}-{window.end}"


def chain(text: str) -> tuple[FollowUp, ...]:
    """Return the links of a text like ``stop_loss same 5-20 signal x0.5; …``; empty: none."""
    return _parts(text, _link)


def _link(text: str) -> FollowUp:
    found = _LINK.fullmatch(text)
    if found is None:
        raise ValueError(f"not a link: {_quote(text)}; write one like stop_loss same 5-20 signal x0.5")
    wait, within = count(found["wait"]), count(found["within"], least=1)
    if wait >= within:
        raise ValueError(f"the last bar ({within}) must be above the bars of rest ({wait})")
    after = tuple(_exit_reason(word) for word in found["after"].split(",") if word)
    if not after:
        raise ValueError(f"name an exit that the link follows: {_quote(text)}")
    return FollowUp(
        after=after,
        side=FollowUpSide(found["side"]),
        wait_bars=wait,
        within_bars=within,
        require_signal=found["signal"] is not None,
        size_factor=factor(found["factor"] or "1"),
    )


def _exit_reason(word: str) -> ExitReason:
    try:
        return ExitReason(word)
    except ValueError as error:
        hint = nearest(word, list(ExitReason)) or "; one is stop_loss"
        raise ValueError(f"not an exit: {_quote(word)}{hint}") from error


def factor(text: str) -> float:
    """Return a share of the usual size, above 0, at most 2."""
    value = read_decimal(text)
    if not 0 < value <= LARGEST_FACTOR:
        raise ValueError(f"must be above 0 and at most {LARGEST_FACTOR}")
    return float(value)


def link_text(link: FollowUp) -> str:
    """Return the text of a link."""
    signal = " signal" if link.require_signal else ""
    bars = f"{link.wait_bars}-{link.within_bars}"
    return f"{','.join(link.after)} {link.side} {bars}{signal} x{link.size_factor:.10g}"


def _parts(text: str, read: Callable[[str], Value]) -> tuple[Value, ...]:
    return tuple(read(part.strip().lower()) for part in text.split(";") if part.strip())


def _quote(text: str) -> str:
    return clean(text, _LONGEST_QUOTE)


def count_text(value: int | None) -> str:
    """Return the text of a number; None: empty."""
    return "" if value is None else str(value)


def percent_text(value: float | None) -> str:
    """Return the text in percent of a fraction; None: empty."""
    return "" if value is None else f"{value * 100:.10g}"
