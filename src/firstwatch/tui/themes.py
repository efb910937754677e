"""Colour themes: TOML files in the folder ``themes``, validated; a bad one is reported and left out."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from textual.color import Color, ColorParseError
from textual.theme import Theme

from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import clean
from firstwatch.trading.toml_file import read_toml

DEFAULT_THEME = "firstwatch-night"

_PACKAGE = Path(__file__).parents[1]


class ThemeFile(BaseModel):
    """One theme. Colours are ``#rrggbb`` or names that Textual knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    dark: bool
    primary: str
    secondary: str
    accent: str
    foreground: str
    background: str
    surface: str
    panel: str
    success: str
    warning: str
    error: str
    gain: str
    """Profit, long positions, the equity curve."""
    loss: str
    """Loss, short positions, drawdown."""

    @field_validator(
        "primary", "secondary", "accent", "foreground", "background", "surface", "panel",
        "success", "warning", "error", "gain", "loss",
    )  # fmt: skip
    @classmethod
    def _is_a_colour(cls, value: str) -> str:
        try:
            Color.parse(value)
        except (ColorParseError, ValueError) as error:
            raise ValueError(f"{value!r} is not a colour; write one like #2dd4a7") from error
        return value

    def theme(self) -> Theme:
        """Return it as Textual's."""
        fields = self.model_dump(exclude={"gain", "loss"})
        return Theme(
            **fields,
            variables={
                "gain": self.gain,
                "loss": self.loss,
                "border": self.secondary,
                "border-blurred": self.panel,
                "block-cursor-background": self.primary,
                "block-cursor-foreground": self.background,
                "block-cursor-text-style": "bold",
                "block-cursor-blurred-background": self.panel,
                "block-cursor-blurred-foreground": self.foreground,
                "footer-key-foreground": self.accent,
                "input-selection-background": f"{self.primary} 35%",
            },
        )


@dataclass(frozen=True, slots=True)
class Themes:
    """The usable themes and, for each unusable file, a sentence."""

    usable: tuple[Theme, ...]
    problems: tuple[str, ...]


def theme_folder() -> Path:
    """Return the folder of the shipped themes: inside the package, or of the checkout when editable."""
    packaged = _PACKAGE / "themes"
    return packaged if packaged.is_dir() else _PACKAGE.parents[1] / "themes"


def load_themes(folder: Path) -> Themes:
    """Read all ``*.toml`` of the folder. Never raises: a screen works without its colours."""
    usable: list[Theme] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            usable.append(ThemeFile.model_validate(read_toml(path)).theme())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            problems.append(clean(f"theme {path}: {where}: {first['msg']}"))
        except WrongUseError as error:
            problems.append(clean(f"theme {error}"))
    return Themes(tuple(usable), tuple(problems))
