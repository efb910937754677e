"""The settings of an operator, from a file and from the environment. Those of a venue are in its folder.

The file is TOML: ``FIRSTWATCH_CONFIG``, by default ``config.toml`` in the data folder when it is there.
The environment wins over it: ``FIRSTWATCH_REFRESH_HZ=2``, ``FIRSTWATCH_VENUES__MINE__SPEED=max``.
Paths in the file are relative to the file, paths in the environment to the working folder.
"""

import os
import re
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union, get_args

from platformdirs import user_data_path
from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from firstwatch.trading.account import MoneyKind
from firstwatch.trading.agents import Confirm
from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.hazards import DEFAULT_POLICY, Hazard, Policy, Response
from firstwatch.trading.quiet_hours import QuietHours
from firstwatch.trading.setting_fields import FileText, RealSetting, SettingsTable, WholeSetting
from firstwatch.trading.text import quoted
from firstwatch.trading.toml_file import read_toml
from firstwatch.trading.validation import validation_sentences, value_text
from firstwatch.venues.registry import VenueKind, is_paper
from firstwatch.venues.settings import VenueSettings

CONFIG_FILE = "config.toml"
_VENUE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PREFIX = "FIRSTWATCH_"
_NESTING = "__"
# The settings file cannot say where it is itself.
_ENVIRONMENT_ONLY = ("home", "config")

_KINDS = tuple(kind.value for kind in VenueKind)
# Tags hold a colon, which no key of a setting does: they are cut out of the location in an error.
_TAG = "kind:"
_TAGS = frozenset(f"{_TAG}{kind}" for kind in VenueKind)
_FIELD = re.compile(r'field "(\w+)"')
"""Finds the field in pydantic's error about a variable that is not JSON."""
# The key that the error names for a venue without a known kind.
_NO_KIND = "kind"


def _tag_of(value: object) -> str:
    if not isinstance(value, dict | VenueSettings):
        return _TAG + VenueKind.PAPER
    kind = value.get("kind") if isinstance(value, dict) else value.kind
    return f"{_TAG}{kind}" if kind in _KINDS else _NO_KIND


def _refuse_kind(value: dict[str, Any]) -> Any:
    if "kind" not in value:
        raise PydanticKnownError("missing")
    known = ", ".join(f'"{kind}"' for kind in _KINDS)
    raise ValueError(
        f"{value_text(value['kind'])} is not a kind of venue that this version knows; it knows {known}"
    )


if TYPE_CHECKING:
    AnyVenueSettings = VenueSettings
else:
    AnyVenueSettings = Annotated[
        Union[
            (
                *(Annotated[kind.settings, Tag(f"{_TAG}{kind}")] for kind in VenueKind),
                Annotated[Any, BeforeValidator(_refuse_kind), Tag(_NO_KIND)],
            )
        ],
        Discriminator(_tag_of),
    ]
"""The settings of one venue, of any kind that this version knows."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_MOST_ADDRESSES = 10
_LONGEST_ADDRESS = 2_000
_SCHEDULER = re.compile(r"(tls|tcp)://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")


def _addresses(value: object) -> object:
    """Check addresses, which are secrets: the error does not quote them.

    Raises:
        ValueError: it is not a list of addresses, or one of them cannot be used.
    """
    if not isinstance(value, list | tuple):
        raise ValueError('it should be a list of addresses in quotes, as ["tgram://…"]')
    if len(value) > _MOST_ADDRESSES:
        raise ValueError(f"it is too long: {_MOST_ADDRESSES} addresses at most")
    for place, each in enumerate(value, 1):
        text = each.get_secret_value() if isinstance(each, SecretStr) else each
        if not (isinstance(text, str) and _ADDRESS.fullmatch(text) and len(text) <= _LONGEST_ADDRESS):
            raise ValueError(f"number {place} is not an address of apprise, such as tgram://… or mailto://…")
    return value


def _quiet_hours(value: object) -> object:
    return value if value is None or isinstance(value, QuietHours) else QuietHours.parse(value)


_PATH_KEYS = frozenset(
    name
    for kind in VenueKind
    for name, field in kind.settings.model_fields.items()
    if Path in get_args(field.annotation)
)
"""Keys of venues that hold a path."""
_COMPUTE_PATHS = frozenset({"ca", "certificate", "key"})


class Limits(SettingsTable):
    """``[limits]``: bounds that hold for every run."""

    capital_share: RealSetting = Field(default=0.5, gt=0, le=1)
    """Above this share of the wallet, capital needs a written reason at launch."""
    max_slippage_bps: RealSetting = Field(default=500.0, gt=0, lt=10_000)
    """How far beyond the mid an entry may fill; one that would fill worse is dropped."""
    slice_delay_s: RealSetting = Field(default=30.0, ge=0, le=30)
    """Longest random delay before a slice of an entry is sent, at most a tenth of the bar; 0: none."""


class PolicySettings(SettingsTable):
    """``[policy]``: a run's response when a hazard begins, besides its alarm (``trading.hazards``)."""

    liquidation_near: Response = DEFAULT_POLICY[Hazard.LIQUIDATION_NEAR]
    key_expiring: Response = DEFAULT_POLICY[Hazard.KEY_EXPIRING]
    delisting: Response = DEFAULT_POLICY[Hazard.DELISTING]
    maintenance: Response = DEFAULT_POLICY[Hazard.MAINTENANCE]
    leverage_changed: Response = DEFAULT_POLICY[Hazard.LEVERAGE_CHANGED]
    stream_silent: Response = DEFAULT_POLICY[Hazard.STREAM_SILENT]
    clock_skew: Response = DEFAULT_POLICY[Hazard.CLOCK_SKEW]
    budget_low: Response = DEFAULT_POLICY[Hazard.BUDGET_LOW]
    crash_loop: Response = DEFAULT_POLICY[Hazard.CRASH_LOOP]

    @field_validator("crash_loop")
    @classmethod
    def _failed_runs_do_nothing(cls, value: Response) -> Response:
        if value is not Response.ALARM:
            raise ValueError('only "alarm" is possible: the run has failed by then, so nothing can follow')
        return value

    @property
    def responses(self) -> Policy:
        """The response to each hazard."""
        return {hazard: getattr(self, hazard) for hazard in Hazard}


