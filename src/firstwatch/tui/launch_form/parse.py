"""Texts of the launch form into values and back. Every refusal is a ValueError with a short sentence."""

import re
from decimal import Decimal

from pydantic import ValidationError

from firstwatch.trading.launch import FollowUp, FollowUpSide, SessionWindow, Weekday
from firstwatch.trading.numbers import MOST_BARS
from firstwatch.trading.runs import ExitReason
from firstwatch.tui.formats import read_decimal


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
    if value < 1:
        raise ValueError("must be 1 or more")
    return value


def count_or_none(text: str) -> int | None:
    """Return a whole number from 1; empty: None."""
    if not text:
        return None
    return count(text, least=1)


def count(text: str, *, least: int = 0) -> int:
    """Return a whole number from ``least``, and at most the bars that a setting may count."""
    is_whole = text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_BARS))
    if not is_whole or not least <= int(text) <= MOST_BARS:
        raise ValueError(f"a whole number from {least} to {MOST_BARS:,}")
    return int(text)


def percent(text: str) -> float | None:
    """Return a fraction between 0 and 1 of a text in percent; empty: None."""
    if not text:
        return None
    value = read_decimal(text.removesuffix("%").strip())
    if not 0 < value < 100:
        raise ValueError("between 0 and 100, or empty")
    return float(value / 100)


def reason(text: str) -> str:
    """Return the reason for a run without a stop."""
    if not text:
        raise ValueError("the algorithm has no stop: write why")
    return text


_WINDOW = re.compile(r"^(?P<days>\S+)\s+(?P<start>\d{2}:\d{2})-(?P<end>\d{2}:\d{2})$")
_LINK = re.compile(
    r"^(?P<after>[a-z_,]+)\s+(?P<side>same|opposite)\s+(?P<wait>\d+)-(?P<within>\d+)"
    r"(?P<signal>\s+signal)?(?:\s+x(?P<factor>[\d.]+))?$"
)


def windows(text: str) -> tuple[SessionWindow, ...]:
    """Return the windows of a text like ``mon-fri 09:30-16:00; sat 10:00-12:00``."""
    if not text:
        raise ValueError("write windows like: mon-fri 09:30-16:00; sat 10:00-12:00")
    return tuple(_window(part.strip().lower()) for part in text.split(";") if part.strip())


def _window(text: str) -> SessionWindow:
    found = _WINDOW.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not like: mon-fri 09:30-16:00")
    try:
        return SessionWindow(days=_days(found["days"]), start=found["start"], end=found["end"])
    except ValidationError as error:
        raise ValueError(f"{text!r}: {first_sentence(error)}") from error


def _days(text: str) -> tuple[Weekday, ...]:
    week = list(Weekday)
    days: list[Weekday] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        try:
            start, end = week.index(Weekday(first)), week.index(Weekday(last or first))
        except ValueError as error:
            raise ValueError(f"{part!r} is not a day; write mon tue wed thu fri sat sun") from error
        days += [week[(start + step) % 7] for step in range((end - start) % 7 + 1)]
    return tuple(dict.fromkeys(days))


def window_text(window: SessionWindow) -> str:
    """Return the text of a window."""
    return f"{','.join(window.days)} {window.start}-{window.end}"


def chain(text: str) -> tuple[FollowUp, ...]:
    """Return the links of a text like ``stop_loss same 5-20 signal x0.5; …``; empty: none."""
    return tuple(_link(part.strip().lower()) for part in text.split(";") if part.strip())


def _link(text: str) -> FollowUp:
    found = _LINK.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not like: stop_loss,trailing_stop same 5-20 signal x0.5")
    try:
        return FollowUp(
            after=tuple(ExitReason(reason) for reason in found["after"].split(",") if reason),
            side=FollowUpSide(found["side"]),
            wait_bars=int(found["wait"]),
            within_bars=int(found["within"]),
            require_signal=found["signal"] is not None,
            size_factor=float(found["factor"] or 1),
        )
    except ValidationError as error:
        raise ValueError(f"{text!r}: {first_sentence(error)}") from error
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error


def link_text(link: FollowUp) -> str:
    """Return the text of a link."""
    signal = " signal" if link.require_signal else ""
    bars = f"{link.wait_bars}-{link.within_bars}"
    return f"{','.join(link.after)} {link.side} {bars}{signal} x{link.size_factor:g}"


def count_text(value: int | None) -> str:
    """Return the text of a number; None: empty."""
    return "" if value is None else str(value)


def percent_text(value: float | None) -> str:
    """Return the text in percent of a fraction; None: empty."""
    return "" if value is None else f"{value * 100:.10g}"


def first_sentence(error: ValidationError) -> str:
    """Return the first reason of a refused model, without pydantic's prefix."""
    return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
