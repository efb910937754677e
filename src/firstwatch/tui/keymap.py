"""The key of each action: its default, or the settings' ``keymap``."""

from collections.abc import Mapping
from dataclasses import dataclass

from firstwatch.tui.actions import ACTION_BY_ID, ACTIONS

EATEN_BY_MULTIPLEXERS = frozenset(f"ctrl+{letter}" for letter in "absqjkhlz")
"""Keys that a terminal multiplexer or the terminal itself takes before the program sees them."""

FIXED = frozenset({"enter", "escape", "tab", "shift+tab", "up", "down", "left", "right", "ctrl+c", "ctrl+p"})
"""Keys with a meaning of their own on every screen."""

_SIGNS = {"question_mark": "?", "left_square_bracket": "[", "right_square_bracket": "]"}


@dataclass(frozen=True, slots=True)
class Keymap:
    """A key for each action id (empty: none), and a sentence for each override that was left out."""

    keys: Mapping[str, str]
    problems: tuple[str, ...]

    def shown(self, action_id: str) -> str:
        """Return the key as it is written on the screen."""
        key = self.keys[action_id]
        return _SIGNS.get(key, key)


def make_keymap(overrides: Mapping[str, str]) -> Keymap:
    """Return the keys with ``overrides`` (action id to key); a bad override is left out and reported."""
    keys = {action.id: action.key for action in ACTIONS}
    problems: list[str] = []
    for action_id, key in overrides.items():
        wanted = {sign: name for name, sign in _SIGNS.items()}.get(key, key)
        if action_id not in ACTION_BY_ID:
            problems.append(f"keymap: there is no action {action_id!r}")
        elif wanted in EATEN_BY_MULTIPLEXERS or wanted in FIXED:
            problems.append(f"keymap: {key!r} cannot be used for {action_id}")
        else:
            keys[action_id] = wanted
    taken: dict[str, str] = {}
    for action_id, key in list(keys.items()):
        if key and key in taken:
            problems.append(f"keymap: {key!r} is both {taken[key]} and {action_id}; the latter has no key")
            keys[action_id] = ""
        elif key:
            taken[key] = action_id
    return Keymap(keys, tuple(problems))
