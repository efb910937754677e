"""Approvals: what an account must have allowed before a run may trade, one next action at a time.

The master key signs and is forgotten. Every approval is verified at the venue afterwards.
"""

from collections.abc import Callable, Mapping
from typing import Any

from firstwatch.trading.account import Approval
from firstwatch.trading.errors import FirstwatchError, RefusedError, VenueError
from firstwatch.venues.hyperliquid.actions import Builder
from firstwatch.venues.hyperliquid.approvals import (
    APPROVE_AGENT,
    builder_approval,
    fee_rate,
    key_approval,
    no_key,
)
from firstwatch.venues.hyperliquid.kinds import kind_approval
from firstwatch.venues.signer import KeyKind, Signer
from firstwatch.wallets.actions import user_signed
from firstwatch.wallets.desk import Desk, Done, InDoubt, Inquiry, NotDone
from firstwatch.wallets.keycheck import KeyFacts, check_key
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import KeyRecord, OpenVault, new_secret

AGENT_NAME = "firstwatch"
"""Approving an agent of the same name replaces the one before."""

_LOOKS = 10
_LOOK_EVERY_S = 1.0


def approvals(
    desk: Inquiry, account: str, key: KeyFacts | None, builder: Builder | None, *, now_ms: int
) -> list[Approval]:
    """Return what is needed to trade, given or not, the next action first; ``key`` None: none is valid.

    Raises:
        VenueError: the venue cannot be asked.
    """
    unfit = kind_approval(account, desk.kind(account))
    found = [] if unfit is None else [unfit]
    found.append(_key_approval(key, now_ms))
    if builder is not None:
        found.append(builder_approval(builder, desk.approved_fee(account, builder.address)))
    return sorted(found, key=lambda approval: approval.is_given)


class Approver:
    """Approves for one account. ``pause`` waits for so many seconds."""

    def __init__(self, desk: Desk, master: Signer, pause: Callable[[float], None]) -> None:
        """Take the account's own key, which is forgotten with this object.

        Raises:
            RefusedError: it is an API wallet's, which cannot approve.
        """
        if master.kind is not KeyKind.MASTER:
            raise RefusedError(
                f"The key {master.address} is an API wallet; only the key of {master.account} itself may"
                " approve: give it with --master-key-fd."
            )
        self._desk = desk
        self._master = master
        self._pause = pause

    def agent(self, vault: OpenVault, venue: str) -> KeyRecord:
        """Make a new agent key, have it approved, verify that, and keep it. It costs nothing.

        A new key each time: an address that was an agent before must never be one again, because the
        venue forgets its nonces and would execute old requests anew.

        Raises:
            RefusedError: the venue refused it, or does not show it.
            VenueError: the venue cannot be asked; the account may have an agent that nobody uses.
        """
        secret, account = new_secret(), self._master.account
        address = address_of(secret)
        pending = vault.add(
            secret,
            venue=venue,
            account=account,
            kind=KeyKind.AGENT,
            network="mainnet" if self._desk.is_mainnet else "testnet",
            pending=True,
        )
        try:
            self._approve("approveAgent", {"agentAddress": address, "agentName": AGENT_NAME})
            self._wait_until(
                lambda: any(agent.address == address for agent in self._desk.agents(account)),
                "the new API wallet",
            )
        except FirstwatchError:
            vault.drop(pending)
            raise
        return vault.keep(pending)

    def builder(self, builder: Builder) -> None:
        """Allow the builder its fee, and verify that. A fee of 0 takes an approval back.

        Raises:
            RefusedError: the venue refused it, or does not show it.
            VenueError: the venue cannot be asked.
        """
        fee, account = builder.fee_tenths_bp, self._master.account
        self._approve("approveBuilderFee", {"maxFeeRate": fee_rate(fee), "builder": builder.address})
        self._wait_until(
            lambda: self._desk.approved_fee(account, builder.address) == fee, "the builder's fee"
        )

    def _approve(self, kind: str, values: dict[str, str]) -> None:
        def signed(nonce: int) -> Mapping[str, Any]:
            is_mainnet = self._desk.is_mainnet
            return user_signed(kind, values, is_mainnet=is_mainnet, nonce=nonce, signer=self._master)

        _, outcome = self._desk.act(signed)
        match outcome:
            case NotDone(reason):
                account = self._master.account
                remedy = f" Send USDC to {account} first." if "deposit" in reason.lower() else ""
                raise RefusedError(f"{self._desk.name} refused the approval: {reason.rstrip('.')}.{remedy}")
            case InDoubt() | Done():
                # Whether it is there is asked anyway; approving the same again would be harmless.
                return

    def _wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        problem = f"{self._desk.name} does not show {what} after {_LOOKS * _LOOK_EVERY_S:g} s; try again."
        for _ in range(_LOOKS):
            try:
                if is_so():
                    return
            except VenueError as error:
                problem = f"Whether {self._desk.name} has {what} is not known: {error}"
            self._pause(_LOOK_EVERY_S)
        raise RefusedError(problem)


def key_facts(desk: Inquiry, record: KeyRecord | None, *, now_ms: int) -> tuple[KeyFacts | None, str]:
    """Return what a stored key may do, or None and why nothing.

    Raises:
        VenueError: the venue cannot be asked.
    """
    if record is None:
        return None, "the vault of this data folder has no key for the account"
    try:
        return check_key(desk, record.address, record.account, now_ms=now_ms), ""
    except RefusedError as error:
        return None, str(error)


def _key_approval(key: KeyFacts | None, now_ms: int) -> Approval:
    if key is None:
        return no_key("no key may trade for this account")
    if key.kind is KeyKind.MASTER:
        advice = f"{key.sentence}; an API wallet that cannot withdraw is safer here: {APPROVE_AGENT}"
        return key_approval(advice, valid_until_ms=None, now_ms=now_ms)
    return key_approval(key.sentence, valid_until_ms=key.valid_until_ms, now_ms=now_ms)
