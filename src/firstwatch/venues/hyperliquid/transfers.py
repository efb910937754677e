"""Transfers from an account: to another own wallet, or out of the venue. Each is sent at most once.

Once a request is sent, only the venue's ledger proves that money moved, and only its refusal, or the
request's nonce used by another action, proves that it did not.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from firstwatch.trading.errors import RefusedError, VenueError
from firstwatch.venues.accounts import OutcomeUnknownError, TransferResult
from firstwatch.venues.hyperliquid.account_api import AccountApi, LedgerEntry
from firstwatch.venues.hyperliquid.answers import DUPLICATE_NONCE, ActionAnswer, Taken
from firstwatch.venues.hyperliquid.user_actions import burning, user_signed
from firstwatch.venues.protocol import Refused, Unknown
from firstwatch.venues.signer import KeyKind, Signer

WITHDRAWAL_FEE = Decimal(1)
"""What the venue keeps of a withdrawal, in USDC."""
_DECIMALS = 6
_BURN_TRIES = 5
_LOOKS = 10
_LOOK_EVERY_S = 1.0
_LEDGER_BEFORE_MS = 60_000
"""Answers may be of different moments: what was in the ledger before is read from so much earlier on."""
_TRANSFERS = ("internalTransfer", "send")
_COMPARE = "Compare the balance (firstwatch wallet show) before you try again."


class Transfers:
    """Moves the money of one account. ``pause`` waits for so many seconds."""

    def __init__(self, api: AccountApi, master: Signer, pause: Callable[[float], None]) -> None:
        """Take the account's own key, which is forgotten with this object.

        Raises:
            RefusedError: it is an API wallet's, which cannot move money.
        """
        if master.kind is not KeyKind.MASTER:
            raise RefusedError(
                f"The key {master.address} is an API wallet, which cannot move money; give the key of"
                f" {master.account} itself with --master-key-fd."
            )
        self._api = api
        self._master = master
        self._pause = pause

    def withdraw(self, amount: Decimal, destination: str) -> TransferResult:
        """Withdraw USDC to an address on Arbitrum; the venue keeps 1 USDC of it.

        Raises:
            RefusedError: there is too little, or the venue said no; nothing moved.
            OutcomeUnknownError: the outcome could not be found out.
            VenueError: the venue cannot be asked; nothing was sent.
        """
        if amount <= WITHDRAWAL_FEE:
            raise RefusedError(
                f"{amount} USDC is not more than the {WITHDRAWAL_FEE} USDC that the venue keeps."
            )
        return self._move("withdraw3", amount, destination)

    def send(self, amount: Decimal, destination: str) -> TransferResult:
        """Send USDC to another account at the same venue; the first credit of a new address costs 1 USDC.

        Raises:
            RefusedError: there is too little, or the venue said no; nothing moved.
            OutcomeUnknownError: the outcome could not be found out.
            VenueError: the venue cannot be asked; nothing was sent.
        """
        if destination == self._master.account:
            raise RefusedError("Both wallets have the same account; there is nothing to send.")
        return self._move("usdSend", amount, destination)

    def _move(self, kind: str, amount: Decimal, destination: str) -> TransferResult:
        api, master = self._api, self._master
        if amount != round(amount, _DECIMALS):
            raise RefusedError(f"{amount} USDC has more than {_DECIMALS} decimals.")
        free = api.money(master.account).withdrawable
        if amount > free:
            raise RefusedError(f"{amount} USDC is more than the {free:f} USDC that can be taken out.")
        since_ms = api.time_ms() - _LEDGER_BEFORE_MS
        known = frozenset(api.ledger(master.account, since_ms))
        values = {"destination": destination, "amount": f"{amount.normalize():f}"}

        def signed(nonce: int) -> Mapping[str, Any]:
            return user_signed(kind, values, is_mainnet=api.is_mainnet, nonce=nonce, signer=master)

        def is_ours(entry: LedgerEntry, nonce: int) -> bool:
            if entry in known or entry.nonce not in (None, nonce):
                return False
            if kind == "withdraw3":
                return entry.kind == "withdraw" and entry.nonce == nonce
            is_same = (entry.destination, entry.usdc) == (destination.lower(), amount)
            return entry.kind in _TRANSFERS and is_same

        try:
            body, outcome = api.act(signed)
            return self._sent(
                body,
                outcome,
                lambda: any(is_ours(entry, body["nonce"]) for entry in api.ledger(master.account, since_ms)),
            )
        except KeyboardInterrupt as error:
            raise OutcomeUnknownError(f"It was interrupted after the request was sent. {_COMPARE}") from error

    def _sent(
        self, body: Mapping[str, Any], outcome: ActionAnswer, is_in_ledger: Callable[[], bool]
    ) -> TransferResult:
        """Wait until the venue's ledger shows the transfer of a request that was sent; return its result."""
        name, doubt, never, problem = self._api.name, "", False, "it answered that it was done"
        match outcome:
            case Refused(reason=reason) if DUPLICATE_NONCE not in reason:
                raise RefusedError(f"{name} refused: {reason.rstrip('.')}.")
            case Refused(reason=doubt):
                problem = doubt
            case Unknown(doubt):
                taken = self._burn(body["nonce"])
                never, problem = not taken, f"{doubt.rstrip('.')}; asked for the request, it says: {taken}"
        for _ in range(1 if never else _LOOKS):
            try:
                if is_in_ledger():
                    action = body["action"]
                    return TransferResult(
                        Decimal(action["amount"]), self._master.account, action["destination"], bool(doubt)
                    )
            except VenueError as error:
                problem = str(error)
            if not never:
                self._pause(_LOOK_EVERY_S)
        if never:
            raise RefusedError(
                f"The request was lost ({doubt}) and can no longer be carried out: nothing moved. Try again."
            )
        raise OutcomeUnknownError(
            f"{name} does not show that the money moved: {problem.rstrip('.')}. {_COMPARE}"
        )

    def _burn(self, nonce: int) -> str:
        """Use the nonce of a lost request up, so that it never will be taken; else return why that failed."""
        body = burning(nonce, is_mainnet=self._api.is_mainnet, signer=self._master)
        problem = ""
        for _ in range(_BURN_TRIES):
            match self._api.perform(body):
                case Taken():
                    return ""
                case Refused(reason=reason):
                    # The nonce is used already, by the request or by a burning whose own answer was lost; or
                    # the venue does not take it for another reason, which says nothing of the request.
                    return reason
                case Unknown(problem):
                    self._pause(_LOOK_EVERY_S)
        return problem
