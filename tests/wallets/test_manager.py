"""What the screen asks of the manager for wallets with keys."""

import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.settings import HyperliquidVenueSettings, PaperVenueSettings, Settings
from firstwatch.trading.errors import RefusedError, WrongUseError
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.keystore import address_of
from tests.wallets.conftest import MASTER


@pytest.fixture
def manager(tmp_path, vault):
    vault.open("word").add(MASTER, venue="hl", account=address_of(MASTER), kind=KeyKind.MASTER)
    venues = {
        "hl": HyperliquidVenueSettings(kind="hyperliquid", network="testnet"),
        "paper": PaperVenueSettings(kind="paper"),
    }
    made = RunManager(Settings(home=tmp_path, venues=venues), hosts_engine=False)
    made.open()
    yield made
    made.close()


def test_a_wallet_with_a_key_is_made_on_the_command_line(manager):
    with pytest.raises(WrongUseError, match="firstwatch wallet create main --venue hl"):
        manager.create_wallet("main", "hl")
    manager.create_wallet("main", "paper")


def test_a_screen_unlocks_the_engine_wherever_it_is(manager):
    with pytest.raises(RefusedError, match="No engine"):
        manager.unlock_vault("word")
    assert manager.start_embedded_engine()
    with pytest.raises(RefusedError, match="not the passphrase"):
        manager.unlock_vault("wrong")
    assert "unlocked" in manager.unlock_vault("word")
