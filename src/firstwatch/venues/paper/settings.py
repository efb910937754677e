"""The settings of a paper venue."""

import math
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from firstwatch.trading.clock import parse_iso
from firstwatch.trading.limit_fills import THROUGH, LimitFillsText
from firstwatch.trading.setting_fields import DecimalSetting, FileText, RealSetting, WholeSetting
from firstwatch.trading.text import quoted
from firstwatch.trading.validation import value_text
from firstwatch.venues.settings import VenueSettings


def _speed(value: object) -> float | Literal["max"]:
    if isinstance(value, str) and value.strip().lower() == "max":
        return "max"
    try:
        speed = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        speed = 0.0
    if isinstance(value, bool | FileText) or not 1e-6 <= speed <= 1e9:
        raise ValueError(
            f'{value_text(value)} is not a speed; write a number above 0 (market seconds per second) or "max"'
        )
    return speed


def _time_ms(value: object) -> object:
    if isinstance(value, datetime):
        return parse_iso(value.isoformat())
    if isinstance(value, date):
        return parse_iso(datetime.combine(value, time()).isoformat())
    if isinstance(value, bool):
        raise ValueError("true and false are not a time; write one like 2025-01-02T03:04:05Z")
    if isinstance(value, str):
        try:
            return parse_iso(value)
        except ValueError as error:
            raise ValueError(f"{quoted(value)} is not a time; write one like 2025-01-02T03:04:05Z") from error
    return value


class PaperVenueSettings(VenueSettings):
    """``[venues.NAME]`` with ``kind = "paper"``: a market that is replayed or invented, and play money."""

    is_paper: ClassVar[bool] = True

    kind: Literal["paper"]
    """The kind of the venue."""
    feed: Literal["replay", "synthetic"] = "synthetic"
    """Source of the bars: a candle file, or a seeded generator."""
    candles: Path | None = None
    """Candle file of a replay."""
    funding: Path | None = None
    """Funding file of a replay; none: no funding is paid."""
    start: Annotated[int | None, BeforeValidator(_time_ms)] = None
    """Time of the first bar (milliseconds here, ISO 8601 in the file); none: as early as warm-up allows."""
    speed: Annotated[float | Literal["max"], BeforeValidator(_speed)] = 1.0
    """Market seconds per second of wall time, or ``max``: as fast as runs decide."""
    while_down: Literal["pause", "continue"] = "pause"
    """Whether market time pauses or continues while no engine runs."""
    fee_bps: DecimalSetting | None = Field(default=None, ge=0, lt=10_000)
    """Taker fee; none: the market's."""
    maker_fee_bps: DecimalSetting | None = Field(default=None, ge=0, lt=10_000)
    """Maker fee; none: ``fee_bps`` when that is set, else the market's."""
    slippage_bps: RealSetting = Field(default=2.0, ge=0, lt=10_000)
    """Slippage of every taker fill."""
    spread_bps: RealSetting = Field(default=0.0, ge=0, lt=10_000)
    """Spread between bid and ask; taker fills pay half of it."""
    latency_ms: WholeSetting = Field(default=0, ge=0, le=60_000)
    """Delay from sending until the venue receives the order."""
    volume_share: RealSetting = Field(default=0.0, ge=0, le=1)
    """Largest share of a bar's volume that one order fills; 0: fills are never partial."""
    limit_fills: LimitFillsText = THROUGH
    """What a price that touches a resting entry limit fills: ``touch``, ``through`` or ``queue:Q``."""
    market: Path | None = None
    """Market file (as for ``backtest --market``); fields that it lacks are derived from the candles."""
    seed: WholeSetting = Field(default=1, ge=0, lt=2**63)
    """Seed of the synthetic feed, and of the two faults."""
    refuse_share: RealSetting = Field(default=0.0, ge=0, le=1)
    """A fault: share of the bars whose entry orders the venue refuses."""
    suppress_share: RealSetting = Field(default=0.0, ge=0, le=1)
    """A fault: share of the bars whose decision to enter is lost without a trace, as by a bug."""

    @model_validator(mode="after")
    def _replay_has_candles(self) -> Self:
        if self.feed == "replay" and self.candles is None:
            raise ValueError('feed = "replay" needs the key candles, the file to replay')
        if self.feed == "synthetic":
            for name in ("candles", "funding"):
                if getattr(self, name) is not None:
                    raise ValueError(f'{name} is only for feed = "replay"; this feed is "synthetic"')
        return self

    @property
    def market_speed(self) -> float:
        return math.inf if self.speed == "max" else self.speed

    def for_reading(self) -> Self:
        # Else the market time that passed without an engine would be written into the books.
        return self.model_copy(update={"while_down": "pause"})

    def symbol(self) -> str:
        """Return its symbol, from the market file or the name of the candle file; reads no candles."""
        from firstwatch.market.assumed import symbol_of
        from firstwatch.market.launch_files import read_market
        from firstwatch.trading.market import DEFAULT_MARKET

        given = None if self.market is None else read_market(self.market)
        if self.candles is None or (given is not None and "symbol" in given.model_fields_set):
            return (given or DEFAULT_MARKET).symbol
        return symbol_of(self.candles)
