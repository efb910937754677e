"""What the money of wallets and runs is worth, by the settings of their venues."""

import math

import pytest

from firstwatch.manager.lists import ListsReader
from firstwatch.store.database import open_store
from firstwatch.trading.account import MoneyKind
from firstwatch.venues.hyperliquid.settings import HyperliquidVenueSettings
from firstwatch.venues.paper.settings import PaperVenueSettings
from tests.ui import scenes

PAPER = PaperVenueSettings(kind="paper", speed=60.0)


def read(home, venues):
    settings = scenes.settings_of(home).model_copy(update={"venues": venues})
    store = open_store(home, read_only=True)
    try:
        with store.read() as session:
            return ListsReader(settings, 0).read(session, scenes.NOW_MS, {})
    finally:
        store.close()


@pytest.mark.parametrize(
    ("network", "money"),
    [("testnet", MoneyKind.TESTNET), ("mainnet", MoneyKind.LIVE), (None, MoneyKind.LIVE)],
)
def test_a_signed_wallet_is_as_live_as_its_network_and_live_where_that_is_not_known(tmp_path, network, money):
    home = tmp_path / "home"
    scenes.lost_reply(home)
    venues = {"paper": PAPER}
    if network:
        venues["hyperliquid"] = HyperliquidVenueSettings(kind="hyperliquid", network=network)
    found = read(home, venues)
    assert [wallet.money for wallet in found.wallets] == [money]
    assert [run.money for run in found.runs] == [money]


@pytest.mark.parametrize("venues", [{"paper": PAPER}, {"other": PAPER}], ids=["there", "gone"])
def test_play_money_stays_play_money_without_its_venue_in_the_settings(tmp_path, venues):
    home = tmp_path / "home"
    scenes.busy_day(home)
    found = read(home, venues)
    assert {wallet.money for wallet in found.wallets} == {MoneyKind.PAPER}
    assert {run.money for run in found.runs} == {MoneyKind.PAPER}
    assert {run.market_speed for run in found.runs} == {60.0 if "paper" in venues else 1.0}


def test_the_speed_of_a_market_is_a_number_also_as_fast_as_runs_decide():
    assert PaperVenueSettings(kind="paper", speed="max").market_speed == math.inf
    assert HyperliquidVenueSettings(kind="hyperliquid").market_speed == 1
