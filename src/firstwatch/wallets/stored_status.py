"""A wallet's status at its venue, in the form in which the store keeps it."""

from firstwatch.store.wallet_status import Held, WalletKey, WalletMoney
from firstwatch.venues.accounts import AccountMoney, Permissions
from firstwatch.wallets.vault import KeyRecord


def key_status(record: KeyRecord | None, found: Permissions, *, now_ms: int) -> WalletKey:
    """Return the stored key, what it may do and what is missing, as of now."""
    return WalletKey(
        address=None if record is None else record.address,
        kind=None if record is None else record.kind.value,
        valid_until_ms=None if found.key is None else found.key.valid_until_ms,
        missing=found.missing,
        read_at_ms=now_ms,
    )


def money_status(money: AccountMoney, *, read_at_ms: int) -> WalletMoney:
    """Return an account's money and open positions; ``read_at_ms``: when they were read."""
    held = tuple(
        Held(each.symbol, each.side, each.amount) for each in money.positions if each.side is not None
    )
    return WalletMoney(money.total, money.used, held, read_at_ms)
