"""Candles and baselines of a venue that speaks Hyperliquid's protocol: recorded, and kept for baselines."""

import os

import pytest

from firstwatch.market.archive import find_series, read_series
from firstwatch.store.database import open_store
from firstwatch.store.wallets import create_wallet
from firstwatch.trading.timeframe import Timeframe
from tests.candles import generated_candles
from tests.loopback import Coin, Loopback

SYMBOL = "BTC/USDC:USDC"
ALGORITHM = """
name = "Minutes"
direction = "long"
timeframe = "1m"
[entry.long]
required = ["rsi(3) < 40"]
[exit.long]
required = ["rsi(3) > 60"]
[stop_loss]
fraction = 0.01
[sizing]
equity = 0.5
"""
RECORD = ("candles", "record", "--venue", "hl", "--symbol", SYMBOL, "--timeframe", "1m", "--json")


@pytest.fixture
def venue(tmp_path, monkeypatch, home):
    bars = generated_candles(2, 3_000, Timeframe.M1).bars()
    with Loopback([Coin("BTC", bars=bars)], clock=30.0, history=1_200) as venue:
        config = tmp_path / "config.toml"
        config.write_text(
            f'[venues.hl]\nkind = "hyperliquid"\napi_url = "{venue.url}"\nweight_per_minute = 100_000\n'
        )
        monkeypatch.setenv("FIRSTWATCH_CONFIG", str(config))
        monkeypatch.setattr(os, "nice", lambda _by: 0)
        yield venue


def test_closed_candles_are_recorded_and_extended(firstwatch, venue, home):
    first = firstwatch(*RECORD)
    assert first.code == 0, first.err
    assert first.json["added"] == first.json["bars"] >= 1_190
    assert first.json["missing"] == 0
    again = firstwatch(*RECORD).json
    assert again["known"] >= first.json["bars"] - 1
    assert again["differing"] == 0
    assert again["bars"] == first.json["bars"] + again["added"]
    kept = read_series(home, find_series(home, f"archive:{SYMBOL}@1m")).candles
    invented = {bar.time_ms: bar for bar in generated_candles(2, 3_000, Timeframe.M1).bars()}
    assert all(bar[:5] == invented[bar.time_ms][:5] for bar in kept.bars())


def test_a_baseline_of_a_live_venue_takes_what_was_recorded_before(firstwatch, venue, home, tmp_path):
    path = tmp_path / "old.csv"
    from firstwatch.market.files import write_candles

    # What the venue no longer gives, and ends where its candles begin.
    older = generated_candles(2, 3_000, Timeframe.M1)
    before = older.part(0, 5)
    moved = before.time_ms - 5 * 60_000
    write_candles(path, type(before)(moved, *(getattr(before, n) for n in
                  ("open", "high", "low", "close", "volume")), before.timeframe))  # fmt: skip
    assert firstwatch("candles", "import", path, "--symbol", SYMBOL, "--source", "hl").code == 0
    (tmp_path / "a.toml").write_text(ALGORITHM)
    assert firstwatch("algorithm", "add", "a.toml").code == 0
    store = open_store(home)
    with store.write() as session:
        create_wallet(session, "w", venue="hl", kind="hyperliquid", now_ms=1)
    store.close()
    said = firstwatch(
        "baseline", "make", "Minutes", "--wallet", "w", "--symbol", SYMBOL, "--capital", "500", "--json"
    )
    assert said.code == 0, said.err
    assert said.json["bars"] >= 1_190
    (listed,) = firstwatch("candles", "list", "--json").json
    assert listed["bars"] >= 1_195
    assert listed["from"] == "2023-12-31T23:55:00Z"
