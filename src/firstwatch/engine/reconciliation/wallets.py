"""Keeping what the store knows of wallets with keys fresh, behind everything else that asks a venue.

The screen shows only the store, and only this process talks to a venue. Money is asked for every half
minute, a wallet at a time; what a run has read meanwhile is taken as it is. What a key may do changes
rarely and costs the venue forty times as much to say, so it is asked for at most once a minute.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from firstwatch.engine.lease import Lease
from firstwatch.engine.venue_registry import VenueRegistry
from firstwatch.settings import Settings
from firstwatch.store import wallet_status, wallets
from firstwatch.store.database import Store
from firstwatch.store.wallet_status import WalletStatus
from firstwatch.store.wallets import Wallet
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError
from firstwatch.venues.accounts import ShowsAccounts
from firstwatch.wallets.vault import Vault
from firstwatch.wallets.wallet_status import key_status, money_status

LOOK_EVERY_S = 1.0
MONEY_EVERY_S = 30.0
KEY_EVERY_S = 3600.0
_KEY_AGAIN_S = 600.0
"""How long a key that could not be asked about waits."""
_BETWEEN_KEYS_S = 60.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Asked:
    """When a wallet was last asked about, by the clock that counts seconds; None: never here."""

    money_s: float | None = None
    key_s: float | None = None


class WalletRefresher:
    """Asks venues about wallets, in a thread of its own."""

    def __init__(
        self,
        store: Store,
        venues: VenueRegistry,
        settings: Settings,
        clock: Clock,
        lease: Callable[[], Lease],
    ) -> None:
        self._store = store
        self._venues = venues
        self._clock = clock
        self._lease = lease
        self._signed = {name for name, venue in settings.venues.items() if venue.key_network is not None}
        self._vault = Vault(settings.home, clock)
        self._asked: dict[int, _Asked] = {}
        self._key_asked_s: float | None = None
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="standings")
        self._is_looking = threading.Event()
        self._is_closed = False

    def look_aside(self) -> None:
        """Look in the other thread, unless it is still looking or there is nothing to look at."""
        if self._signed and not self._is_looking.is_set() and not self._is_closed:
            self._is_looking.set()
            self._aside.submit(self._look_once)

    def close(self) -> None:
        """Begin nothing new."""
        self._is_closed = True
        self._aside.shutdown(wait=False, cancel_futures=True)

    def _look_once(self) -> None:
        try:
            self.look()
        except FirstwatchError as error:
            _log.warning("what venues say of wallets is not noted: %s", error)
        except Exception:
            _log.exception("looking at wallets failed; it is tried again")
        finally:
            self._is_looking.clear()

    def look(self) -> None:
        """Ask about the money that is due, spread over the half minute, and about one key at most."""
        with self._store.read() as session:
            listed = [wallet for wallet in wallets.list_wallets(session) if wallet.venue in self._signed]
            known = wallet_status.wallet_statuses(session) if listed else {}
        for wallet in self._whose_money_is_due(listed, known):
            self._asked[wallet.id].money_s = self._clock.elapsed_s()
            self._refresh(wallet, self._read_money)
        now_s = self._clock.elapsed_s()
        if self._key_asked_s is not None and now_s - self._key_asked_s < _BETWEEN_KEYS_S:
            return
        for wallet in self._whose_key_is_due(listed, known)[:1]:
            self._key_asked_s = self._asked[wallet.id].key_s = now_s
            self._refresh(wallet, self._read_key)

    def _whose_money_is_due(
        self, listed: Sequence[Wallet], known: Mapping[int, WalletStatus]
    ) -> list[Wallet]:
        now_s, now_ms = self._clock.elapsed_s(), self._clock.now_ms()

        def waits_s(wallet: Wallet) -> float:
            """Return how long ago the wallet was asked about, here or by a command."""
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

    # --- asking --------------------------------------------------------------------------------------

    def _refresh(self, wallet: Wallet, read: Callable[[Wallet, ShowsAccounts], None]) -> None:
        """Ask about a wallet; what the venue does not answer is noted, and asked again later."""
        if self._is_closed:
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
    """Return how old a reading is; infinite where there is none, or its clock was set back since."""
    return (now_ms - read_at_ms) / 1000 if read_at_ms is not None and read_at_ms <= now_ms else float("inf")
