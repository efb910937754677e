"""Actions on the list that has the focus."""

from firstwatch.tui.actions.action import Action, AppControls, Situation


class _ListAction(Action):
    def refusal(self, situation: Situation) -> str:
        return "" if situation.has_list else "Go to a list first (tab)"


class FilterAction(_ListAction):
    id, title, short, key = "list.filter", "list: Filter", "Filter", "slash"
    help = "Show only rows with the words that are typed; escape shows all again."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.lists.filter()


class SortAction(_ListAction):
    id, title, short, key = "list.sort", "list: Sort", "Sort", "S"
    help = "Sort by a column; the same column again: the other way round. So does a click on its head."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.lists.ask_sort()


class MarkAction(_ListAction):
    id, title, short, key = "list.mark", "list: Mark", "Mark", "space"
    help = "Mark the row, or no longer; the keys for runs act on all marked runs."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.lists.mark()


class CopyAction(Action):
    id, title, short, key = "list.copy", "list: Copy", "Copy", "y"
    help = "Copy the marked rows, the row under the cursor, or the text that the mouse has selected."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.lists.copy()
