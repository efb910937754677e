"""Which key does what: the commands' defaults, changed by the settings' ``keymap``."""

from collections.abc import Mapping
from dataclasses import dataclass

from firstwatch.tui.commands import COMMAND_BY_ID, COMMANDS

EATEN_BY_MULTIPLEXERS = frozenset(f"ctrl+{letter}" for letter in "absqjkhlz")
"""Keys that a terminal multiplexer or the terminal itself takes before the program sees them."""

FIXED = frozenset({"enter", "escape", "tab", "shift+tab", "up", "down", "left", "right", "ctrl+c", "ctrl+p"})
"""Keys with a meaning of their own on every screen."""

_SIGNS = {"question_mark": "?", "left_square_bracket": "[", "right_square_bracket": "]"}


@dataclass(frozen=True, slots=True)
class Keymap:
    """A key for each command id (empty: none), and a sentence for each override that was left out."""

    keys: Mapping[str, str]
    problems: tuple[str, ...]

    def shown(self, command_id: str) -> str:
        """Return the key as it is written on the screen."""
        key = self.keys[command_id]
        return _SIGNS.get(key, key)


def make_keymap(overrides: Mapping[str, str]) -> Keymap:
    """Return the keys with ``overrides`` (command id to key); a bad override is left out and reported."""
    keys = {command.id: command.key for command in COMMANDS}
    problems: list[str] = []
    for command_id, key in overrides.items():
        wanted = {sign: name for name, sign in _SIGNS.items()}.get(key, key)
        if command_id not in COMMAND_BY_ID:
            problems.append(f"keymap: there is no command {command_id!r}")
        elif wanted in EATEN_BY_MULTIPLEXERS or wanted in FIXED:
            problems.append(f"keymap: {key!r} cannot be used for {command_id}")
        else:
            keys[command_id] = wanted
    taken: dict[str, str] = {}
    for command_id, key in list(keys.items()):
        if key and key in taken:
            problems.append(f"keymap: {key!r} is both {taken[key]} and {command_id}; the latter has no key")
            keys[command_id] = ""
        elif key:
            taken[key] = command_id
    return Keymap(keys, tuple(problems))
