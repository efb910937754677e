"""The settings of a Hyperliquid venue."""

from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from firstwatch.trading.account import is_address
from firstwatch.trading.setting_fields import RealSetting, WholeSetting
from firstwatch.trading.text import quoted
from firstwatch.venues.settings import VenueSettings

if TYPE_CHECKING:
    # For type checking only: the screen reads the settings and never asks a venue.
    from firstwatch.venues.accounts import Builder

_API_URLS = {
    "mainnet": "https://api.hyperliquid.xyz",
    "testnet": "https://api.hyperliquid-testnet.xyz",
}


def _url(value: object, schemes: tuple[str, ...]) -> object:
    if not isinstance(value, str):
        return value
    parts = urlsplit(value.strip())
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(
            f"{quoted(value)} is not the address of a server; write one like {schemes[-1]}://host"
        )
    return value.strip().rstrip("/")


def _api_url(value: object) -> object:
    return _url(value, ("http", "https"))


def _ws_url(value: object) -> object:
    return _url(value, ("ws", "wss"))


def _address(value: object) -> object:
    if isinstance(value, str):
        if not is_address(value.strip()):
            raise ValueError(f"{quoted(value)} is not an address; write 0x and 40 hexadecimal digits")
        return value.strip().lower()
    return value


class HyperliquidVenueSettings(VenueSettings):
    """``[venues.NAME]`` with ``kind = "hyperliquid"``: perpetuals with real money, or on the test network."""

    kind: Literal["hyperliquid"]
    """The kind of the venue."""
    network: Literal["mainnet", "testnet"] = "mainnet"
    """The network; signatures for one are not valid on the other."""
    api_url: Annotated[str | None, BeforeValidator(_api_url)] = None
    """URL of requests; none: the network's own."""
    ws_url: Annotated[str | None, BeforeValidator(_ws_url)] = None
    """URL of the stream; none: ``/ws`` at ``api_url``."""
    builder: Annotated[str | None, BeforeValidator(_address)] = None
    """Address that receives a fee on every fill of an entry; none: no such fee.

    Stops, targets and exits pay no such fee, so that none is refused if the approval is lost.
    """
    builder_fee_tenths_bp: WholeSetting = Field(default=0, ge=0, le=100)
    """That fee, in tenths of a basis point of the fill's value."""
    max_slippage_bps: RealSetting = Field(default=500.0, gt=0, lt=10_000)
    """Largest distance from the mid, in basis points, at which an entry may fill at this venue."""
    stream_users: WholeSetting = Field(default=8, ge=0, le=1000)
    """How many accounts are streamed; the rest is polled. The main network allows ten per address."""
    weight_per_minute: RealSetting = Field(default=950.0, ge=100, le=1_000_000)
    """Weight of the requests of a minute: the main network allows 1,200 per address, a burst included.

    Use less if other programs share the address, more only at your own node.
    """

    @model_validator(mode="after")
    def _fee_has_a_builder(self) -> Self:
        if self.builder_fee_tenths_bp and self.builder is None:
            raise ValueError("builder_fee_tenths_bp needs the key builder, the address that gets the fee")
        return self

    @property
    def is_mainnet(self) -> bool:
        return self.network == "mainnet"

    @property
    def http_url(self) -> str:
        """URL of requests."""
        return self.api_url or _API_URLS[self.network]

    @property
    def stream_url(self) -> str:
        """URL of the stream."""
        return self.ws_url or f"ws{self.http_url.removeprefix('http')}/ws"

    @property
    def key_network(self) -> str:
        return self.network

    @property
    def place(self) -> str:
        return f"{self.network} {self.http_url}"

    @property
    def fee_receiver(self) -> "Builder | None":
        """Receiver of the fee; None: there is none."""
        from firstwatch.venues.accounts import Builder

        return None if self.builder is None else Builder(self.builder, self.builder_fee_tenths_bp)
