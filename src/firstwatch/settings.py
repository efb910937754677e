"""What an operator may set, by a file and by the environment.

The file is TOML: ``FIRSTWATCH_CONFIG``, by default ``config.toml`` in the data folder when it is there.
The environment wins over it: ``FIRSTWATCH_REFRESH_HZ=2``, ``FIRSTWATCH_VENUES__MINE__SPEED=max``.
Paths in the file are relative to the file, paths in the environment to the working folder.
"""

import os
import re
from datetime import date, datetime, time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from firstwatch.trading.account import is_address
from firstwatch.trading.clock import parse_iso
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.numbers import BoundedDecimal
from firstwatch.trading.toml_file import read_toml
from firstwatch.trading.validation import validation_sentences

CONFIG_FILE = "config.toml"
_VENUE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PREFIX = "FIRSTWATCH_"
_NESTING = "__"
_PATH_KEYS = ("candles", "funding", "market")
# Where the settings come from cannot stand in the settings.
_ENVIRONMENT_ONLY = ("home", "config")


class _FileText(str):
    """A text of the settings file: unlike one of the environment it never stands for a number."""

    __slots__ = ()


def _number(value: object) -> object:
    if isinstance(value, bool | _FileText):
        raise ValueError(f"it should be a number, not {str(value).lower()!r}")
    return value


_Whole = Annotated[int, BeforeValidator(_number)]
_Real = Annotated[float, BeforeValidator(_number)]
_Decimal = Annotated[BoundedDecimal, BeforeValidator(_number)]


def _speed(value: object) -> float | Literal["max"]:
    if isinstance(value, str) and value.strip().lower() == "max":
        return "max"
    try:
        speed = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        speed = 0.0
    if isinstance(value, bool | _FileText) or not 1e-6 <= speed <= 1e9:
        raise ValueError(
            f'{value!r} is no speed; write a number above 0 (market seconds per second) or "max"'
        )
    return speed


def _time_ms(value: object) -> object:
    if isinstance(value, datetime):
        return parse_iso(value.isoformat())
    if isinstance(value, date):
        return parse_iso(datetime.combine(value, time()).isoformat())
    if isinstance(value, bool):
        raise ValueError("true and false are no time; write one like 2025-01-02T03:04:05Z")
    if isinstance(value, str):
        try:
            return parse_iso(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is no time; write one like 2025-01-02T03:04:05Z") from error
    return value


_KINDS = ("paper", "hyperliquid")


def _kind(value: object) -> object:
    if value not in _KINDS:
        known = ", ".join(f'"{kind}"' for kind in _KINDS)
        raise ValueError(f"{value!r} is no kind of venue that this version knows; it knows {known}")
    return value


def _url(value: object, schemes: tuple[str, ...]) -> object:
    if not isinstance(value, str):
        return value
    parts = urlsplit(value.strip())
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"{value!r} is no such address; write one like {schemes[-1]}://host")
    return value.strip().rstrip("/")


def _api_url(value: object) -> object:
    return _url(value, ("http", "https"))


def _ws_url(value: object) -> object:
    return _url(value, ("ws", "wss"))


def _address(value: object) -> object:
    if isinstance(value, str):
        if not is_address(value.strip()):
            raise ValueError(f"{value!r} is no address; write 0x and 40 hexadecimal digits")
        return value.strip().lower()
    return value


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PaperVenueSettings(_Group):
    """``[venues.NAME]`` with ``kind = "paper"``: a market that is replayed or invented, and play money."""

    kind: Annotated[Literal["paper"], BeforeValidator(_kind)]
    """What the venue is."""
    feed: Literal["replay", "synthetic"] = "synthetic"
    """Where bars come from: a candle file, or a seeded generator."""
    candles: Path | None = None
    """Candle file of a replay."""
    funding: Path | None = None
    """Funding file of a replay; none: no funding is paid."""
    start: Annotated[int | None, BeforeValidator(_time_ms)] = None
    """Time of the first bar (milliseconds here, ISO 8601 in the file); none: as early as warm-up allows."""
    speed: Annotated[float | Literal["max"], BeforeValidator(_speed)] = 1.0
    """Market seconds per second of wall time, or ``max``: as fast as runs decide."""
    while_down: Literal["pause", "continue"] = "pause"
    """What market time does while no engine lives."""
    fee_bps: _Decimal | None = Field(default=None, ge=0, lt=10_000)
    """Taker fee; none: the market's."""
    maker_fee_bps: _Decimal | None = Field(default=None, ge=0, lt=10_000)
    """Maker fee; none: ``fee_bps`` when that is set, else the market's."""
    slippage_bps: _Real = Field(default=2.0, ge=0, lt=10_000)
    """Against every taker fill."""
    spread_bps: _Real = Field(default=0.0, ge=0, lt=10_000)
    """Between bid and ask; taker fills pay half of it."""
    latency_ms: _Whole = Field(default=0, ge=0, le=60_000)
    """From sending to the venue."""
    volume_share: _Real = Field(default=0.0, ge=0, le=1)
    """Largest share of a bar's volume that one order fills; 0: fills are never partial."""
    market: Path | None = None
    """File that describes the market (as for ``backtest --market``); the rest follows from the candles."""
    seed: _Whole = Field(default=1, ge=0, lt=2**63)
    """Seed of the synthetic feed."""

    @model_validator(mode="after")
    def _replay_has_candles(self) -> Self:
        if self.feed == "replay" and self.candles is None:
            raise ValueError('feed = "replay" needs the key candles, the file to replay')
        if self.feed == "synthetic":
            for name in ("candles", "funding"):
                if getattr(self, name) is not None:
                    raise ValueError(f'{name} is only for feed = "replay"; this feed is "synthetic"')
        return self


