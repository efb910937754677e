"""Conversion of the texts of a test's form into values. A refusal is a ValueError with a sentence."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from firstwatch.trading.launch import FollowUp
from firstwatch.tui.formats import read_decimal
from firstwatch.tui.launch_form import parse

_MOST_BPS = 10_000


def bps(text: str) -> Decimal:
    """Return basis points from 0 to below 10,000."""
    value = read_decimal(text or "0")
    if not 0 <= value < _MOST_BPS:
        raise ValueError(f"must be from 0 to below {_MOST_BPS:,} basis points")
    return value


def bps_or_none(text: str) -> Decimal | None:
    """Return basis points; empty: None."""
    return bps(text) if text else None


def day_or_none(text: str) -> int | None:
    """Return the begin of a day like ``2025-07-01`` in milliseconds; empty: None."""
    if not text:
        return None
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("write a day like 2025-07-01") from None
    if not 1970 <= found.year < 2200:
        raise ValueError("write a day from 1970 to 2199")
    return int(found.timestamp()) * 1000


def number(text: str) -> float:
    """Return a number above 0."""
    return float(parse.positive(text))


def whole(text: str) -> int:
    """Return a whole number from 1."""
    return parse.count(text, least=1)


def whole_or_zero(text: str) -> int:
    """Return a whole number; empty: 0."""
    return parse.count(text or "0")


def chain_text(links: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a follow-up chain of a document."""
    return "; ".join(parse.link_text(FollowUp.model_validate(link)) for link in links)


def chain_links(text: str) -> list[dict[str, Any]]:
    """Return the follow-up chain of a text as a document has it."""
    return [link.model_dump(mode="json") for link in parse.chain(text)]
