"""What a key may do at the venue: found out before it is kept, and again whenever it is used or shown."""

from dataclasses import dataclass

from firstwatch.trading.clock import iso
from firstwatch.trading.errors import RefusedError
from firstwatch.venues.hyperliquid.approvals import agent_sentence, of_another_account, unknown_key
from firstwatch.venues.hyperliquid.kinds import not_an_account
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.desk import Inquiry

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What the venue says of a key."""

    account: str
    """The address whose money it trades."""
    address: str
    kind: KeyKind
    account_exists: bool
    """The venue has seen money on the account."""
    valid_until_ms: int | None
    """None: for ever (a master's), or the venue does not list it (the unnamed agent's)."""

    @property
    def sentence(self) -> str:
        """What the key may do, in words."""
        if self.kind is KeyKind.MASTER:
            return f"the account's own key: it trades, withdraws and approves for {self.account}"
        return agent_sentence(self.account, self.valid_until_ms)


def check_key(desk: Inquiry, address: str, account: str | None, *, now_ms: int) -> KeyFacts:
    """Return what the key of that address may do for the account; ``account`` None: find that out, too.

    Raises:
        RefusedError: it may do nothing for this account, in one sentence.
        VenueError: the venue cannot be asked.
    """
    role = desk.role(address)
    if account is None:
        account = role.master if role.name == "agent" and role.master else address
    if address == account and role.name in {"user", "missing"}:
        return KeyFacts(account, address, KeyKind.MASTER, role.name == "user", None)
    if role.name != "agent" or role.master != account:
        # Whose mistake it is depends on what the account is.
        known = role if address == account else desk.role(account)
        strange = not_an_account(desk.name, account, known.name, known.master)
        if strange:
            raise RefusedError(f"{strange}.")
    if role.name != "agent":
        unknown = unknown_key(desk.name, address, account, is_mainnet=desk.is_mainnet)
        raise RefusedError(
            f"{unknown}; compare its address with the API wallets that the venue lists for the account, check"
            " the network in the settings, or approve a new one with: firstwatch wallet approve NAME --agent."
        )
    if address == account:
        raise RefusedError(
            f"{account} is the address of an API wallet of {role.master}, not of an account;"
            f" give --account {role.master}."
        )
    if role.master != account:
        raise RefusedError(
            f"{of_another_account(address, str(role.master), account)}; import the right key, or give that"
            " account."
        )
    valid_until_ms = next((a.valid_until_ms for a in desk.agents(account) if a.address == address), None)
    if valid_until_ms is not None and valid_until_ms <= now_ms:
        raise RefusedError(
            f"The API wallet {address} of {account} expired at {iso(valid_until_ms)};"
            " approve a new one with: firstwatch wallet approve NAME --agent."
        )
    return KeyFacts(account, address, KeyKind.AGENT, True, valid_until_ms)
