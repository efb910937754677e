"""New keys of agents: made here, approved at the venue by the account's own key, then kept in the vault."""

from collections.abc import Callable

from firstwatch.trading.errors import FirstwatchError
from firstwatch.venues.accounts import KeyPermissions
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import OpenVault, new_secret


def new_agent(
    vault: OpenVault,
    approve: Callable[[str], KeyPermissions],
    *,
    venue: str,
    account: str,
    network: str,
) -> KeyPermissions:
    """Make a new agent key, have its address approved by ``approve``, and keep it.

    A new key each time: an address that was an agent before must never be one again, because a venue may
    forget its nonces and would execute old requests anew.

    Raises:
        RefusedError, VenueError: as ``approve``; the key is dropped then.
    """
    secret = new_secret()
    pending = vault.add(
        secret, venue=venue, account=account, kind=KeyKind.AGENT, network=network, pending=True
    )
    try:
        permissions = approve(address_of(secret))
    except FirstwatchError:
        vault.drop(pending)
        raise
    vault.keep(pending)
    return permissions
