"""Actions of Build mode: on the text in the editor, and on the algorithms."""

from abc import abstractmethod

from firstwatch.tui.actions.action import Action, AppControls, Severity, Situation
from firstwatch.tui.build import Build, first_problem
from firstwatch.tui.layout import Mode
from firstwatch.tui.panes.pane import PaneId

_IN_ALGORITHMS = (PaneId.ALGORITHMS,)


class NewAlgorithmAction(Action):
    id, title, short, key = "build.new", "build: New from a template", "New", "n"
    help = "Begin an algorithm from a template."
    mode = Mode.BUILD
    severity = Severity.TRADE

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.algorithms.ask_new()


class ImportAlgorithmAction(Action):
    id, title, short, key = "build.import", "build: Import a file", "Import", "I"
    help = "Store the algorithm of a TOML file as a version, and open it."
    mode = Mode.BUILD
    severity = Severity.TRADE

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.algorithms.ask_import()


class _TextAction(Action):
    """An action on the text in the editor."""

    mode = Mode.BUILD
    severity = Severity.TRADE
    needs_valid = False

    def refusal(self, situation: Situation) -> str:
        text = situation.build.text
        if text is None:
            return f"There is no text yet: {situation.key_of('build.new')} begins one from a template"
        return first_problem(text) if self.needs_valid else ""


class WriteTextAction(_TextAction):
    id, title, short, key = "build.write", "build: Write", "Write", "i"
    help = "Write in the text; so does Enter. Escape leaves it."
    panes = (PaneId.EDITOR,)

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.write_text()


class SaveTextAction(_TextAction):
    id, title, short, key = "build.save", "build: Save as a version", "Save", "s"
    help = "Save the text as the next version, with a note; while it is written: ctrl+s."
    needs_valid = True
    acts_in_edit = True

    def refusal(self, situation: Situation) -> str:
        text = situation.build.text
        is_same = text is not None and not text.is_changed
        return super().refusal(situation) or ("It is as it is stored" if is_same else "")

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.texts.ask_save()


class EditOutsideAction(_TextAction):
    id, title, short, key = "build.outside", "build: Edit in $EDITOR", "$EDITOR", "f4"
    help = "Edit the text in the program that $VISUAL or $EDITOR names; runs go on meanwhile."
    acts_in_edit = True

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.texts.edit_outside()


class TestTextAction(_TextAction):
    __test__ = False

    id, title, short, key = "build.test", "build: Backtest in Test", "Test", "f5"
    help = "Save the text if it is changed, and backtest the version in Test mode."
    needs_valid = True
    acts_in_edit = True

    def refusal(self, situation: Situation) -> str:
        text = situation.build.text
        lacks_market = text is not None and text.setup.lacks_market
        key = situation.key_of("build.market")
        return super().refusal(situation) or (f"Choose a market first ({key})" if lacks_market else "")

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.texts.backtest()


class RunTextAction(_TextAction):
    id, title, short, key = "build.run", "build: Prepare a run", "Run", "f6"
    help = "Save the text if it is changed, and open the launcher with the version chosen."
    needs_valid = True
    acts_in_edit = True
    is_for_any_size = False

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.texts.prepare_run()


class ChooseMarketAction(_TextAction):
    id, title, short, key = "build.market", "build: Market of the chart", "Market", "m"
    help = "Choose the market, the candles and the period of the chart and of the draft's tests."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.texts.ask_market()


class DiscardTextAction(_TextAction):
    id, title, short, key = "build.discard", "build: Discard the draft", "Discard", "d"
    help = "Discard what was written, and go on with the version as it is stored."
    panes = (PaneId.EDITOR, PaneId.PREVIEW)

    def refusal(self, situation: Situation) -> str:
        text = situation.build.text
        is_same = text is not None and text.base and not text.is_changed and text.is_valid
        return super().refusal(situation) or ("It is as it is stored" if is_same else "")

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.texts.ask_discard()


class ShowChangesAction(Action):
    id, title, short, key = "build.differences", "build: Differences", "Differences", "D"
    help = "Compare the marked version with the one under the cursor, or the draft with its version."
    mode = Mode.BUILD

    def refusal(self, situation: Situation) -> str:
        mark, pane = situation.key_of("list.mark"), situation.key_of("view.algorithms")
        return "" if situation.build.compared else f"Mark one version ({pane}, {mark}), or change the text"

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.build.compared is not None:
            app.algorithms.show_differences(*situation.build.compared)


class _AlgorithmAction(Action):
    """An action on the algorithm under the cursor of the list."""

    panes = _IN_ALGORITHMS
    severity = Severity.TRADE

    def refusal(self, situation: Situation) -> str:
        pane = situation.key_of("view.algorithms")
        return self.why_not(situation.build) if situation.build.chosen else f"Go to a version first ({pane})"

    @abstractmethod
    def why_not(self, build: Build) -> str:
        """Return why it is not possible on the row under the cursor; empty: it is."""


class _SavedAction(_AlgorithmAction):
    """An action on an algorithm that has a version."""

    no_version: str
    """Why it is not possible on one that has none yet."""

    def why_not(self, build: Build) -> str:
        return "" if build.entry is not None and build.entry.versions else self.no_version


class _VersionAction(_AlgorithmAction):
    """An action on a stored version under the cursor of the list."""

    def why_not(self, build: Build) -> str:
        return "" if build.version is not None else "A draft is no version yet: save it first"


class NoteVersionAction(_VersionAction):
    id, title, short, key = "build.note", "build: Note of a version", "Note", "e"
    help = "Write the note of the version under the cursor."

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.build.version is not None:
            app.algorithms.ask_note(situation.build.version)


class ExportVersionAction(_VersionAction):
    id, title, short, key = "build.export", "build: Export as TOML", "Export", "E"
    help = "Write the version under the cursor to a TOML file."
    severity = Severity.VIEW

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.build.version is not None:
            app.algorithms.ask_export(situation.build.version)


class RenameAlgorithmAction(_SavedAction):
    id, title, short, key = "build.rename", "build: Rename", "Rename", "R"
    help = "Give the algorithm under the cursor another name; its versions and runs stay."
    no_version = "A draft has its name in its text"

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.build.entry is not None:
            app.algorithms.ask_rename(situation.build.entry)


class ArchiveAlgorithmAction(_SavedAction):
    id, title, short, key = "build.archive", "build: Archive", "Archive", "A"
    help = "Archive the algorithm under the cursor, or bring it back; nothing of it is deleted."
    no_version = "Only a saved algorithm can be archived"

    def perform(self, app: AppControls, situation: Situation) -> None:
        if situation.build.entry is not None:
            app.algorithms.ask_archive(situation.build.entry)


class ShowArchivedAction(Action):
    id, title, short, key = "view.archived", "view: Archived", "Archived", "h"
    help = "Show archived algorithms too, or hide them."
    panes = _IN_ALGORITHMS

    def refusal(self, situation: Situation) -> str:
        is_any = any(each.is_archived for each in situation.build.algorithms)
        return "" if is_any else "No algorithm is archived"

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.algorithms.toggle_archived()
