"""What a venue says of a wallet now, and the shape in which the store keeps it."""

from dataclasses import dataclass

from firstwatch.store.standings import Held, WalletKey, WalletMoney
from firstwatch.trading.account import Approval
from firstwatch.trading.orders import Side
from firstwatch.venues.hyperliquid.actions import Builder
from firstwatch.wallets.approving import approvals, key_facts
from firstwatch.wallets.desk import AccountMoney, Inquiry
from firstwatch.wallets.keycheck import KeyFacts
from firstwatch.wallets.vault import KeyRecord


@dataclass(frozen=True, slots=True)
class Permissions:
    """The stored key of a wallet, what it may do, and what the account has approved."""

    record: KeyRecord | None
    key: KeyFacts | None
    why: str
    """Why no key may trade; empty: one may."""
    approvals: tuple[Approval, ...]
    """What is needed to trade, the next action first."""

    @property
    def missing(self) -> dict[str, str]:
        """A sentence by the name of each approval that is not given."""
        found = {each.name: each.sentence for each in self.approvals if not each.is_given}
        return found if self.key is not None else found | {"key": self.why}


def read_permissions(
    inquiry: Inquiry, account: str, record: KeyRecord | None, builder: Builder | None, *, now_ms: int
) -> Permissions:
    """Ask what the stored key may do and what is approved.

    Raises:
        VenueError: the venue cannot be asked.
    """
    key, why = key_facts(inquiry, record, now_ms=now_ms)
    found = approvals(inquiry, account, key, builder, now_ms=now_ms)
    return Permissions(record, key, why, tuple(found))


def key_standing(found: Permissions, *, now_ms: int) -> WalletKey:
    """Return the key as of now."""
    record, key = found.record, found.key
    return WalletKey(
        address=None if record is None else record.address,
        kind=None if record is None else record.kind.value,
        valid_until_ms=None if key is None else key.valid_until_ms,
        missing=found.missing,
        read_at_ms=now_ms,
    )


def money_standing(money: AccountMoney, *, now_ms: int) -> WalletMoney:
    """Return an account's money and positions as of now."""
    held = tuple(
        Held(each.symbol, Side.LONG if each.amount > 0 else Side.SHORT, abs(each.amount))
        for each in money.positions
    )
    return WalletMoney(money.total, money.used, held, now_ms)