class WatchSettings(SettingsTable):
    """``[watch]``: the first watch of runs."""

    enabled: bool = True
    """Let the engine start the process that watches its runs."""
    fill_noise_bps: RealSetting = Field(default=5.0, gt=0, le=1_000)
    """Least assumed deviation of fill prices: the measured one may be smaller by chance."""


class AlertSettings(SettingsTable):
    """``[alerts]``: alarms that go out to a phone or a mailbox, by the library apprise."""

    urls: Annotated[tuple[SecretStr, ...], BeforeValidator(_addresses)] = ()
    """Addresses of apprise. Secrets: never shown, logged or stored."""
    quiet: Annotated[QuietHours | None, BeforeValidator(_quiet_hours)] = None
    """Part of the day, in UTC, in which only critical alarms go out; the others follow at its end."""
    bell: bool = False
    """Ring the terminal's bell when an alarm begins."""


class AgentSettings(SettingsTable):
    """``[agents]``: who confirms what an agent wants to do, after it has seen a plan."""

    confirm_live: Confirm = Confirm.OPERATOR
    """For runs with real money, and on test networks: the operator, or the agent's token alone."""
    confirm_paper: Confirm = Confirm.TOKEN
    """For runs with play money of the paper venue."""


class TestSettings(SettingsTable):
    """``[test]``: what tests are held against."""

    max_drawdown: RealSetting = Field(default=0.20, gt=0, le=1)
    """A cross-validation with a deeper drawdown in any fold does not pass; a fraction."""


class ComputeSettings(SettingsTable):
    """``[compute]``: where the parts of long jobs are computed."""

    executor: Literal["local", "dask"] = "local"
    """Processes of this machine, or an existing Dask cluster (extra ``cluster``)."""
    workers: Annotated[WholeSetting, Field(ge=1, le=1_024)] | None = None
    """Processes of this machine; without it one fewer than its processors."""
    scheduler: str | None = None
    """Of the cluster: ``tls://HOST:PORT``, or ``tcp://127.0.0.1:PORT``."""
    ca: Path | None = None
    """For ``tls``: the certificate (PEM) by which the cluster's is known."""
    certificate: Path | None = None
    """For ``tls``: the own certificate."""
    key: Path | None = None
    """For ``tls``: its key."""
    insecure: bool = False
    """Use plain ``tcp`` elsewhere than on this machine, with an alarm: who reaches the scheduler, or the
    network between, can run programs here and there."""

    @model_validator(mode="after")
    def _scheduler_fits(self) -> Self:
        if self.executor == "local":
            return self
        if self.scheduler is None:
            raise ValueError('executor = "dask" needs scheduler, such as "tls://10.0.0.5:8786"')
        parts = _scheduler_parts(self.scheduler)
        if parts is None:
            raise ValueError(
                f"scheduler should be tls://HOST:PORT, or tcp://HOST:PORT, not {quoted(self.scheduler)}"
            )
        lacks = [name for name in ("ca", "certificate", "key") if getattr(self, name) is None]
        if self.is_encrypted and lacks:
            raise ValueError(f"a scheduler by tls:// needs {', '.join(lacks)}")
        if self.is_exposed and not self.insecure:
            raise ValueError(
                f"{self.scheduler} carries programs without encryption beyond this machine: use tls://, or"
                " set insecure = true if that network is yours alone"
            )
        return self

    @property
    def is_encrypted(self) -> bool:
        """The scheduler is reached by TLS."""
        return self.scheduler is not None and self.scheduler.startswith("tls://")

    @property
    def is_exposed(self) -> bool:
        """Programs travel without encryption beyond this machine."""
        if self.executor == "local" or self.scheduler is None or self.is_encrypted:
            return False
        parts = _scheduler_parts(self.scheduler)
        host = "" if parts is None else parts[1].strip("[]")
        try:
            return not ip_address(host).is_loopback
        except ValueError:
            return host != "localhost"


