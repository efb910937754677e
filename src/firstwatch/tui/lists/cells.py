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
    """Return a run's short id; one that is long, since another run begins alike, by its two ends."""
    is_long = len(shortest) > _ID_WIDTH
    return Cell(f"{shortest[:2]}…{shortest[-2:]}" if is_long else shortest)


def money_tone(text: str) -> Tone:
    """Return the tone of an amount that is written with its sign; one that rounds to zero has none."""
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
    """Return the position of a run; its side is a word, never a colour."""
    text = held_text(run, write=formats.short_amount)
    tones: dict[str, Tone] = {"flat": "dim", "unknown": "error"}
    return Cell(text, tones.get(text, ""))


def money_kind(run: RunView) -> Cell:
    """Return the kind of money of a run; real money is highlighted."""
    return Cell(money_word(run.money), "live" if run.money is MoneyKind.LIVE else "dim")


def level(value: Decimal | None) -> Cell:
    """Return the price of a level; None: there is no such level."""
    return NOTHING if value is None else Cell(formats.price(value))
