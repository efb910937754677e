"""A paper venue from settings: what its files say together."""

import logging
from decimal import Decimal
from pathlib import Path

import pytest

from firstwatch.market.files import write_candles
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.market import Market
from firstwatch.venues.paper.assembly import assumed_of_venue, candle_source
from firstwatch.venues.paper.settings import PaperVenueSettings
from tests.candles import START_MS, generated_candles

HOUR_MS = 3_600_000


def replay_of(folder: Path, funding_hours: range) -> PaperVenueSettings:
    candles, funding = folder / "candles.csv", folder / "funding.csv"
    write_candles(candles, generated_candles(3, 100))
    rows = [f"{START_MS + hour * HOUR_MS},0.0001" for hour in funding_hours]
    funding.write_text("\n".join(["time,rate", *rows]))
    return PaperVenueSettings(kind="paper", feed="replay", candles=candles, funding=funding)


def test_funding_of_another_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="cover nothing of the candles"):
        candle_source(replay_of(tmp_path, range(-60, -20)), Market(), None)


def test_funding_that_covers_a_part_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    candle_source(replay_of(tmp_path, range(101)), Market(), None)
    assert caplog.messages == []
    candle_source(replay_of(tmp_path, range(53)), Market(), None)
    (said,) = caplog.messages
    assert "funding rates are missing for 2.0 of 4.2 days" in said


def test_what_no_file_says_of_a_replays_market_is_assumed(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, range(101))
    assert {"symbol", "tick", "amount_step", "minimum_cost", "maintenance_rate"} <= {
        *assumed_of_venue(replay)
    }
    with_fees = replay.model_copy(update={"fee_bps": Decimal(3)})
    assert {*assumed_of_venue(replay)} - {*assumed_of_venue(with_fees)} == {"taker_fee_bps", "maker_fee_bps"}
    (tmp_path / "market.toml").write_text('symbol = "ETH/USDC:USDC"\ntick = "0.1"\n')
    described = replay.model_copy(update={"market": tmp_path / "market.toml"})
    assert {*assumed_of_venue(replay)} - {*assumed_of_venue(described)} == {"symbol", "tick"}
    # The synthetic feed invents a market of its own.
    assert assumed_of_venue(PaperVenueSettings(kind="paper")) == ()
