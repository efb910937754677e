"""Checks a key's permissions and its account's approvals, before a key is stored, used or shown."""

from firstwatch.trading.account import Approval
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import RefusedError
from firstwatch.venues.accounts import Builder, KeyPermissions, Permissions
from firstwatch.venues.hyperliquid.account_api import AccountQueries
from firstwatch.venues.hyperliquid.approvals import (
    APPROVE_AGENT,
    agent_sentence,
    builder_approval,
    key_approval,
    no_key,
    of_another_account,
    unknown_key,
)
from firstwatch.venues.hyperliquid.kinds import kind_approval, not_an_account
from firstwatch.venues.signer import KeyKind

DAY_MS = 24 * 60 * 60 * 1000


def agent_permissions(account: str, address: str, valid_until_ms: int | None) -> KeyPermissions:
    """Return the permissions of an approved agent's key."""
    sentence = agent_sentence(account, valid_until_ms)
    return KeyPermissions(account, address, KeyKind.AGENT, True, valid_until_ms, sentence)


def check_key(api: AccountQueries, address: str, account: str | None, *, now_ms: int) -> KeyPermissions:
    """Return what the key of that address may do for the account; ``account`` None: find that out, too.

    Raises:
        RefusedError: it may do nothing for this account, in one sentence.
        VenueError: the venue cannot be asked.
    """
    role = api.role(address)
    if account is None:
        account = role.master if role.name == "agent" and role.master else address
    if address == account and role.name in {"user", "missing"}:
        own = f"the account's own key: it trades, withdraws and approves for {account}"
        return KeyPermissions(account, address, KeyKind.MASTER, role.name == "user", None, own)
    if role.name != "agent" or role.master != account:
        # The error sentence depends on the account's role.
        known = role if address == account else api.role(account)
        strange = not_an_account(api.name, account, known.name, known.master)
        if strange:
            raise RefusedError(f"{strange}.")
    if role.name != "agent":
        unknown = unknown_key(api.name, address, account, is_mainnet=api.is_mainnet)
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
    valid_until_ms = next((a.valid_until_ms for a in api.agents(account) if a.address == address), None)
    if valid_until_ms is not None and valid_until_ms <= now_ms:
        raise RefusedError(
            f"The API wallet {address} of {account} expired at {iso(valid_until_ms)};"
            " approve a new one with: firstwatch wallet approve NAME --agent."
        )
    return agent_permissions(account, address, valid_until_ms)


def permissions_of(
    api: AccountQueries, account: str, address: str | None, builder: Builder | None, *, now_ms: int
) -> Permissions:
    """Return what the stored key of that address may do, and what is approved; None: there is none.

    Raises:
        VenueError: the venue cannot be asked.
    """
    key, why = None, "the vault of this data folder has no key for the account"
    if address is not None:
        try:
            key, why = check_key(api, address, account, now_ms=now_ms), ""
        except RefusedError as error:
            why = str(error)
    return Permissions(key, why, tuple(approvals(api, account, key, builder, now_ms=now_ms)))


def approvals(
    api: AccountQueries, account: str, key: KeyPermissions | None, builder: Builder | None, *, now_ms: int
) -> list[Approval]:
    """Return the approvals needed to trade, given or not, the next action first; ``key`` None: none is valid.

    Raises:
        VenueError: the venue cannot be asked.
    """
    unfit = kind_approval(account, api.kind(account))
    found = [] if unfit is None else [unfit]
    found.append(_key_approval(key, now_ms))
    if builder is not None:
        found.append(builder_approval(builder, api.approved_fee(account, builder.address)))
    return sorted(found, key=lambda approval: approval.is_given)


def _key_approval(key: KeyPermissions | None, now_ms: int) -> Approval:
    if key is None:
        return no_key("no key may trade for this account")
    if key.kind is KeyKind.MASTER:
        advice = f"{key.sentence}; an API wallet that cannot withdraw is safer here: {APPROVE_AGENT}"
        return key_approval(advice, valid_until_ms=None, now_ms=now_ms)
    return key_approval(key.sentence, valid_until_ms=key.valid_until_ms, now_ms=now_ms)
