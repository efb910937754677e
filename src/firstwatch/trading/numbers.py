"""Numbers at the edges: read with bounds, written without noise."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from firstwatch.trading.text import clean, quoted

MOST_BARS = 1_000_000
"""Bars that a setting may count: two years of minutes."""
_DIGITS = 15
"""A decimal with this many significant digits survives float64; further digits are binary noise."""


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_LONGEST = 60
_LARGEST = Decimal(10) ** 15
_SMALLEST = Decimal(10) ** -15


def decimal_of(text: str) -> Decimal:
    """Return the number that an operator wrote: 0, or between 10⁻¹⁵ and 10¹⁵ in size.

    Raises:
        ValueError: it is not a number, or is beyond these bounds; the sentence shows it.
    """
    text = text.strip()
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {clean(text, _LONGEST)}")
    return _bounded(Decimal(text))


def _bounded(value: Decimal) -> Decimal:
    if value and not _SMALLEST <= abs(value) <= _LARGEST:
        raise ValueError(f"{value:g} is out of bounds: 0, or from {_SMALLEST:g} to {_LARGEST:g} in size")
    return value


def _decimal(value: Any, info: ValidationInfo) -> Any:
    """Accept a decimal or a number; text only from JSON, where decimals are stored as text."""
    if isinstance(value, str) and bool((info.context or {}).get("is_file")):
        raise ValueError(f"it should be a number, not {quoted(value)}")
    return _exact(value)


def _exact(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"it should be a number, not {str(value).lower()}")
    if isinstance(value, int | float | str):
        return decimal_of(str(value))
    if isinstance(value, Decimal) and value.is_finite():
        return _bounded(value)
    return value


BoundedDecimal = Annotated[Decimal, BeforeValidator(_decimal)]
"""A decimal of a model, within the bounds of ``decimal_of``."""
ExactDecimal = Annotated[Decimal, BeforeValidator(_exact)]
"""The same where a file may write it as text too, as venues write their steps: ``tick = "0.000001"``."""


def tidy(value: float) -> float:
    """Return the double nearest to the value's first fifteen figures: 119275.14020000001 is 119275.1402."""
    return float(f"{value:.{_DIGITS}g}")


def tidy_decimal(value: Decimal | float) -> Decimal:
    """Return the first fifteen figures of a number."""
    return Decimal(f"{value:.{_DIGITS}g}")


def all_figures(value: float) -> str:
    """Return the shortest text without an exponent that reads back as the same double."""
    return plain(Decimal(str(value)))


def price_text(value: Decimal | float) -> str:
    """Return a price with the figures that matter at its size: ``119,365.12``, ``0.0256``."""
    size = abs(float(value))
    return f"{value:,.{2 if size >= 10 else 4 if size >= 0.1 else 8}f}"


def plain(value: Decimal) -> str:
    """Return the one text of a finite decimal: no exponent, no zero at the end, no negative zero."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