def _scheduler_parts(address: str) -> tuple[str, str, int] | None:
    """Return protocol, host and port of a scheduler; None: it is no such address."""
    found = _SCHEDULER.fullmatch(address)
    if found is None or not 0 < int(found[3]) < 65_536:
        return None
    return found[1], found[2], int(found[3])


class LogSettings(SettingsTable):
    """``[log]``: the log of a background engine, in the data folder."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is written."""


def _default_home() -> Path:
    return user_data_path("firstwatch", appauthor=False)


def _default_venues() -> dict[str, AnyVenueSettings]:
    return {"paper": VenueKind.PAPER.settings(kind="paper")}


class _FileSource(PydanticBaseSettingsSource):
    """The settings file; the sources with higher priority say where it is."""

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
        hide_input_in_errors=True,
    )

    home: Path = Field(default_factory=_default_home)
    """The data folder (``FIRSTWATCH_HOME``)."""
    config: Path | None = None
    """The settings file (``FIRSTWATCH_CONFIG``); none: ``config.toml`` in the data folder, if it is there."""
    refresh_hz: RealSetting = Field(default=4.0, gt=0, le=20)
    """Most repaints of the screen per second."""
    theme: str = "firstwatch-night"
    """Name of the screen's theme."""
    keymap: dict[str, str] = Field(default_factory=dict)
    """Other keys for commands: command id to key, such as ``"run.stop" = "x"``."""
    limits: Limits = Limits()
    """Bounds for every run."""
    log: LogSettings = LogSettings()
    """What is logged."""
    watch: WatchSettings = WatchSettings()
    """How runs are watched."""
    policy: PolicySettings = PolicySettings()
    """What follows when something happens around a run that may end it."""
    alerts: AlertSettings = AlertSettings()
    """Where alarms go out."""
    agents: AgentSettings = AgentSettings()
    """What agents may do."""
    test: TestSettings = TestSettings()
    """What tests are held against."""
    compute: ComputeSettings = ComputeSettings()
    """Where long jobs are computed."""
    venues: dict[str, AnyVenueSettings] = Field(default_factory=_default_venues, min_length=1)
    """Venues by name; without any, a synthetic paper venue ``paper``."""

    def money_of(self, venue: str, kind: str) -> MoneyKind:
        """Return the kind of money at a venue; ``kind``: the venue's when the wallet was made.

        A venue that is no longer in the settings counts as live unless it was a paper one.
        """
        known = self.venues.get(venue)
        if known is not None:
            return known.money
        return MoneyKind.PAPER if is_paper(kind) else MoneyKind.LIVE

    @field_validator("venues")
    @classmethod
    def _names_are_plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not _VENUE_NAME.fullmatch(name):
                raise ValueError(
                    f"a venue cannot be called {quoted(name)}; use small letters, digits, dashes and "
                    "underscores"
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
    """Return the settings: ``overrides`` by field name win over the environment, which wins over the file.

    Raises:
        WrongUseError: a mistake in file or environment, each with its place, key and the nearest name.
    """
    _refuse_misspelt_variables()
    try:
        return Settings(**overrides)
    except (SettingsError, RecursionError) as error:
        name = _FIELD.search(str(error))
        variable = f"{_PREFIX}{name[1].upper()}" if name else "a variable"
        raise WrongUseError(f"environment: {variable} cannot be read; write it as JSON.") from error
    except ValidationError as error:
        home, config = (
            overrides.get(name) or os.environ.get(_PREFIX + name.upper()) for name in _ENVIRONMENT_ONLY
        )
        path = _file_of(Path(home) if home else None, Path(config) if config else None)
        sentences = validation_sentences(Settings, error, hidden=_TAGS)
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
    tables = [(venue, _PATH_KEYS) for venue in venues.values()] if isinstance(venues, dict) else []
    for table, keys in [*tables, (document.get("compute"), _COMPUTE_PATHS)]:
        for key in keys if isinstance(table, dict) else ():
            if isinstance(table.get(key), str):
                table[key] = str(path.parent.absolute() / Path(table[key]).expanduser())
    return document


def _file_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _file_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return list(map(_file_values, value))
    return FileText(value) if isinstance(value, str) else value


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
    names = [str(part) for part in location if part not in _TAGS]
    for count in range(len(names), 0, -1):
        variable = _PREFIX + _NESTING.join(names[:count]).upper()
        if os.environ.get(variable):
            return variable
    return "settings" if path is None else str(path)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment of a process with the same settings."""
    environment = {**os.environ, "FIRSTWATCH_HOME": str(settings.home.absolute())}
    if settings.config is not None:
        environment["FIRSTWATCH_CONFIG"] = str(settings.config.absolute())
    return environment
