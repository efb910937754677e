"""A Hyperliquid of the tests' own, and keys to use there."""

import pytest

from firstwatch.trading.clock import SystemClock
from firstwatch.venues.hyperliquid.account_api import AccountApi
from firstwatch.venues.signer import KeyKind
from firstwatch.wallets.keystore import address_of
from firstwatch.wallets.vault import KeySigner, Vault
from tests.loopback import Coin, Loopback

QUICK = 2**4
"""A work factor for tests: the real one costs half a second and 256 MiB each time."""
MASTER = bytes.fromhex("11" * 32)
OTHER = bytes.fromhex("22" * 32)
AGENT = bytes.fromhex("33" * 32)


def signer_of(secret, account=None):
    """Return the signer of an account's own key, or of an agent's."""
    address = address_of(secret)
    kind = KeyKind.MASTER if account is None else KeyKind.AGENT
    return KeySigner(secret, account or address, kind)


@pytest.fixture
def loopback():
    with Loopback([Coin("BTC")]) as venue:
        yield venue


@pytest.fixture
def api(loopback):
    return AccountApi(
        "hl", loopback.url, is_mainnet=True, clock=SystemClock(), timeout_s=2.0, weight_per_minute=100_000
    )


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path, SystemClock(), work_factor=QUICK)


@pytest.fixture
def now_ms():
    return SystemClock().now_ms()


@pytest.fixture
def funded(loopback):
    """Accounts with money: the master's and another."""
    for secret in (MASTER, OTHER):
        loopback.fund(address_of(secret), 1_000)
    return address_of(MASTER)
