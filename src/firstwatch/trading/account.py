"""Money, positions, funding and approvals of one account."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from firstwatch.trading.orders import Side
from firstwatch.trading.text import clean_fields


class MoneyKind(StrEnum):
    """Kind of money in an account."""

    PAPER = "paper"
    """Play money that our store keeps."""
    TESTNET = "testnet"
    """Play money of a venue's test network."""
    LIVE = "live"
    """Real money."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Money of an account in quote: ``free`` is what a new position may take as margin."""

    total: Decimal
    used: Decimal
    free: Decimal
    time_ms: int
    transferred: Decimal = Decimal(0)
    """Net deposits: money paid in less money taken out, where the venue reports it."""


@dataclass(frozen=True, slots=True)
class Position:
    """One position. ``side`` None: flat."""

    account: str
    symbol: str
    side: Side | None
    amount: Decimal
    entry_price: Decimal | None
    leverage: Decimal | None
    is_isolated: bool
    liquidation_price: Decimal | None
    margin: Decimal
    unrealised_pnl: Decimal
    time_ms: int

    def __post_init__(self) -> None:
        figures = (self.amount, self.margin, self.unrealised_pnl, self.entry_price, self.liquidation_price)
        is_finite = all(figure is None or figure.is_finite() for figure in figures)
        if not is_finite or self.amount < 0 or (self.entry_price is not None and self.entry_price <= 0):
            raise ValueError(f"a position is of an amount at a price: {self.amount} at {self.entry_price}")

    @property
    def is_flat(self) -> bool:
        """No position is held."""
        return self.side is None or self.amount == 0


@dataclass(frozen=True, slots=True)
class Funding:
    """One funding payment. Idempotent by (venue, account, funding_id)."""

    funding_id: str
    account: str
    symbol: str
    paid: Decimal
    """In quote; positive was paid, negative was received."""
    rate: Decimal
    time_ms: int


KEY_APPROVAL = "key"
"""Name of the approval of a key that trades for the account."""
BUILDER_APPROVAL = "builder fee"
"""Name of the approval of the builder in the settings."""
ACCOUNT_KIND = "account kind"
"""Name of the approval that is missing when the venue keeps the account's money in an unsupported way."""


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval that a venue needs before an account may trade."""

    name: str
    is_given: bool
    found: str
    action: str = ""
    """How to give it, what that costs and allows; ``NAME`` stands for the wallet's name."""

    def __post_init__(self) -> None:
        clean_fields(self, "name", "found", "action")

    @property
    def sentence(self) -> str:
        """What was found, and what to do where it is not given."""
        return self.found if self.is_given or not self.action else f"{self.found}; {self.action}"


def is_address(text: str) -> bool:
    """Return whether a text is an account's address: ``0x`` and 40 hexadecimal digits."""
    return re.fullmatch(r"0[xX][0-9a-fA-F]{40}", text) is not None
