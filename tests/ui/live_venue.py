"""A signed venue for the screen's flows: a loopback Hyperliquid whose wall stands where the screen's does.

The keys are as false as keys can be: one digit, sixty-four times.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firstwatch.settings import Settings
from firstwatch.store import wallets
from firstwatch.store.database import open_store
from firstwatch.trading.clock import Clock, SystemClock
from firstwatch.venues.hyperliquid import account_api
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.nonces import NonceClock
from firstwatch.venues.paper.settings import PaperVenueSettings
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets import agents, custody
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import Vault
from tests.loopback import Coin, Loopback
from tests.ui import scenes

NEW, MASTER, AGENT, OTHER = (bytes.fromhex(digit * 64) for digit in "1357")
ACCOUNT = address_of(MASTER)
BUILDER = "0x" + "b1" * 20
PASSPHRASE = "correct horse"


@contextmanager
def live_venue(clock: Clock) -> Iterator[Loopback]:
    """Open a loopback venue; its wall clock, new keys and the cost of a passphrase are the test's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.loopback.server.wall_ms", clock.now_ms)
        patch.setattr(custody, "new_secret", lambda: NEW)
        patch.setattr(agents, "new_secret", lambda: AGENT)
        patch.setattr(custody, "vault_of", _cheap_vault)
        # Nonces of this process never go back, and other tests have been at other times.
        nonces = NonceClock()
        for module in (custody, account_api):
            patch.setattr(module, "NONCES", nonces)
        patch.delenv("FIRSTWATCH_PASSPHRASE_FILE", raising=False)
        with Loopback([Coin("BTC")]) as venue:
            venue.fund(ACCOUNT, 1_000)
            yield venue


def _cheap_vault(settings: Settings) -> Vault:
    return Vault(settings.home, SystemClock(), work_factor=16)


def settings_at(home: Path, venue: Loopback, *, with_builder: bool = False) -> Settings:
    """Return settings with the loopback venue ``hl`` and a paper venue."""
    builder = {"builder": BUILDER, "builder_fee_tenths_bp": 25} if with_builder else {}
    venues = {
        "hl": HyperliquidVenueSettings(
            kind="hyperliquid", api_url=venue.url, ws_url=venue.ws_url, weight_per_minute=100_000, **builder
        ),
        "paper": PaperVenueSettings(kind="paper"),
    }
    return scenes.settings_of(home).model_copy(update={"venues": venues})


def add_wallet(home: Path, name: str = "main", secret: bytes = MASTER, account: str = ACCOUNT) -> None:
    """Put a wallet with its key into the data folder, as a command would have done it."""
    kind = KeyKind.MASTER if address_of(secret) == account else KeyKind.AGENT
    vault = Vault(home, SystemClock(), work_factor=16)
    vault.open(PASSPHRASE).add(secret, venue="hl", account=account, kind=kind)
    store = open_store(home)
    with store.write() as session:
        wallets.create_wallet(
            session, name, venue="hl", kind="hyperliquid", account=account, now_ms=scenes.NOW_MS
        )
    store.close()
