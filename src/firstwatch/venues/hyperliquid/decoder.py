"""The one place where what the venue says becomes values: typed, finite and bounded, or a ``VenueError``.

Each answer and each message of the stream has a model of the parts that are used; what else is in it is
not looked at. Shapes and names are those of the venue's public documentation.
"""

import json
import math
import re
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from firstwatch.trading.errors import VenueError
from firstwatch.trading.timeframe import Timeframe
from firstwatch.trading.validation import why_wrong

T = TypeVar("T")
_LONGEST = 200
_MOST_TEXT = 32 << 20
_LONGEST_NUMBER = 48
_NUMBER = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?")
_LARGEST = Decimal(10) ** 18
_SMALLEST = Decimal(10) ** -18
# From 2001 to 2100: seconds and microseconds lie beyond.
_FIRST_MS = 1_000_000_000_000
_LAST_MS = 4_102_444_800_000
_MOST_ROWS = 10_000
_MOST_TIERS = 100
_MOST_LEVELS = 1_000


def malformed(what: str, answer: Any, why: str = "") -> VenueError:
    """Return the error for an answer that is not what the venue documents."""
    try:
        shown = json.dumps(answer, ensure_ascii=False, default=str)[:_LONGEST]
    except (RecursionError, ValueError):
        shown = "it is too large to be shown"
    return VenueError(f"Hyperliquid's answer about {what} cannot be understood{why}: {shown}")


def parsed(text: str | bytes) -> Any:
    """Return what a JSON text says.

    Raises:
        ValueError: it is none, or not one that is taken: too large, too deep, with numbers that are none.
    """
    if len(text) > _MOST_TEXT:
        raise ValueError(f"{len(text)} characters are too many")
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_float)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:_LONGEST_NUMBER]} is not a finite number")
    return number


def _decimal(value: object) -> Decimal:
    """Take a number as the venue writes it, in quotes or not."""
    if isinstance(value, float) and math.isfinite(value):
        value = repr(value)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        return Decimal(value)
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
        raise ValueError("a number is wanted")
    number = Decimal(value)
    if abs(number) > _LARGEST or 0 < abs(number) < _SMALLEST:
        raise ValueError("the number is too large or too small")
    return number


def _whole(value: object) -> object:
    """Take a whole number in quotes, as the exchange library has it."""
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value


def _pair(value: object) -> object:
    """Convert a list to a pair: JSON has no tuples."""
    return tuple(value) if isinstance(value, list) else value


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has control characters")
    return text


