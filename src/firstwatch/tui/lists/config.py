"""The settings of one run."""

from typing import TYPE_CHECKING

from firstwatch.tui.launch_form.draft import FIELDS, VERSIONS_OWN, draft_of
from firstwatch.tui.widgets.table import Cell, Column, Line

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import RunDetails

COLUMNS = (Column("setting", 22), Column("value", 24, grows=True))
EMPTY = ""


def lines(details: "RunDetails") -> list[Line]:
    """Return a line for each setting that applies."""
    draft = draft_of(details.settings, parent_run_id=details.settings.parent_run_id)
    lines = [Line("run", (Cell("Run", "dim"), Cell(details.run_id)))]
    if draft.parent_run_id:
        lines.append(Line("parent", (Cell("Started again from", "dim"), Cell(draft.parent_run_id, "accent"))))
    for field in FIELDS:
        if field.shown(draft):
            value = draft.value(field.id)
            is_override = field.id == "reset_mode" and value != VERSIONS_OWN
            shown = field.worded(value) or field.default or "-"
            if is_override:
                shown += " (overrides the version's)"
            lines.append(
                Line(field.id, (Cell(field.label, "dim"), Cell(shown, "warning" if is_override else "")))
            )
    return lines
