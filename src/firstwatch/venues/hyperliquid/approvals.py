"""Sentences on the approvals that a key needs to trade, and on what each costs and allows.

They are the same whether the adapter asks through its gateway or a command by its own request.
"""

from decimal import Decimal

from firstwatch.trading.account import BUILDER_APPROVAL, KEY_APPROVAL, Approval
from firstwatch.trading.clock import iso
from firstwatch.venues.accounts import Builder

LEAST_VALIDITY_MS = 7 * 24 * 60 * 60 * 1000
"""An agent that is valid for less is not one to launch with."""

APPROVE_AGENT = (
    "approve a new API wallet, which costs nothing and can trade but neither withdraw nor approve:"
    " firstwatch wallet approve NAME --agent"
)
"""The next action when no key may trade, or not for long. ``NAME``: the wallet's."""


def key_approval(found: str, *, valid_until_ms: int | None, now_ms: int) -> Approval:
    """Return the approval of a key that the venue knows; ``valid_until_ms`` None: it says no end."""
    if valid_until_ms is not None and valid_until_ms - now_ms < LEAST_VALIDITY_MS:
        left = f"the API wallet is valid until {iso(valid_until_ms)} only, less than 7 days"
        return Approval(KEY_APPROVAL, False, left, APPROVE_AGENT)
    return Approval(KEY_APPROVAL, True, found)


def no_key(why: str) -> Approval:
    """Return the approval that lacks because no key may trade."""
    return Approval(KEY_APPROVAL, False, why, APPROVE_AGENT)


def builder_approval(builder: Builder, approved_tenths_bp: int) -> Approval:
    """Return the approval of the builder that the settings name."""
    given = f"the builder {builder.address} may take up to {fee_rate(approved_tenths_bp)} of every fill"
    if approved_tenths_bp >= builder.fee_tenths_bp:
        return Approval(BUILDER_APPROVAL, True, given)
    return Approval(
        BUILDER_APPROVAL,
        False,
        f"{given}, and the settings give it {fee_rate(builder.fee_tenths_bp)}",
        "approve it, which costs that fee of every entry's fills and allows nothing else: firstwatch wallet"
        " approve NAME --builder; or take the builder out of the settings",
    )


def agent_sentence(account: str, valid_until_ms: int | None) -> str:
    """Say what an agent's key may do."""
    until = "" if valid_until_ms is None else f" until {iso(valid_until_ms)}"
    return f"an API wallet of {account}: it trades{until} and can neither withdraw nor approve"


def of_another_account(address: str, master: str, account: str) -> str:
    """Say that a key is an agent's, and whose."""
    return f"The key {address} is an API wallet of another account, {master}, and not of {account}"


def unknown_key(venue: str, address: str, account: str, *, is_mainnet: bool) -> str:
    """Return the sentence for a key that the venue does not know as one of the account."""
    return (
        f"{venue} ({'mainnet' if is_mainnet else 'testnet'}) does not know the key {address} as one of"
        f" {account}: it is the wrong key, its approval has expired, or it was approved on another network"
    )


def fee_rate(tenths_bp: int) -> str:
    """Return a builder's fee as the venue writes it: 10 (one basis point) is ``0.01%``."""
    return f"{(Decimal(tenths_bp) / 1000).normalize():f}%"
