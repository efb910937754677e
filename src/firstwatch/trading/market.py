"""A market: steps, minimums, fees and margin of one symbol."""

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from firstwatch.trading.numbers import BoundedDecimal, ExactDecimal
from firstwatch.trading.symbols import base_of, quote_of
from firstwatch.trading.text import quoted

# Half of a billionth of a step: binary noise of float64 prices and amounts, far below any real step.
COUNT_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class LeverageTier:
    """Maximum leverage of positions at or above a notional, in quote."""

    lower_bound: Decimal
    leverage: int


class Market(BaseModel):
    """One symbol at one venue; the same object serves backtest, paper and live.

    Amounts are in the base coin; an adapter whose venue counts contracts converts by
    ``contract_size`` at its edge. Fees are in basis points of the notional.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str = Field(default="BTC/USDC:USDC", min_length=1, max_length=80)
    amount_step: ExactDecimal = Field(default=Decimal("0.000001"), gt=0)
    tick: ExactDecimal = Field(default=Decimal("0.01"), gt=0)
    price_figures: int | None = Field(default=None, ge=1, le=12)
    """Maximum significant figures of a price, if the venue limits them; integer prices are always allowed."""
    minimum_amount: ExactDecimal = Field(default=Decimal(0), ge=0)
    minimum_cost: ExactDecimal = Field(default=Decimal(10), ge=0)
    """Smallest notional of an order, in quote."""
    taker_fee_bps: BoundedDecimal = Field(default=Decimal("4.5"), ge=0, lt=10_000)
    maker_fee_bps: BoundedDecimal = Field(default=Decimal("4.5"), ge=0, lt=10_000)
    """Never negative: maker rebates are not assumed."""
    maintenance_rate: BoundedDecimal = Field(default=Decimal("0.0125"), ge=0, lt=1)
    maximum_leverage: int = Field(default=50, ge=1, le=1_000)
    whole_leverage: bool = True
    contract_size: BoundedDecimal = Field(default=Decimal(1), gt=0)

    @field_validator("symbol")
    @classmethod
    def _symbol_is_one_word(cls, symbol: str) -> str:
        if not symbol.isprintable() or " " in symbol:
            raise ValueError(f"{quoted(symbol)} is not a symbol; write one like BTC/USDC:USDC")
        return symbol

    @property
    def base(self) -> str:
        """The coin that is traded: ``BTC`` of ``BTC/USDC:USDC``."""
        return base_of(self.symbol)

    @property
    def quote(self) -> str:
        """The coin that is paid with: ``USDC`` of ``BTC/USDC:USDC``."""
        return quote_of(self.symbol)

    def tick_at(self, price: float) -> Decimal:
        """Return the price step at ``price``: the tick, coarser where significant figures limit it."""
        if self.price_figures is None or price <= 0:
            return self.tick
        by_figures = Decimal(1).scaleb(math.floor(math.log10(price)) - self.price_figures + 1)
        return max(self.tick, min(by_figures, Decimal(1)))

    def price(self, value: float) -> Decimal:
        """Return ``value`` as a whole count of ticks, nearest."""
        return _on_step(value, self.tick_at(value), ROUND_HALF_EVEN)

    def price_down(self, value: float) -> Decimal:
        """Return the highest price on the tick that is not above ``value``."""
        tick = self.tick_at(value)
        return _on_step(value + COUNT_EPSILON * float(tick), tick, ROUND_FLOOR)

    def price_up(self, value: float) -> Decimal:
        """Return the lowest price on the tick that is not below ``value``."""
        return _on_step(
            value - COUNT_EPSILON * float(self.tick_at(value)), self.tick_at(value), ROUND_CEILING
        )

    def amount(self, steps: int) -> Decimal:
        """Return ``steps`` whole amount steps as an amount of the base coin."""
        return self.amount_step * steps

    def steps(self, amount: Decimal) -> int:
        """Return how many whole amount steps are in ``amount``, never rounded up."""
        return int((amount / self.amount_step).to_integral_value(ROUND_DOWN))


def _on_step(value: float, step: Decimal, rounding: str) -> Decimal:
    return (Decimal(repr(value)) / step).to_integral_value(rounding) * step


DEFAULT_MARKET = Market()
"""The market of the synthetic feed, resembling Bitcoin; never that of a file."""
