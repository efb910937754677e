"""The input of a test: as it is asked for and stored (``BacktestRequest``), and read (``BacktestInput``)."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from firstwatch.backtest.comparison import settings_document
from firstwatch.backtest.review import Review, review
from firstwatch.backtest.settings import BacktestSettings
from firstwatch.backtest.simulate import BacktestResult, simulate
from firstwatch.backtest.tester import Tester
from firstwatch.market.files import CandleFile
from firstwatch.market.funding import FundingSeries
from firstwatch.market.packed import History, fingerprint, until
from firstwatch.strategy.core_settings import Costs
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.clock import END_MS
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.limit_fills import THROUGH, LimitFillsText
from firstwatch.trading.market import Market
from firstwatch.trading.notes import Note
from firstwatch.trading.numbers import BoundedDecimal
from firstwatch.trading.validation import validation_sentences

FROM_VENUE = "venue"
"""Candles of the venue itself: all that it offers, and those recorded earlier."""


FROM_ANYWHERE = "any"
"""The first venue of the settings that has the symbol; its candles, or those of the archive that cover the
period."""


class BacktestRequest(BaseModel):
    """A test as a job stores it: it says by itself what is tested on what, whatever is edited later.

    Paths are absolute. A cost that is None is the market's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    algorithm: str = Field(min_length=1, max_length=200)
    """What the operator calls it: ``name@version``, a draft or a file."""
    spec_json: str = Field(max_length=1_000_000)
    """Its canonical JSON."""
    version_id: int | None = Field(default=None, ge=1)
    """The stored version that it is; None: a draft or a file."""
    candles: str = Field(default=FROM_VENUE, min_length=1, max_length=4_096)
    """``venue``, ``any``, ``archive:[SOURCE:]SYMBOL@TIMEFRAME``, or a candle file."""
    venue: str | None = None
    """Whose market and candles; None: those of a file or of the archive."""
    symbol: str | None = Field(default=None, max_length=80)
    market: Path | None = None
    """A market file, for candles without a venue."""
    funding: Path | None = None
    from_ms: int | None = Field(default=None, ge=0, lt=END_MS)
    to_ms: int | None = Field(default=None, gt=0, lt=END_MS)
    taker_fee_bps: BoundedDecimal | None = Field(default=None, ge=0, lt=10_000)
    maker_fee_bps: BoundedDecimal | None = Field(default=None, ge=0, lt=10_000)
    slippage_bps: BoundedDecimal = Field(default=Decimal(2), ge=0, lt=10_000)
    limit_fills: LimitFillsText = THROUGH
    settings: BacktestSettings = BacktestSettings()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.from_ms is not None and self.to_ms is not None and self.from_ms >= self.to_ms:
            raise ValueError("the period ends before it begins")
        if self.candles == FROM_VENUE and (self.venue is None or self.symbol is None):
            raise ValueError("candles of a venue need the venue and the symbol")
        if self.candles == FROM_ANYWHERE and (self.symbol is None or self.from_ms is None):
            raise ValueError("candles of any venue need the symbol and the period")
        return self

    @property
    def spec(self) -> AlgorithmSpec:
        """The algorithm.

        Raises:
            WrongUseError: it is damaged.
        """
        return AlgorithmSpec.from_json(self.spec_json, self.algorithm)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return a stored request.

        Raises:
            WrongUseError: it is damaged.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise WrongUseError("\n".join(validation_sentences(cls, error))) from error


@dataclass(frozen=True, slots=True, eq=False)
class BacktestInput:
    """The input of a test, read and checked."""

    spec: AlgorithmSpec
    file: CandleFile
    market: Market
    assumed: tuple[Note, ...]
    """The assumptions about the market."""
    costs: Costs
    settings: BacktestSettings
    funding: FundingSeries
    start_ms: int | None
    end_ms: int | None

    def simulate(self) -> BacktestResult:
        """Return the backtest.

        Raises:
            WrongUseError: there is no bar on which to start, or a setting that cannot be used.
        """
        return simulate(
            self.spec,
            self.file.candles,
            market=self.market,
            costs=self.costs,
            settings=self.settings,
            funding=self.funding,
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            notes=self.assumed,
        )

    @property
    def symbol(self) -> str:
        """The market of the test: the one that the algorithm is locked to, or that of its candles."""
        return self.spec.symbol or self.market.symbol

    def review(self, result: BacktestResult) -> Review:
        """Return what stands beside the metrics of this input's backtest."""
        return review(
            result.records,
            result.time_ms,
            result.equity,
            result.metrics,
            capital=float(self.settings.capital),
            candles=self.file.candles,
        )

    def tester(self) -> Tester:
        """Return a tester of the same candles, market, costs and settings."""
        return Tester(
            self.file.candles,
            market=self.market,
            costs=self.costs,
            settings=self.settings,
            funding=self.funding,
        )

    def fingerprint(self, result: BacktestResult) -> str:
        """Return the fingerprint of the candles that a result rests on: those up to its end."""
        end_ms = int(result.time_ms[-1]) + self.spec.timeframe.ms
        return fingerprint(until(History(self.file.candles, self.funding), end_ms))

    def settings_document(self, result: BacktestResult) -> dict[str, Any]:
        """Return everything that this input's backtest depends on, as ``comparison`` compares it."""
        end_ms = int(result.time_ms[-1]) + self.spec.timeframe.ms
        return settings_document(
            self.spec,
            market=self.market,
            costs=self.costs,
            settings=self.settings,
            candles=self.fingerprint(result),
            start_ms=int(result.time_ms[0]),
            end_ms=end_ms,
        )
