"""Refreshes balances and key permissions of live wallets, at the lowest request priority.

The screen shows only the store, and only this process talks to a venue. Balances are read every half minute,
one wallet at a time; a balance that a run has read meanwhile is reused. Key permissions change rarely and
cost forty times as much of the request budget, so at most one key a minute is read. Runs get the result for
their keys from here.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from firstwatch.engine.lease import Lease
from firstwatch.engine.reconciliation.periodic import PeriodicTask
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.settings import Settings
from firstwatch.store import wallet_status, wallets
from firstwatch.store.database import Store
from firstwatch.store.wallet_status import WalletStatus
from firstwatch.store.wallets import Wallet
from firstwatch.trading.account import KEY_APPROVAL
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError
from firstwatch.venues.accounts import ShowsAccounts
from firstwatch.wallets.stored_status import key_status, money_status
from firstwatch.wallets.vault import Vault

LOOK_EVERY_S = 1.0
MONEY_EVERY_S = 30.0
KEY_EVERY_S = 3600.0
_KEY_AGAIN_S = 600.0
"""Pause after the permissions of a key could not be read."""
_BETWEEN_KEYS_S = 60.0
TELL_EVERY_S = 60.0
"""How often the runs get the state of their keys."""

KeyKnown = Callable[[str, str, str], None]
"""Callback with venue, account, and why the account's key may not trade, or not for long (empty: it may)."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Asked:
    """When a wallet was last read, by ``Clock.elapsed_s``; None: not by this process."""

    money_s: float | None = None
    key_s: float | None = None


class WalletRefresher:
    """Reads balances and key permissions of live wallets, in a thread of its own."""

    def __init__(
        self,
        store: Store,
        venues: VenueRegistry,
        settings: Settings,
        clock: Clock,
        lease: Callable[[], Lease],
        *,
        key_known: KeyKnown,
    ) -> None:
        self._store = store
        self._venues = venues
        self._clock = clock
        self._lease = lease
        self._signed = {name for name, venue in settings.venues.items() if venue.key_network is not None}
        self._vault = Vault(settings.home, clock)
        self._asked: dict[int, _Asked] = {}
        self._key_known = key_known
        self._key_asked_s: float | None = None
        self._told_s: float | None = None
        self.task = PeriodicTask("refresh of wallets", self.look)

    def close(self) -> None:
        """Start no further reading."""
        self.task.close()

    def look(self) -> None:
        """Read the balances that are due, spread over the half minute, and one key at most."""
        if not self._signed:
            return
        with self._store.read() as session:
            listed = [wallet for wallet in wallets.list_wallets(session) if wallet.venue in self._signed]
            known = wallet_status.wallet_statuses(session) if listed else {}
        for wallet in self._whose_money_is_due(listed, known):
            self._asked[wallet.id].money_s = self._clock.elapsed_s()
            self._refresh(wallet, self._read_money)
        now_s = self._clock.elapsed_s()
        self._tell_of_keys(listed, known, now_s)
        if self._key_asked_s is not None and now_s - self._key_asked_s < _BETWEEN_KEYS_S:
            return
        for wallet in self._whose_key_is_due(listed, known)[:1]:
            self._key_asked_s = self._asked[wallet.id].key_s = now_s
            self._refresh(wallet, self._read_key)

    def _tell_of_keys(
        self, listed: Sequence[Wallet], known: Mapping[int, WalletStatus], now_s: float
    ) -> None:
        """Pass the key permissions that were read on to the runs."""
        if self._told_s is not None and now_s - self._told_s < TELL_EVERY_S:
            return
        self._told_s = now_s
        for wallet in listed:
            key = known.get(wallet.id, WalletStatus()).key
            if key is not None and key.address is not None and key.missing is not None:
                problem = key.missing.get(KEY_APPROVAL, "").replace(" NAME", f" {wallet.name}")
                self._key_known(wallet.venue, wallet.account, problem)

    def _whose_money_is_due(
        self, listed: Sequence[Wallet], known: Mapping[int, WalletStatus]
    ) -> list[Wallet]:
        now_s, now_ms = self._clock.elapsed_s(), self._clock.now_ms()

        def waits_s(wallet: Wallet) -> float:
            """Return the seconds since the wallet was last read, here or by a command."""
            money = known.get(wallet.id, WalletStatus()).money
            asked_s = self._asked.setdefault(wallet.id, _Asked()).money_s
            since_said_s = _age_s(now_ms, None if money is None else money.read_at_ms)
            return min(since_said_s, float("inf") if asked_s is None else now_s - asked_s)

        due = sorted((each for each in listed if waits_s(each) >= MONEY_EVERY_S), key=waits_s, reverse=True)
        at_once = -(-len(listed) * LOOK_EVERY_S // MONEY_EVERY_S)
        return due[: int(at_once)]

    def _whose_key_is_due(self, listed: Sequence[Wallet], known: Mapping[int, WalletStatus]) -> list[Wallet]:
        now_s, now_ms = self._clock.elapsed_s(), self._clock.now_ms()

        def is_due(wallet: Wallet) -> bool:
            key = known.get(wallet.id, WalletStatus()).key
            asked_s = self._asked.setdefault(wallet.id, _Asked()).key_s
            if asked_s is not None and now_s - asked_s < _KEY_AGAIN_S:
                return False
            return _age_s(now_ms, None if key is None else key.read_at_ms) >= KEY_EVERY_S

        return [wallet for wallet in listed if is_due(wallet)]

    # --- readings --------------------------------------------------------------------------------

    def _refresh(self, wallet: Wallet, read: Callable[[Wallet, ShowsAccounts], None]) -> None:
        """Perform one reading for a wallet; a failure is stored, and the reading is repeated later."""
        if self.task.is_closed:
            return
        try:
            venue = self._venues.get(wallet.venue)
            if isinstance(venue, ShowsAccounts):
                read(wallet, venue)
        except FirstwatchError as error:
            _log.info("%s at %s: %s", wallet.name, wallet.venue, error)
            with self._store.write(self._lease().epoch) as session:
                wallet_status.set_problem(session, wallet.id, str(error))

    def _read_money(self, wallet: Wallet, venue: ShowsAccounts) -> None:
        money, read_at_ms = venue.recent_money(wallet.account, youngest_s=MONEY_EVERY_S - LOOK_EVERY_S)
        with self._store.write(self._lease().epoch) as session:
            wallet_status.set_money(session, wallet.id, money_status(money, read_at_ms=read_at_ms))

    def _read_key(self, wallet: Wallet, venue: ShowsAccounts) -> None:
        record = self._vault.record_of(wallet.venue, wallet.account)
        found = venue.permissions(wallet.account, None if record is None else record.address)
        with self._store.write(self._lease().epoch) as session:
            wallet_status.set_key(session, wallet.id, key_status(record, found, now_ms=self._clock.now_ms()))


def _age_s(now_ms: int, read_at_ms: int | None) -> float:
    """Return the age of a reading in seconds; infinite without one, or if the clock was set back since."""
    return (now_ms - read_at_ms) / 1000 if read_at_ms is not None and read_at_ms <= now_ms else float("inf")
