"""``firstwatch doctor --venue``: prove that a venue keeps the stop that comes with an entry."""

import threading
from contextlib import closing
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING

from firstwatch.trading.errors import RefusedError, WrongUseError

if TYPE_CHECKING:
    from firstwatch.engine.worker.protection_proof import ProofOrders, Requests
    from firstwatch.store.wallets import Wallet
    from firstwatch.trading.orders import OrderState
    from firstwatch.venues.protocol import Venue


class _NoLedger:
    """Stores nothing: the ids of the orders identify them."""

    def intended(self, pair: "ProofOrders", requests: "Requests") -> None:
        """Store nothing."""

    def ended(self, pair: "ProofOrders", state: "OrderState", why: str, filled: Decimal) -> None:
        """Store nothing."""


def prove(venue: str, wallet: str, symbol: str, confirm: str | None, passphrase_fd: int | None) -> str:
    """Send the smallest entry far from the price with its stop, read both, cancel both; return a sentence.

    Raises:
        NotProvenError: the venue did not accept, show or cancel one of them.
        RefusedError: a run trades in the wallet, or the name was not confirmed.
        WrongUseError: there is no such venue, wallet or symbol.
    """
    from firstwatch.cli.folder import open_folder
    from firstwatch.cli.secrets import passphrase
    from firstwatch.engine.venue_registry import venue_registry_of
    from firstwatch.store.runs import active_runs
    from firstwatch.store.wallets import get_wallet
    from firstwatch.trading.clock import SystemClock
    from firstwatch.wallets.custody import vault_of
    from firstwatch.wallets.key_ring import KeyRing

    with open_folder() as (settings, store):
        with store.read() as session:
            found = get_wallet(session, wallet)
            busy = [run.id for run in active_runs(session) if run.wallet_id == found.id]
        configured = settings.venues.get(venue)
        if found.venue != venue:
            raise WrongUseError(f"The wallet {wallet} is at {found.venue}, not at {venue}.")
        if configured is None or configured.is_paper:
            raise WrongUseError(f"{venue} is a paper venue: there is nothing to prove.")
        if busy:
            raise RefusedError(
                f"Run {busy[0]} trades in {wallet}, and would take the orders for external ones."
            )
        if confirm != venue:
            raise RefusedError(
                f"Two orders are sent to {venue} and cancelled: confirm with its name, --confirm {venue}."
            )
        keys = KeyRing(vault_of(settings))
        keys.unlock(passphrase(passphrase_fd, is_new=False))
        with closing(venue_registry_of(settings, store, SystemClock(), lambda: None, keys)) as venues:
            return _proven(venues.get(venue), found, symbol)


def _proven(venue: "Venue", wallet: "Wallet", symbol: str) -> str:
    from firstwatch.engine.worker.protection_proof import Prover, proof_orders
    from firstwatch.trading.orders import Side
    from firstwatch.venues.protocol import BringsStops

    if not isinstance(venue, BringsStops):
        raise WrongUseError(f"{venue.name} accepts no stop with an entry: there is nothing to prove.")
    market = venue.markets().get(symbol)
    if market is None:
        raise WrongUseError(f"{wallet.venue} has no market {symbol}.")
    # The same ids each time, except for their number: the next canary recognises orders that are left.
    own = sha256(f"canary {wallet.venue} {wallet.account}".encode()).hexdigest()[:16]
    _clear(venue, wallet.account, symbol, own)
    mark = venue.touch(symbol).mark
    pair = proof_orders(own, wallet.account, market, Side.LONG, mark, number=venue.now_ms())
    Prover(venue, pair, _NoLedger(), may_send=lambda: None, wait=threading.Event().wait).prove()
    return (
        f"an entry of {pair.entry.amount:f} {symbol} at {pair.entry.price} with its stop at"
        f" {pair.stop.trigger_price} was accepted, shown and cancelled"
    )


def _clear(venue: "Venue", account: str, symbol: str, own: str) -> None:
    """Cancel the orders that an interrupted canary has left."""
    from firstwatch.trading.ids import run_of

    for order in venue.open_orders(account, symbol):
        if order.client_order_id is not None and run_of(order.client_order_id) == own:
            venue.cancel(account, symbol, order.client_order_id)
