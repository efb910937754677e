"""Account actions of an operator at Hyperliquid: approvals and transfers, signed by the master key.

Every approval is verified at the venue afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from firstwatch.trading.account import Approval
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import RefusedError, VenueError
from firstwatch.venues.accounts import AccountMoney, Builder, KeyPermissions, Permissions, TransferResult
from firstwatch.venues.hyperliquid.account_api import AccountApi
from firstwatch.venues.hyperliquid.approvals import fee_rate
from firstwatch.venues.hyperliquid.key_permissions import (
    agent_permissions,
    approvals,
    check_key,
    permissions_of,
)
from firstwatch.venues.hyperliquid.transfers import WITHDRAWAL_FEE, Transfers
from firstwatch.venues.hyperliquid.user_actions import user_signed
from firstwatch.venues.protocol import Refused
from firstwatch.venues.signer import KeyKind, Signer

T = TypeVar("T")
AGENT_NAME = "firstwatch"
"""Approving an agent of the same name replaces the one before."""

_LOOKS = 10
_LOOK_EVERY_S = 1.0


class Approver:
    """Gives approvals of one account. ``pause`` waits for a number of seconds."""

    def __init__(self, api: AccountApi, master: Signer, pause: Callable[[float], None]) -> None:
        """Take the account's own key, which is forgotten with this object.

        Raises:
            RefusedError: it is an API wallet's, which cannot approve.
        """
        if master.kind is not KeyKind.MASTER:
            raise RefusedError(
                f"The key {master.address} is an API wallet; only the key of {master.account} itself may"
                " approve: give it with --master-key-fd."
            )
        self._api = api
        self._master = master
        self._pause = pause

    def agent(self, address: str) -> KeyPermissions:
        """Approve the key of that address as the account's API wallet, and verify that. It costs nothing.

        Raises:
            RefusedError: the venue refused it, or does not show it.
            VenueError: the venue cannot be asked; the account may have an agent that is not in use.
        """
        account = self._master.account
        self._approve("approveAgent", {"agentAddress": address, "agentName": AGENT_NAME})
        shown = self._wait_for(
            lambda: next((agent for agent in self._api.agents(account) if agent.address == address), None),
            "the new API wallet",
        )
        return agent_permissions(account, address, shown.valid_until_ms)

    def builder(self, builder: Builder) -> None:
        """Allow the builder its fee, and verify that. A fee of 0 takes an approval back.

        Raises:
            RefusedError: the venue refused it, or does not show it.
            VenueError: the venue cannot be asked.
        """
        fee, account = builder.fee_tenths_bp, self._master.account
        self._approve("approveBuilderFee", {"maxFeeRate": fee_rate(fee), "builder": builder.address})
        self._wait_for(
            lambda: self._api.approved_fee(account, builder.address) == fee or None, "the builder's fee"
        )

    def _approve(self, kind: str, values: dict[str, str]) -> None:
        def signed(nonce: int) -> Mapping[str, Any]:
            is_mainnet = self._api.is_mainnet
            return user_signed(kind, values, is_mainnet=is_mainnet, nonce=nonce, signer=self._master)

        _, outcome = self._api.act(signed)
        # In doubt or accepted: the venue is asked in either case, and approving again would be harmless.
        if isinstance(outcome, Refused):
            reason, account = outcome.reason, self._master.account
            remedy = f" Send USDC to {account} first." if "deposit" in reason.lower() else ""
            raise RefusedError(f"{self._api.name} refused the approval: {reason.rstrip('.')}.{remedy}")

    def _wait_for(self, look: Callable[[], T | None], what: str) -> T:
        problem = f"{self._api.name} does not show {what} after {_LOOKS * _LOOK_EVERY_S:g} s; try again."
        for _ in range(_LOOKS):
            try:
                if (shown := look()) is not None:
                    return shown
            except VenueError as error:
                problem = f"Whether {self._api.name} has {what} is not known: {error}"
            self._pause(_LOOK_EVERY_S)
        raise RefusedError(problem)


class HyperliquidAccounts:
    """The accounts of one venue of the settings (``VenueAccounts``)."""

    withdrawal_fee = WITHDRAWAL_FEE

    def __init__(
        self, api: AccountApi, builder: Builder | None, clock: Clock, pause: Callable[[float], None]
    ) -> None:
        """``pause`` waits for a number of seconds between two checks at the venue."""
        self.name = api.name
        self.api = api
        self.builder = builder
        self._clock = clock
        self._pause = pause

    def money(self, account: str) -> AccountMoney:
        return self.api.money(account)

    def key_permissions(self, address: str, account: str | None) -> tuple[KeyPermissions, Sequence[Approval]]:
        now_ms = self._clock.now_ms()
        key = check_key(self.api, address, account, now_ms=now_ms)
        return key, approvals(self.api, key.account, key, self.builder, now_ms=now_ms)

    def permissions(self, account: str, address: str | None) -> Permissions:
        return permissions_of(self.api, account, address, self.builder, now_ms=self._clock.now_ms())

    def approve_agent(self, master: Signer, address: str) -> KeyPermissions:
        return Approver(self.api, master, self._pause).agent(address)

    def approve_builder(self, master: Signer, builder: Builder) -> None:
        Approver(self.api, master, self._pause).builder(builder)

    def withdraw(self, master: Signer, amount: Decimal, destination: str) -> TransferResult:
        return Transfers(self.api, master, self._pause).withdraw(amount, destination)

    def transfer(self, master: Signer, amount: Decimal, account: str) -> TransferResult:
        return Transfers(self.api, master, self._pause).send(amount, account)