Number = Annotated[Decimal, BeforeValidator(_decimal)]
Amount = Annotated[Number, Field(ge=0)]
Price = Annotated[Number, Field(gt=0)]
TimeMs = Annotated[int, Field(ge=_FIRST_MS, le=_LAST_MS)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Id = Annotated[int, Field(ge=0, lt=2**63)]
Text = Annotated[str, Field(max_length=_LONGEST), AfterValidator(_printable)]
Word = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
Address = Annotated[str, Field(pattern=r"^0[xX][0-9a-fA-F]{40}$"), AfterValidator(str.lower)]
Leverage = Annotated[int, Field(ge=1, le=1_000)]
Direction = Literal["B", "A"]
Interval = Annotated[Timeframe, BeforeValidator(Timeframe)]


class _Said(BaseModel):
    """A part of what the venue says, by its own names."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


# --- markets -------------------------------------------------------------------------------------


class ListedInfo(_Said):
    sz_decimals: int = Field(alias="szDecimals", ge=0, le=12)
    max_leverage: Leverage = Field(alias="maxLeverage")


class ListedMarket(_Said):
    """A market as the exchange library lists it."""

    symbol: Word
    coin: Word = Field(alias="baseName")
    asset: Annotated[int, Field(ge=0, lt=10**9), BeforeValidator(_whole)] = Field(alias="baseId")
    is_active: bool = Field(alias="active")
    taker: Annotated[float, Field(ge=0, lt=0.1, allow_inf_nan=False)]
    maker: Annotated[float, Field(gt=-0.1, lt=0.1, allow_inf_nan=False)]
    info: ListedInfo


class MetaCoin(_Said):
    name: Word
    max_leverage: Leverage = Field(alias="maxLeverage")
    margin_table: Count | None = Field(alias="marginTableId", default=None)
    is_delisted: bool = Field(alias="isDelisted", default=False)


class MarginTier(_Said):
    lower_bound: Amount = Field(alias="lowerBound")
    max_leverage: Leverage = Field(alias="maxLeverage")


class MarginTable(_Said):
    tiers: list[MarginTier] = Field(alias="marginTiers", min_length=1, max_length=_MOST_TIERS)


class Meta(_Said):
    universe: list[MetaCoin] = Field(min_length=1, max_length=_MOST_ROWS)
    margin_tables: list[Annotated[tuple[Count, MarginTable], BeforeValidator(_pair)]] = Field(
        alias="marginTables", default_factory=list, max_length=_MOST_ROWS
    )


class ExchangeStatus(_Said):
    time: TimeMs
    special: Any = Field(alias="specialStatuses", default=None)
    """The venue's own status report; None: it works as usual."""


class Level(_Said):
    px: Price


class Book(_Said):
    """An ``l2Book``: bids from the best down, asks from the best up."""

    coin: Word
    time: TimeMs
    levels: list[Annotated[list[Level], Field(max_length=_MOST_LEVELS)]] = Field(min_length=2, max_length=2)

    @model_validator(mode="after")
    def _is_in_order(self) -> "Book":
        bids, asks = ([level.px for level in side] for side in self.levels)
        if any(a <= b for a, b in pairwise(bids)):
            raise ValueError("the bids do not fall")
        if any(a >= b for a, b in pairwise(asks)):
            raise ValueError("the asks do not rise")
        if bids and asks and bids[0] > asks[0]:
            raise ValueError("the best bid is above the best ask")
        return self


class AssetContext(_Said):
    mark: Price = Field(alias="markPx")


class ActiveAssetContext(_Said):
    coin: Word
    ctx: AssetContext


class Candle(_Said):
    t: TimeMs
    s: Word
    i: Interval
    o: Price
    h: Price
    low: Price = Field(alias="l")
    c: Price
    v: Amount
    n: Count = 0

    @model_validator(mode="after")
    def _is_one(self) -> "Candle":
        if not self.low <= min(self.o, self.c) <= max(self.o, self.c) <= self.h:
            raise ValueError("open and close do not lie between low and high")
        if self.t % self.i.ms:
            raise ValueError(f"no bar of {self.i} opens at {self.t}")
        return self


# --- accounts ------------------------------------------------------------------------------------


class MarginSummary(_Said):
    account_value: Number = Field(alias="accountValue")
    total_margin_used: Number = Field(alias="totalMarginUsed")
    total_raw_usd: Number = Field(alias="totalRawUsd")


class LeverageSaid(_Said):
    type: Literal["isolated", "cross"]
    value: Leverage


class FundingSums(_Said):
    all_time: Number = Field(alias="allTime")


class HeldSaid(_Said):
    coin: Word
    size: Number = Field(alias="szi")
    entry: Price | None = Field(alias="entryPx")
    leverage: LeverageSaid
    unrealised: Number = Field(alias="unrealizedPnl")
    margin_used: Number = Field(alias="marginUsed")
    liquidation: Number | None = Field(alias="liquidationPx", default=None)
    funding: FundingSums = Field(alias="cumFunding")

    @model_validator(mode="after")
    def _has_entry(self) -> "HeldSaid":
        if self.size and self.entry is None:
            raise ValueError("a position has no entry price")
        return self


class HeldEntry(_Said):
    position: HeldSaid


class AccountSaid(_Said):
    """A ``clearinghouseState``."""

    summary: MarginSummary = Field(alias="marginSummary")
    withdrawable: Number
    entries: list[HeldEntry] = Field(alias="assetPositions", max_length=_MOST_ROWS)
    time: TimeMs

    @property
    def held(self) -> list[HeldSaid]:
        """The positions, those of no size too."""
        return [entry.position for entry in self.entries]

    @model_validator(mode="after")
    def _has_each_coin_once(self) -> "AccountSaid":
        if len({held.coin for held in self.held}) < len(self.entries):
            raise ValueError("one coin has two positions")
        return self


class SpotBalance(_Said):
    coin: Word
    total: Amount


class SpotSaid(_Said):
    """A ``spotClearinghouseState``."""

    balances: list[SpotBalance] = Field(max_length=_MOST_ROWS)


class AssetData(_Said):
    """An ``activeAssetData``."""

    leverage: LeverageSaid


class RateLimit(_Said):
    used: Count = Field(alias="nRequestsUsed")
    cap: Count = Field(alias="nRequestsCap")


class RoleData(_Said):
    user: Address | None = None
    master: Address | None = None


class RoleSaid(_Said):
    """A ``userRole``."""

    name: Word = Field(alias="role")
    """``missing user agent vault subAccount``."""
    data: RoleData | None = None

    @property
    def master(self) -> str | None:
        """Whose agent or sub-account it is."""
        return None if self.data is None else self.data.user or self.data.master


class AgentSaid(_Said):
    """An agent (API wallet) of an account."""

    name: Text | None = None
    address: Address
    valid_until_ms: TimeMs | None = Field(alias="validUntil", default=None)


class DexSaid(_Said):
    name: Word


# --- orders --------------------------------------------------------------------------------------


class OneOrder(_Said):
    """An order, as ``orderStatus`` and ``frontendOpenOrders`` say it; ``sz`` is what is left."""

    coin: Word
    side: Direction
    oid: Id
    timestamp: TimeMs
    sz: Amount
    original: Amount = Field(alias="origSz")
    limit: Amount | None = Field(alias="limitPx", default=None)
    trigger: Amount | None = Field(alias="triggerPx", default=None)
    is_trigger: bool | None = Field(alias="isTrigger", default=None)
    reduce_only: bool | None = Field(alias="reduceOnly", default=None)
    order_type: Text | None = Field(alias="orderType", default=None)
    tif: Text | None = None
    cloid: Word | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "OneOrder":
        if self.sz > self.original:
            raise ValueError("more is left than was ordered")
        if self.is_trigger and not self.trigger:
            raise ValueError("a trigger has no price")
        return self


class OrderSaid(OneOrder):
    """An order with those that wait for its fill."""

    children: list[OneOrder] | None = Field(default=None, max_length=_MOST_LEVELS)


class OrderEntry(_Said):
    order: OrderSaid
    status: Word
    status_ms: TimeMs = Field(alias="statusTimestamp")


class OrderUnknown(_Said):
    status: Literal["unknownOid"]


class OrderKnown(_Said):
    status: Literal["order"]
    order: OrderEntry


class ChangedOrder(_Said):
    """What a message of the stream says of an order, as far as it is used: which one has changed."""

    oid: Id
    cloid: Word | None = None


class OrderUpdate(_Said):
    order: ChangedOrder
    status: Word


class LiquidationSaid(_Said):
    user: Text | None = Field(alias="liquidatedUser", default=None)


class FillSaid(_Said):
    coin: Word
    px: Price
    sz: Price
    side: Direction
    time: TimeMs
    start: Number = Field(alias="startPosition")
    oid: Id
    tid: Id
    crossed: bool
    fee: Number
    builder_fee: Number | None = Field(alias="builderFee", default=None)
    cloid: Word | None = None
    liquidation: LiquidationSaid | None = None


class FillsMessage(_Said):
    """A ``userFills`` message."""

    user: Address
    fills: list[FillSaid] = Field(max_length=_MOST_ROWS)
    is_snapshot: bool | None = Field(alias="isSnapshot", default=None)


class PaymentSaid(_Said):
    coin: Word
    usdc: Number
    rate: Annotated[Number, Field(gt=-1, lt=1)] = Field(alias="fundingRate")


class FundingSaid(_Said):
    time: TimeMs
    delta: PaymentSaid


class LedgerDelta(_Said):
    type: Word
    usdc: Number | None = None
    amount: Number | None = None
    destination: Text | None = None
    nonce: Id | None = None


class LedgerRow(_Said):
    """A row of ``userNonFundingLedgerUpdates``: money that came or went."""

    time: TimeMs
    hash: Text
    delta: LedgerDelta


class Subscribed(_Said):
    type: Word
    user: Address | None = None


class SubscriptionAnswer(_Said):
    method: Word
    subscription: Subscribed


class Message(_Said):
    """The envelope of every message of the stream."""

    channel: Word
    data: Any = None


# --- actions -------------------------------------------------------------------------------------


class Resting(_Said):
    oid: Id


class Filled(_Said):
    oid: Id
    total: Price = Field(alias="totalSz")
    average: Price = Field(alias="avgPx")


class StatusSaid(_Said):
    """What became of one order of an action: exactly one of these."""

    resting: Resting | None = None
    filled: Filled | None = None
    error: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "StatusSaid":
        if len(self.model_fields_set) != 1 or getattr(self, next(iter(self.model_fields_set))) is None:
            raise ValueError("it says not one thing")
        return self


class ActionData(_Said):
    statuses: list[Literal["success", "waitingForFill", "waitingForTrigger"] | StatusSaid] = Field(
        min_length=1, max_length=100
    )


class ActionResponse(_Said):
    type: Word
    data: ActionData | None = None


class ActionTaken(_Said):
    status: Literal["ok"]
    response: ActionResponse


class ActionRefused(_Said):
    status: Literal["err"]
    response: str


# --- decoding ------------------------------------------------------------------------------------

Rows = Annotated[list[T], Field(max_length=_MOST_ROWS)]

LISTED = TypeAdapter(ListedMarket)
META = TypeAdapter(Meta)
STATUS = TypeAdapter(ExchangeStatus)
BOOK = TypeAdapter(Book)
CANDLES = TypeAdapter(Rows[Candle])
ACCOUNT = TypeAdapter(AccountSaid)
SPOT = TypeAdapter(SpotSaid)
ASSET_DATA = TypeAdapter(AssetData)
RATE_LIMIT = TypeAdapter(RateLimit)
ROLE = TypeAdapter(RoleSaid)
AGENTS = TypeAdapter(Rows[AgentSaid] | None)
BUILDER_FEE = TypeAdapter(Annotated[int, Field(strict=True, ge=0, le=10_000)] | None)
DEXES = TypeAdapter(Annotated[list[DexSaid | None], Field(min_length=1, max_length=1_000)])
KIND = TypeAdapter(Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9]{1,40}$")])
# Without a discriminator: an odd one would be formatted, however deep it is.
ORDER_STATUS: TypeAdapter[OrderKnown | OrderUnknown] = TypeAdapter(OrderKnown | OrderUnknown)
OPEN_ORDERS = TypeAdapter(Rows[OrderSaid])
FILLS = TypeAdapter(Rows[FillSaid])
FUNDING = TypeAdapter(Rows[FundingSaid])
LEDGER = TypeAdapter(Rows[LedgerRow])
MESSAGE = TypeAdapter(Message)
STREAM_CONTEXT = TypeAdapter(ActiveAssetContext)
STREAM_CANDLE = TypeAdapter(Candle)
STREAM_FILLS = TypeAdapter(FillsMessage)
STREAM_ORDERS = TypeAdapter(Rows[OrderUpdate])
STREAM_SUBSCRIPTION = TypeAdapter(SubscriptionAnswer)
ACTION: TypeAdapter[ActionTaken | ActionRefused] = TypeAdapter(ActionTaken | ActionRefused)


def decode(adapter: TypeAdapter[T], answer: Any, what: str) -> T:
    """Return what an answer says; ``what`` it is about stands in the error.

    Raises:
        VenueError: it is not what the venue documents; the sentence names the first place that is not.
    """
    try:
        return adapter.validate_python(answer)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:_LONGEST]
        why = f" ({f'{place}: ' if place else ''}{why_wrong(first)})"
        raise malformed(what, first["input"], why) from error
    except RecursionError as error:
        raise malformed(what, answer, " (it is nested too deeply)") from error
