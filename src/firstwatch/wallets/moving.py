"""Money that leaves an account: to another own wallet, or out of the venue. At most once each."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError, RefusedError
from firstwatch.venues.hyperliquid.answers import DUPLICATE_NONCE
from firstwatch.venues.hyperliquid.nonces import NONCES
from firstwatch.venues.signer import KeyKind, Signer
from firstwatch.wallets.actions import burning, user_signed
from firstwatch.wallets.desk import Desk, Done, InDoubt, NotDone

WITHDRAWAL_FEE = Decimal(1)
"""What the venue keeps of a withdrawal, in USDC."""
_DECIMALS = 6
_BURN_TRIES = 5
_BURN_EVERY_S = 1.0


class OutcomeUnknownError(FirstwatchError):
    """Nobody could find out whether the money moved."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A movement of money that the venue carried out."""

    amount: Decimal
    source: str
    destination: str
    was_in_doubt: bool
    """The venue's first answer was lost; it was asked, and had taken the request."""


class Mover:
    """Moves the money of one account. ``pause`` waits for so many seconds."""

    def __init__(self, desk: Desk, master: Signer, clock: Clock, pause: Callable[[float], None]) -> None:
        """Take the account's own key, which is forgotten with this object.

        Raises:
            RefusedError: it is an API wallet's, which cannot move money.
        """
        if master.kind is not KeyKind.MASTER:
            raise RefusedError(
                f"The key {master.address} is an API wallet, which cannot move money; give the key of"
                f" {master.account} itself with --master-key-fd."
            )
        self._desk = desk
        self._master = master
        self._clock = clock
        self._pause = pause

    def withdraw(self, amount: Decimal, destination: str) -> Moved:
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

    def send(self, amount: Decimal, destination: str) -> Moved:
        """Send USDC to another account at the same venue; the first credit of a new address costs 1 USDC.

        Raises:
            RefusedError: there is too little, or the venue said no; nothing moved.
            OutcomeUnknownError: the outcome could not be found out.
            VenueError: the venue cannot be asked; nothing was sent.
        """
        if destination == self._master.account:
            raise RefusedError("Both wallets have the same account; there is nothing to send.")
        return self._move("usdSend", amount, destination)

    def _move(self, kind: str, amount: Decimal, destination: str) -> Moved:
        desk, master = self._desk, self._master
        if amount != round(amount, _DECIMALS):
            raise RefusedError(f"{amount} USDC has more than {_DECIMALS} decimals.")
        free = desk.money(master.account).withdrawable
        if amount > free:
            raise RefusedError(f"{amount} USDC is more than the {free:f} USDC that can be taken out.")
        nonce = NONCES.next(self._clock.now_ms)
        values = {"destination": destination, "amount": f"{amount.normalize():f}"}
        body = user_signed(kind, values, is_mainnet=desk.is_mainnet, nonce=nonce, signer=master)
        match desk.perform(body):
            case NotDone(reason):
                raise RefusedError(f"{desk.name} refused: {reason.rstrip('.')}.")
            case Done():
                return Moved(amount, master.account, destination, False)
            case InDoubt(reason):
                if self._was_taken(nonce, reason):
                    return Moved(amount, master.account, destination, True)
                raise RefusedError(
                    f"The request was lost ({reason}) and can no longer be carried out: nothing moved."
                    " Try again."
                )

    def _was_taken(self, nonce: int, reason: str) -> bool:
        """Burn the nonce of a lost request, and tell by the answer whether the venue had taken it before."""
        body = burning(nonce, is_mainnet=self._desk.is_mainnet, signer=self._master)
        is_lost = False
        for _ in range(_BURN_TRIES):
            match self._desk.perform(body):
                case Done():
                    return False
                case NotDone(refusal) if DUPLICATE_NONCE in refusal and not is_lost:
                    return True
                case NotDone(refusal):
                    # After a burning whose own answer was lost, a used nonce tells nothing; and one that the
                    # venue does not take for another reason says nothing of the request before it.
                    reason = refusal
                    break
                case InDoubt(doubt):
                    reason, is_lost = doubt, True
                    self._pause(_BURN_EVERY_S)
        raise OutcomeUnknownError(
            f"Nobody can tell whether the money moved: {reason}. Compare the balance (firstwatch wallet show)"
            " before you try again."
        )