_API_URLS = {
    "mainnet": "https://api.hyperliquid.xyz",
    "testnet": "https://api.hyperliquid-testnet.xyz",
}


class HyperliquidVenueSettings(_Group):
    """``[venues.NAME]`` with ``kind = "hyperliquid"``: perpetuals with real money, or on the test network."""

    kind: Annotated[Literal["hyperliquid"], BeforeValidator(_kind)]
    """What the venue is."""
    network: Literal["mainnet", "testnet"] = "mainnet"
    """Which network; signatures of one are worth nothing on the other."""
    api_url: Annotated[str | None, BeforeValidator(_api_url)] = None
    """Where requests go; none: the network's own address."""
    ws_url: Annotated[str | None, BeforeValidator(_ws_url)] = None
    """Where the stream is; none: ``/ws`` at ``api_url``."""
    builder: Annotated[str | None, BeforeValidator(_address)] = None
    """Address that gets a fee of every fill of an entry; none: nobody does.

    Stops, targets and exits pay it nothing, so that none is refused when its approval is lost.
    """
    builder_fee_tenths_bp: _Whole = Field(default=0, ge=0, le=100)
    """That fee, in tenths of a basis point of the fill's value."""
    max_slippage_bps: _Real = Field(default=500.0, gt=0, lt=10_000)
    """How far beyond the mid an entry may fill at this venue."""
    stream_users: _Whole = Field(default=8, ge=0, le=1000)
    """How many accounts are streamed; the rest is polled. The main network allows ten per address."""
    weight_per_minute: _Real = Field(default=950.0, ge=100, le=1_000_000)
    """Weight of the requests of a minute: the main network allows 1,200 per address, a burst included.

    Less where other programs share the address, more only at a node of one's own.
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
        """Where requests go."""
        return self.api_url or _API_URLS[self.network]

    @property
    def stream_url(self) -> str:
        """Where the stream is."""
        return self.ws_url or f"ws{self.http_url.removeprefix('http')}/ws"


# Tags hold a colon, which no key of the file can: they are cut out of where a mistake is said to be.
_TAG = "kind:"


def _tag_of(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    # Any other kind is refused by the field, with the sentence that belongs to it.
    return f"{_TAG}{kind if kind in _KINDS else 'paper'}"


VenueSettings = Annotated[
    Annotated[PaperVenueSettings, Tag("kind:paper")]
    | Annotated[HyperliquidVenueSettings, Tag("kind:hyperliquid")],
    Discriminator(_tag_of),
]
"""The settings of one venue, of any kind that this version knows."""


class Limits(_Group):
    """``[limits]``: bounds that hold for every run."""

    capital_share: _Real = Field(default=0.5, gt=0, le=1)
    """Above this share of the wallet, capital needs a written reason at launch."""
    max_slippage_bps: _Real = Field(default=500.0, gt=0, lt=10_000)
    """How far beyond the mid an entry may fill; what would fill worse is dropped."""


class LogSettings(_Group):
    """``[log]``: the log of a background engine, in the data folder."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written."""


def _default_home() -> Path:
    return user_data_path("firstwatch", appauthor=False)


def _default_venues() -> dict[str, PaperVenueSettings | HyperliquidVenueSettings]:
    return {"paper": PaperVenueSettings(kind="paper")}


