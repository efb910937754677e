"""What the screen asks of the manager for wallets with keys."""

import pytest

from firstwatch.manager.manager import RunManager
from firstwatch.manager.views import KeyView
from firstwatch.manager.wallet_views import PassphraseNeed, RequiredSecrets
from firstwatch.settings import Settings
from firstwatch.trading.errors import RefusedError, WrongUseError
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.paper.settings import PaperVenueSettings
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


def test_a_wallet_with_a_key_is_not_made_as_one_of_paper(manager):
    with pytest.raises(WrongUseError, match="needs a key"):
        manager.create_wallet("main", "hl")
    manager.create_wallet("main", "paper")
    assert manager.snapshot().live_venues == ("hl",)
    assert not manager.snapshot().wallet("main").is_live


def test_the_passphrase_that_is_needed_is_known_before_it_is_asked_for(manager, tmp_path, monkeypatch):
    assert manager.wallets.required_secrets() == RequiredSecrets(PassphraseNeed.KNOWN)
    monkeypatch.setenv("FIRSTWATCH_PASSPHRASE_FILE", str(tmp_path / "word"))
    with pytest.raises(WrongUseError, match="cannot be read"):
        manager.wallets.required_secrets()
    (tmp_path / "word").write_text("word")
    assert manager.wallets.required_secrets() == RequiredSecrets(PassphraseNeed.NONE)


def test_a_new_account_is_in_the_snapshot_with_its_key_and_without_its_secret(manager):
    made = manager.wallets.create("main", "hl", "word")
    wallet = manager.snapshot().wallet("main")
    assert (wallet.account, wallet.total, wallet.held) == (made.account, None, None)
    assert wallet.key == KeyView(made.account, True, None, None, None)
    assert made.private_key not in repr(made)
    with pytest.raises(WrongUseError, match="is a wallet main already"):
        manager.wallets.create("main", "hl", "word")
    with pytest.raises(RefusedError, match="2 tries are left"):
        manager.wallets.create("other", "hl", "wrong")
    assert manager.snapshot().wallet("other") is None


def test_an_archived_wallet_takes_no_work(manager):
    manager.create_wallet("play", "paper")
    manager.wallets.archive("play")
    with pytest.raises(WrongUseError, match="play is archived"):
        manager.wallets.archive("play")


def test_a_screen_unlocks_the_engine_wherever_it_is(manager):
    with pytest.raises(RefusedError, match="No engine"):
        manager.unlock_vault("word")
    assert manager.start_embedded_engine()
    with pytest.raises(RefusedError, match="not the passphrase"):
        manager.unlock_vault("wrong")
    assert "unlocked" in manager.unlock_vault("word")
