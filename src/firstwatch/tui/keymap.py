"""The key of each action: its default, or the settings' ``keymap``. What a key does depends on the pane."""

from collections.abc import Mapping
from dataclasses import dataclass

from textual.keys import _character_to_key, format_key

from firstwatch.trading.text import quoted
from firstwatch.tui.actions import ACTION_BY_ID, ACTIONS, Action
from firstwatch.tui.layout import Mode
from firstwatch.tui.panes.pane import PaneId

EATEN_BY_MULTIPLEXERS = frozenset(f"ctrl+{letter}" for letter in "absqjkhlz")
"""Keys that a terminal multiplexer or the terminal itself takes before the program sees them."""

FIXED = frozenset({"enter", "escape", "tab", "shift+tab", "up", "down", "left", "right", "ctrl+c", "ctrl+p"})
"""Keys with a meaning of their own on every screen."""


@dataclass(frozen=True, slots=True)
class Keymap:
    """A key for each action id (empty: none), and a sentence for each override that was left out."""

    keys: Mapping[str, str]
    problems: tuple[str, ...]

    def shown(self, action_id: str) -> str:
        """Return the key as it is written on the screen."""
        return format_key(self.keys[action_id])

    def named(self, action_id: str) -> str:
        """Return the key for a sentence; of an action without a key, the key that finds all actions."""
        return self.shown(action_id) or self.shown("app.commands") or "ctrl+p"

    def actions_of(self, key: str) -> tuple[Action, ...]:
        """Return the actions of a key, in all panes."""
        return tuple(action for action in ACTIONS if self.keys[action.id] == key)

    def action_in(self, pane: PaneId, key: str) -> Action | None:
        """Return the action of a key in that pane."""
        return next((action for action in self.actions_of(key) if acts_in(action, pane)), None)


def acts_in(action: Action, pane: PaneId) -> bool:
    """Return whether an action's key acts in that pane."""
    is_in_mode = action.mode is None or action.mode is pane.mode
    return not action.is_for_asks and is_in_mode and (not action.panes or pane in action.panes)


def is_of_mode(action: Action, mode: Mode) -> bool:
    """Return whether an action is possible in that mode, in one of its panes or without a key."""
    return action.is_for_asks or any(acts_in(action, pane) for pane in PaneId if pane.mode is mode)


def make_keymap(overrides: Mapping[str, str]) -> Keymap:
    """Return the keys with ``overrides`` (action id to key); a bad override is left out and reported.

    Two actions may share a key if no pane has both.
    """
    keys = {action.id: action.key for action in ACTIONS}
    problems: list[str] = []
    for action_id, key in overrides.items():
        wanted = _character_to_key(key) if len(key) == 1 else key
        if action_id not in ACTION_BY_ID:
            problems.append(f"keymap: there is no action {quoted(action_id)}")
        elif wanted in EATEN_BY_MULTIPLEXERS or wanted in FIXED:
            problems.append(f"keymap: {quoted(key)} cannot be used for {action_id}")
        else:
            keys[action_id] = wanted
    # Keys that the operator has set come first: a default gives way to them.
    taken: dict[tuple[str, PaneId | None], str] = {}
    for action in sorted(ACTIONS, key=lambda each: each.id not in overrides):
        key = keys[action.id]
        panes = [None] if action.is_for_asks else [pane for pane in PaneId if acts_in(action, pane)]
        places = [(key, pane) for pane in panes] if key else []
        other = next((taken[place] for place in places if place in taken), None)
        if other is None:
            taken.update(dict.fromkeys(places, action.id))
        else:
            problems.append(
                f"keymap: {quoted(format_key(key))} is both {other} and {action.id}; the latter has no key"
            )
            keys[action.id] = ""
    return Keymap(keys, tuple(problems))
