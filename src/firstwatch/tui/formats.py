"""Values as the screen writes them, and numbers as an operator types them. Unknown is "?", never zero."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from textwrap import wrap

from firstwatch.trading.numbers import decimal_of, plain, price_text
from firstwatch.trading.text import clean

UNKNOWN = "?"
READING = "Reading the store…"
"""Said where something is not read yet."""
_MARKED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
"""A number with thousands separators."""

_ASCII = {
    **dict.fromkeys("│┃┆┊║▌▐▎▏▕╷╵╽╿╻╹", "|"),
    **dict.fromkeys("─━┄┈═╌╍▔", "-"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╞╡╪┏┓┗┛╸╺╴╶", "+"),
    **dict.fromkeys("█▇▀▊▋▍▉▓▒░▖▗▘▝▞▚▛▜▙▟", "#"),
    **dict.fromkeys("▁▂", "_"),
    **dict.fromkeys("▃▄", "-"),
    **dict.fromkeys("▅▆", "="),
    **dict.fromkeys("●◆■", "*"),
    **dict.fromkeys("○◇□", "o"),
    **dict.fromkeys("▲△↑", "^"),
    **dict.fromkeys("▼▽↓", "v"),
    **dict.fromkeys("▶→›▸", ">"),
    **dict.fromkeys("◀←‹", "<"),
    **dict.fromkeys("…·•", "."),
    **dict.fromkeys("–—−", "-"),
    **dict.fromkeys("’‘", "'"),
    **dict.fromkeys("“”", '"'),
    "×": "x",
    "❚": "|",
    **dict.fromkeys("✓✔", "+"),
    **dict.fromkeys("✗✘", "x"),
    "≥": ">",
    "≤": "<",
    **{chr(code): "." for code in range(0x2801, 0x2900)},
    chr(0x2800): " ",
}
ASCII_GLYPHS = str.maketrans(_ASCII)
"""Maps one character to one, which keeps widths: for terminals without UTF-8."""


def money(value: Decimal | float | None, *, signed: bool = False) -> str:
    """Return a quote amount with two decimals: ``1,234.50``; one that rounds to zero has no sign."""
    if value is None:
        return UNKNOWN
    return _unsigned_zero(f"{value:+,.2f}" if signed else f"{value:,.2f}")


def change(value: float | None) -> str:
    """Return a fraction as signed percent without its unit, for a column that has it: ``+0.22``."""
    return UNKNOWN if value is None else _unsigned_zero(f"{value * 100:+.2f}")


def _unsigned_zero(text: str) -> str:
    return text if text.strip("+-0.,") else text.lstrip("+-")


def price(value: Decimal | float | None) -> str:
    """Return a price with as many decimals as its size needs."""
    return UNKNOWN if value is None else price_text(value)


def amount(value: Decimal | None) -> str:
    """Return an amount of the base coin without trailing zeros."""
    if value is None:
        return UNKNOWN
    return plain(value)


def short_amount(value: Decimal) -> str:
    """Return an amount of the base coin with three significant digits, for a list: ``1,234``, ``.0256``."""
    text = f"{value:,.0f}" if value >= 1_000 else plain(Decimal(f"{value:.3g}"))
    return text.removeprefix("0") if text.startswith("0.") else text


def read_decimal(text: str) -> Decimal:
    """Return the number that an operator typed; it may have thousands separators: ``1,234.5``.

    Raises:
        ValueError: it is not a number, or out of bounds, or has a comma that separates no thousands.
    """
    text = text.strip()
    if "," in text and not _MARKED.fullmatch(text):
        raise ValueError(f"not a number: {clean(text, 60)}; write 1.5, and 1,500 or 1500")
    return decimal_of(text.replace(",", ""))


def percent(value: float | None) -> str:
    """Return a fraction as percent: ``12.3 %``."""
    return UNKNOWN if value is None else f"{value * 100:.1f} %"


def fitted(text: str, width: int, rows: int = 0) -> str:
    """Return the text wrapped to ``width``, in at most ``rows`` lines (0: no limit); ``…``: it is cut."""
    lines = [part for line in text.split("\n") for part in wrap(line, max(width, 1)) or [""]]
    if len(lines) > rows > 0:
        lines = [*lines[: rows - 1], f"{lines[rows - 1][: max(width - 2, 0)]} …"]
    return "\n".join(lines)


def age(ms: int | None) -> str:
    """Return how long ago: ``0 s``, ``5 min``, ``3 h``, ``2 d``."""
    if ms is None:
        return UNKNOWN
    seconds = max(0, ms) // 1000
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} d"


def moment(time_ms: int | None) -> str:
    """Return ``2025-01-02 03:04``, UTC."""
    return UNKNOWN if time_ms is None else _utc(time_ms).strftime("%Y-%m-%d %H:%M")


def clock_time(time_ms: int | None) -> str:
    """Return ``01-02 03:04:05``, UTC."""
    return UNKNOWN if time_ms is None else _utc(time_ms).strftime("%m-%d %H:%M:%S")


def short_moment(time_ms: int | None) -> str:
    """Return ``01-02 03:04``, UTC."""
    return UNKNOWN if time_ms is None else _utc(time_ms).strftime("%m-%d %H:%M")


def day_time(time_ms: int) -> str:
    """Return ``03:04:05``, UTC."""
    return _utc(time_ms).strftime("%H:%M:%S")


def short_id(identity: str) -> str:
    """Return the first 8 characters of a run's or an order's id."""
    return identity[:8]


def _utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)
