"""A data folder for Test mode: a paper venue with an invented market of hours, an algorithm, a wallet."""

from decimal import Decimal
from pathlib import Path

from firstwatch.settings import Settings, load_settings
from firstwatch.store.algorithms import add_version
from firstwatch.store.database import open_store
from firstwatch.store.paper import deposit
from firstwatch.store.wallets import create_wallet
from firstwatch.strategy.specification import AlgorithmSpec, sample_toml
from tests.ui import scenes

_MARKET = 'symbol = "BTC/USDC:USDC"\ntick = "0.01"\namount_step = "0.0001"\n'
_VENUE = (
    '[venues.steady]\nkind = "paper"\nfeed = "synthetic"\nseed = 7\nmarket = "market.toml"\n'
    'start = "2025-07-01T11:00:00Z"\nspeed = 60\n'
)


def make(home: Path, *, has_algorithm: bool = True) -> Settings:
    """Make the folder, and return its settings: every process that reads them sees the same market."""
    store = open_store(home)
    (home / "market.toml").write_text(_MARKET)
    (home / "config.toml").write_text(_VENUE)
    spec = AlgorithmSpec.from_toml(sample_toml())
    try:
        with store.write() as session:
            if has_algorithm:
                add_version(session, spec.name, spec.canonical_json(), spec.sha256(), now_ms=scenes.NOW_MS)
            wallet = create_wallet(session, "w1", venue="steady", kind="paper", now_ms=scenes.NOW_MS)
            deposit(session, wallet.venue, wallet.account, Decimal(10_000), now_ms=scenes.NOW_MS)
    finally:
        store.close()
    return load_settings(home=home, config=home / "config.toml")
