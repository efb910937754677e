"""Colour themes: TOML files in the folder ``themes``, validated; a bad one is reported and left out.

A theme has its colours, and may have others for terminals with 256 and with 16 colours, where the nearest one
may be illegible. Rich rounds each colour of a style to one of the terminal's; those of the tables
``colours_256`` and ``colours_16`` are exact, so that rounding does not change them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from rich.color import ColorSystem
from textual.color import Color, ColorParseError
from textual.theme import Theme

from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import clean
from firstwatch.trading.toml_file import read_toml
from firstwatch.trading.validation import nearest, validation_sentences, value_text

DEFAULT_THEME = "firstwatch-night"

FALLBACK_VARIABLES = {
    "gain": "#2dd4a7",
    "loss": "#ff7b72",
    "live": "#d97bff",
    "band": "#1e3448",
    "band-inner": "#2f5473",
}
"""Colours for Textual's own theme, which is used when no theme file can be."""

SIXTEEN = {
    "black": "#000000",
    "red": "#aa0000",
    "green": "#00aa00",
    "yellow": "#aa5500",
    "blue": "#0000aa",
    "magenta": "#aa00aa",
    "cyan": "#00aaaa",
    "white": "#aaaaaa",
    "bright_black": "#555555",
    "bright_red": "#ff5555",
    "bright_green": "#55ff55",
    "bright_yellow": "#ffff55",
    "bright_blue": "#5555ff",
    "bright_magenta": "#ff55ff",
    "bright_cyan": "#55ffff",
    "bright_white": "#ffffff",
}
"""The sixteen colours by name, with Rich's values; the terminal decides how they look."""

_PACKAGE = Path(__file__).parents[1]
_FIRST_GREY = 232
_CUBE = (0, 95, 135, 175, 215, 255)


