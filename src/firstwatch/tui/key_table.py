"""The keys as lines by pane: for the help, and for the README's table.

``python -m firstwatch.tui.key_table README.md`` writes the table between its two marks.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from firstwatch.tui.actions import ACTIONS, Action
from firstwatch.tui.keymap import Keymap, is_of_mode, make_keymap
from firstwatch.tui.panes.pane import PaneId

BEGIN, END = "<!-- keys -->\n", "<!-- end of keys -->\n"
EVERYWHERE = "Everywhere"
ON_ASKS = "Questions of agents"
_NAMES = {
    PaneId.WALLETS: "Run Wallets",
    PaneId.CONFIGURATION: "Run Configuration",
    PaneId.INFO: "Run Info",
    PaneId.METRICS: "Run Metrics",
    PaneId.JOURNAL: "What happened",
    PaneId.DRAFT: "Test Setup",
    PaneId.TESTS: "Tests",
    PaneId.RESULT: "Test Result",
    PaneId.ALGORITHMS: "Algorithms",
    PaneId.EDITOR: "Editor",
    PaneId.PREVIEW: "Chart",
}


def place_of(action: Action) -> str:
    """Return where an action's key acts: its panes, a mode, everywhere, or on questions of agents."""
    if action.is_for_asks:
        return ON_ASKS
    if action.panes:
        return ", ".join(_NAMES[pane] for pane in action.panes)
    return EVERYWHERE if action.mode is None else f"{action.mode.label} mode"


def groups(first: PaneId | None = None) -> list[tuple[str, list[Action]]]:
    """Return the actions by where their keys act; with ``first`` those of its mode, its own before them."""
    found = [action for action in ACTIONS if first is None or is_of_mode(action, first.mode)]

    def rank(action: Action) -> tuple[bool, int, bool]:
        is_everywhere = action.mode is None and not action.is_for_asks
        return first not in action.panes, len(action.panes), not is_everywhere

    ranked = sorted(found, key=rank)
    by_place: dict[str, list[Action]] = {}
    for action in ranked:
        by_place.setdefault(place_of(action), []).append(action)
    return list(by_place.items())


def markdown() -> str:
    """Return the table of the default keys."""
    return "".join(_rows(make_keymap({})))


def _rows(keymap: Keymap) -> Iterator[str]:
    yield "| key | does | id |\n|---|---|---|\n"
    for place, actions in groups():
        yield f"| | **{place}** | |\n"
        for action in actions:
            key = f"`{keymap.shown(action.id)}`" if keymap.keys[action.id] else ""
            yield f"| {key} | {action.help.removesuffix('.')} | {action.id} |\n"


def with_table(text: str) -> str:
    """Return a document with the table between the marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{markdown()}{END}{after}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
