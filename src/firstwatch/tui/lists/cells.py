"""Cells that several lists share. Red and green are for money only, and zero is neither."""

from decimal import Decimal

from firstwatch.manager.views import RunView
from firstwatch.trading.account import MoneyKind
from firstwatch.tui import formats
from firstwatch.tui.money_text import money_word
from firstwatch.tui.run_text import held_text
from firstwatch.tui.widgets.table import Cell, Tone

UNKNOWN = Cell(formats.UNKNOWN, "dim")
NOTHING = Cell("-", "dim")
_ID_WIDTH = 5


def short_id(shortest: str) -> Cell:
    """Return a run's short id; of one that is long, because another run begins alike, both ends."""
    is_long = len(shortest) > _ID_WIDTH
    return Cell(f"{shortest[:2]}…{shortest[-2:]}" if is_long else shortest)


def money_tone(text: str) -> Tone:
    """Return the tone of an amount that is written with its sign: what rounds to zero has none."""
    return "loss" if text.startswith("-") else "gain" if text.startswith("+") else ""


def pnl(value: Decimal | None) -> Cell:
    """Return an amount of money that was won or lost."""
    text = formats.money(value, signed=True)
    return UNKNOWN if value is None else Cell(text, money_tone(text))


def share(value: float | None) -> Cell:
    """Return a fraction that was won or lost, in percent without its unit."""
    text = formats.change(value)
    return UNKNOWN if value is None else Cell(text, money_tone(text))


def held(run: RunView) -> Cell:
    """Return what a run holds: a side is a word, never a colour."""
    text = held_text(run, write=formats.short_amount)
    tones: dict[str, Tone] = {"flat": "dim", "unknown": "error"}
    return Cell(text, tones.get(text, ""))


def money_kind(run: RunView) -> Cell:
    """Return what is at stake: real money stands out."""
    return Cell(money_word(run.money), "live" if run.money is MoneyKind.LIVE else "dim")


def level(value: Decimal | None) -> Cell:
    """Return a price at which something may happen; none is no price."""
    return NOTHING if value is None else Cell(formats.price(value))