def _true_colour(value: Any) -> str:
    try:
        colour = Color.parse(value)
    except (ColorParseError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{value_text(value)} is not a colour; write one like #2dd4a7") from error
    if colour.a != 1 or colour.ansi is not None:
        raise ValueError(f"{value_text(value)} is not a whole colour of its own; write one like #2dd4a7")
    return colour.hex.lower()


def _one_of_256(value: Any) -> str:
    if type(value) is not int or not 16 <= value <= 255:
        raise ValueError(f"{value_text(value)} is not a number from 16 to 255")
    if value < _FIRST_GREY:
        red, green, blue = (_CUBE[(value - 16) // step % 6] for step in (36, 6, 1))
    else:
        # The value that Rich rounds to this grey, which differs slightly from the grey itself.
        red = green = blue = round(255 * (value - _FIRST_GREY + 1) / 25)
    colour = Color(red, green, blue)
    shown = colour.rich_color.downgrade(ColorSystem.EIGHT_BIT).number
    if shown != value:
        raise ValueError(f"{value} would be shown as {shown}; write that")
    return colour.hex.lower()


def _one_of_16(value: Any) -> str:
    if not isinstance(value, str) or value not in SIXTEEN:
        hint = nearest(value, list(SIXTEEN)) if isinstance(value, str) else ""
        raise ValueError(
            f"{value_text(value)} is not one of the sixteen{hint or '; they are ' + ', '.join(SIXTEEN)}"
        )
    return SIXTEEN[value]


_TrueColour = Annotated[str, BeforeValidator(_true_colour)]
_OneOf256 = Annotated[str, BeforeValidator(_one_of_256)]
_OneOf16 = Annotated[str, BeforeValidator(_one_of_16)]
_Colour = TypeVar("_Colour", bound=str)


class Colours(BaseModel, Generic[_Colour]):
    """Colours by role. Written as in the file, read as ``#rrggbb``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    primary: _Colour
    """The focus: frames, tabs, keys."""
    secondary: _Colour
    """Labels and titles without the focus."""
    accent: _Colour
    """The selection."""
    foreground: _Colour
    muted: _Colour
    """Secondary text."""
    background: _Colour
    surface: _Colour
    """Background of panes and dialogs."""
    panel: _Colour
    """Background of the head, of bars and of the row under the cursor."""
    line: _Colour
    """Frames without the focus, the scroll bar."""
    band: _Colour
    """The band with 90 % of the baseline's days."""
    band_inner: _Colour
    """The band with half of them."""
    success: _Colour
    warning: _Colour
    error: _Colour
    gain: _Colour
    """Profit."""
    loss: _Colour
    """Loss, drawdown."""
    live: _Colour
    """Real money."""


class ThemeFile(Colours[_TrueColour]):
    """One theme: its colours, which are ``#rrggbb`` or names that Textual knows."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    dark: bool
    colours_256: Colours[_OneOf256] | None = None
    """For a terminal with 256 colours, by number; none: the nearest to those above."""
    colours_16: Colours[_OneOf16] | None = None
    """For a terminal with 16 colours, by name; none: the nearest to those above."""

    def theme(self, colour_system: str | None = "truecolor") -> Theme:
        """Return the Textual theme for a terminal with Rich's ``colour_system``."""
        tables = {"256": self.colours_256, "standard": self.colours_16, "windows": self.colours_16}
        table = tables.get(colour_system or "")
        own: dict[str, str] = (table or self).model_dump(include=set(Colours.model_fields))
        colour = Colours[str].model_validate(own)
        roles = ("primary", "secondary", "accent", "success", "warning", "error")
        variables = {
            "gain": colour.gain,
            "loss": colour.loss,
            "live": colour.live,
            "band": colour.band,
            "band-inner": colour.band_inner,
            # Set here, because Textual would blend them from other colours.
            **{f"text-{role}": own[role] for role in roles},
            "text": colour.foreground,
            "text-muted": colour.muted,
            "text-disabled": colour.muted,
            "foreground-muted": colour.muted,
            "foreground-disabled": colour.muted,
            "border": colour.secondary,
            "border-blurred": colour.line,
            "block-cursor-background": colour.primary,
            "block-cursor-foreground": colour.background,
            "block-cursor-text-style": "bold",
            "block-cursor-blurred-background": colour.panel,
            "block-cursor-blurred-foreground": colour.foreground,
            "block-hover-background": colour.panel,
            "surface-active": colour.panel,
            "scrollbar": colour.line,
            "scrollbar-hover": colour.secondary,
            "scrollbar-active": colour.primary,
            "scrollbar-background": colour.surface,
            "link-color": colour.accent,
            "footer-key-foreground": colour.accent,
            "input-selection-background": colour.primary,
            "input-selection-foreground": colour.background,
            "screen-selection-background": colour.primary,
            "screen-selection-foreground": colour.background,
        }
        return Theme(
            name=self.name,
            dark=self.dark,
            primary=colour.primary,
            secondary=colour.secondary,
            accent=colour.accent,
            success=colour.success,
            warning=colour.warning,
            error=colour.error,
            foreground=colour.foreground,
            background=colour.background,
            surface=colour.surface,
            panel=colour.panel,
            variables=variables,
        )


@dataclass(frozen=True, slots=True)
class Themes:
    """The usable themes and, for each unusable file, a sentence."""

    usable: tuple[Theme, ...]
    problems: tuple[str, ...]


def theme_folder() -> Path:
    """Return the folder of the shipped themes: in the package or, if editable, in the checkout."""
    packaged = _PACKAGE / "themes"
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / "themes"


def load_themes(*folders: Path, colour_system: str | None = "truecolor") -> Themes:
    """Read all ``*.toml`` of the folders. Never raises: a screen works without its colours.

    Of themes with the same name the last is used, so that an operator can replace a shipped one.
    """
    usable: dict[str, Theme] = {}
    problems: list[str] = []
    for path in theme_files(folders):
        try:
            theme = ThemeFile.model_validate(read_toml(path)).theme(colour_system)
        except ValidationError as error:
            problems.append(clean(f"theme {path}: {validation_sentences(ThemeFile, error)[0]}"))
        except WrongUseError as error:
            problems.append(clean(f"theme {error}"))
        else:
            usable[theme.name] = theme
    return Themes(tuple(usable.values()), tuple(problems))


def theme_files(folders: Iterable[Path]) -> list[Path]:
    """Return the theme files of the folders, in the order in which they are read."""
    return [path for folder in folders for path in sorted(folder.glob("*.toml"))]
