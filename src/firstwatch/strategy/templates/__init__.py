"""Templates: whole algorithms to begin with, each a file with its idea and its parameters in comments."""

from dataclasses import dataclass
from importlib.resources import files

from firstwatch.trading.errors import WrongUseError
from firstwatch.trading.text import quoted
from firstwatch.trading.validation import nearest

NAMES = (
    "barebones-long",
    "barebones-short",
    "barebones-both",
    "protected-long",
    "protected-short",
    "protected-both",
    "rsi-reversion",
    "macd-cross",
    "moving-average-cross",
    "supertrend",
    "bollinger-fade",
    "adx-filter",
    "donchian-breakout",
)
"""In the order in which they are offered: the plainest first."""


@dataclass(frozen=True, slots=True)
class Template:
    """A whole algorithm to begin with."""

    name: str
    """Also the name of the algorithm in its text."""
    title: str
    idea: str
    """What it trades on, in sentences."""
    text: str
    """TOML, with comments on its parameters."""


def templates() -> tuple[Template, ...]:
    """Return all templates, the plainest first."""
    return tuple(map(template, NAMES))


def template(name: str) -> Template:
    """Return the template of that name.

    Raises:
        WrongUseError: there is none; the sentence has the nearest name.
    """
    if name not in NAMES:
        raise WrongUseError(
            f"There is no template {quoted(name)}{nearest(name, NAMES) or '.'} "
            "See them with: firstwatch algorithm template."
        )
    text = files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    # The head of a file: its title, an empty comment, its idea.
    head = text.partition("\n\n")[0].split("\n")
    title, _, *idea = (line.removeprefix("#").strip() for line in head)
    return Template(name, title, " ".join(idea), text)