class _FileSource(PydanticBaseSettingsSource):
    """The settings file, found by what the sources above it said."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        home, config = self.current_state.get("home"), self.current_state.get("config")
        path = _file_of(None if home is None else Path(home), None if config is None else Path(config))
        return {} if path is None else _read(path)


class Settings(BaseSettings):
    """Everything that can be set; each table of the file is one field."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter=_NESTING,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    home: Path = Field(default_factory=_default_home)
    """The data folder (``FIRSTWATCH_HOME``)."""
    config: Path | None = None
    """The settings file (``FIRSTWATCH_CONFIG``); none: ``config.toml`` in the data folder, if it is there."""
    refresh_hz: _Real = Field(default=4.0, gt=0, le=20)
    """How often the screen is renewed at most, per second."""
    theme: str = "firstwatch-night"
    """Name of the screen's theme."""
    keymap: dict[str, str] = Field(default_factory=dict)
    """Other keys for commands: command id to key, such as ``"run.stop" = "x"``."""
    limits: Limits = Limits()
    """Bounds for every run."""
    log: LogSettings = LogSettings()
    """What is logged."""
    venues: dict[str, VenueSettings] = Field(default_factory=_default_venues, min_length=1)
    """Venues by name; without any, a synthetic paper venue ``paper``."""

    @field_validator("venues")
    @classmethod
    def _names_are_plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not _VENUE_NAME.fullmatch(name):
                raise ValueError(
                    f"a venue cannot be called {name!r}; use small letters, digits, dashes and underscores"
                )
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _FileSource(settings_cls)


def load_settings(**overrides: Any) -> Settings:
    """Return the settings: ``overrides`` by field name win over the environment, that over the file.

    Raises:
        WrongUseError: a mistake in file or environment, each with its place, key and the nearest name.
    """
    _refuse_misspelt_variables()
    try:
        return Settings(**overrides)
    except (SettingsError, RecursionError) as error:
        raise WrongUseError(f"environment: {error}; write this variable as JSON.") from error
    except ValidationError as error:
        home, config = (
            overrides.get(name) or os.environ.get(_PREFIX + name.upper()) for name in _ENVIRONMENT_ONLY
        )
        path = _file_of(Path(home) if home else None, Path(config) if config else None)
        sentences = validation_sentences(Settings, error, hidden=_TAG)
        mistakes = zip(sentences, error.errors(include_url=False), strict=True)
        raise WrongUseError(
            "\n".join(f"{_origin(details['loc'], path)}: {sentence}." for sentence, details in mistakes)
        ) from error


def _file_of(home: Path | None, config: Path | None) -> Path | None:
    """Return the settings file; None: none is named and the data folder has none."""
    if config is not None:
        return config.expanduser()
    default = (home or _default_home()) / CONFIG_FILE
    return default if default.is_file() else None


def _read(path: Path) -> dict[str, Any]:
    """Return the tables of a settings file, its relative paths made absolute."""
    try:
        document: dict[str, Any] = _file_values(read_toml(path, has_times=True))
    except WrongUseError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise WrongUseError(f"{path}: there is no such settings file; see FIRSTWATCH_CONFIG.") from error
        raise
    for name in _ENVIRONMENT_ONLY:
        if name in document:
            raise WrongUseError(
                f"{path}: {name} cannot stand in the file; set {_PREFIX}{name.upper()} in the environment."
            )
    venues = document.get("venues")
    for venue in venues.values() if isinstance(venues, dict) else ():
        for key in _PATH_KEYS if isinstance(venue, dict) else ():
            if isinstance(venue.get(key), str):
                venue[key] = str(path.parent.absolute() / Path(venue[key]).expanduser())
    return document


def _file_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _file_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return list(map(_file_values, value))
    return _FileText(value) if isinstance(value, str) else value


def _refuse_misspelt_variables() -> None:
    """Refuse a variable whose name is nearly a setting's; others of our prefix are not settings."""
    known = list(Settings.model_fields)
    for variable in sorted(os.environ):
        if not variable.startswith(_PREFIX):
            continue
        name = variable.removeprefix(_PREFIX).lower().split(_NESTING)[0]
        alike = get_close_matches(name, known, n=1, cutoff=0.75)
        if name not in known and alike:
            raise WrongUseError(
                f"environment: unknown variable {variable}; did you mean {_PREFIX}{alike[0].upper()}?"
            )


def _origin(location: tuple[int | str, ...], path: Path | None) -> str:
    """Return where a wrong value was written: a variable, or the file."""
    names = [str(part) for part in location if not str(part).startswith(_TAG)]
    for count in range(len(names), 0, -1):
        variable = _PREFIX + _NESTING.join(names[:count]).upper()
        if os.environ.get(variable):
            return variable
    return "settings" if path is None else str(path)
