"""Numbers at the edges: read with bounds, written without noise."""

from decimal import Decimal

_DIGITS = 15
"""Every decimal of so many figures survives a double; what stands behind them is binary noise."""


def tidy(value: float) -> float:
    """Return the double nearest to the value's first fifteen figures: 119275.14020000001 is 119275.1402."""
    return float(f"{value:.{_DIGITS}g}")


def tidy_decimal(value: Decimal | float) -> Decimal:
    """Return the first fifteen figures of a number."""
    return Decimal(f"{value:.{_DIGITS}g}")


def plain(value: Decimal) -> str:
    """Return the one text of a finite decimal: no exponent, no zero at the end, no negative zero."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
