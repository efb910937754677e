"""A paper venue from settings: what its files say together."""

import logging
from pathlib import Path

import pytest

from firstwatch.market.files import write_candles
from firstwatch.settings import PaperVenueSettings
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.market import Market
from firstwatch.venues.paper.assembly import candle_source
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
