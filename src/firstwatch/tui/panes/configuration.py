"""Configuration: the settings of the run under the cursor; while a new run is prepared, the launcher."""

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.tui import formats
from firstwatch.tui.launch_form.folded import folded
from firstwatch.tui.messages import LaunchLeft
from firstwatch.tui.panes.pane import Pane, PaneId
from firstwatch.tui.state import app_of
from firstwatch.tui.widgets.paragraph import Paragraph
from firstwatch.tui.widgets.status_lines import KeyHint

if TYPE_CHECKING:
    from firstwatch.tui.panes.launcher import Launcher


class FoldedSettings(Paragraph, can_focus=True):
    """A run's settings in three lines."""


class ConfigurationPane(Pane):
    """Three lines of the run under the cursor, or the launcher."""

    ID = PaneId.CONFIGURATION
    TITLE = "Run Configuration"
    ACTIONS = (
        "run.start",
        "launch.check",
        "launch.toml",
        "baseline.make",
        "baseline.cancel",
        "run.again",
        "run.differences",
    )

    EDIT_HINTS = (KeyHint("tab", "save, write the next"), KeyHint("enter", "save"), KeyHint("esc", "cancel"))

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", show=False, id="launch.leave")
    ]

    def __init__(self) -> None:
        super().__init__()
        self._launcher: Launcher | None = None
        """Made when it is first needed."""

    def compose(self) -> ComposeResult:
        yield FoldedSettings(id="folded")

    def on_mount(self) -> None:
        self.watch(app_of(self), "is_launching", self._unfold, init=False)
        self.watch(self.screen, "focused", self._look_where, init=False)

    def _unfold(self, is_launching: bool) -> None:
        """Show the launcher or the three lines."""
        if is_launching and self._launcher is None:
            from firstwatch.tui.panes.launcher import Launcher

            self._launcher = Launcher(id="launcher")
            self.mount(self._launcher)
        self.set_class(is_launching, "-launching")
        self.query_one(FoldedSettings).display = not is_launching
        if self._launcher is not None:
            self._launcher.display = is_launching
        self.renew()

    def _look_where(self, focused: Widget | None) -> None:
        """Fold the launcher once the operator is in another pane; the draft stays."""
        is_elsewhere = focused is not None and self not in focused.ancestors_with_self
        if app_of(self).is_launching and is_elsewhere:
            self.app.post_message(LaunchLeft(goes_back=False))

    def run_ids(self) -> tuple[str, ...]:
        app = app_of(self)
        return () if app.is_launching or app.selected_run is None else (app.selected_run,)

    def focus_pane(self) -> None:
        if app_of(self).is_launching:
            if self._launcher is not None:
                # Focus before the layout would use the new widgets before they have a size.
                self.call_after_refresh(self._launcher.begin)
        else:
            self.query_one(FoldedSettings).focus()

    def hints(self) -> tuple[KeyHint, ...]:
        return (KeyHint("enter", "change"), KeyHint("esc", "leave")) if app_of(self).is_launching else ()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        del parameters
        return action != "leave" or app_of(self).is_launching

    def action_leave(self) -> None:
        """Fold the launcher; the draft stays."""
        self.app.post_message(LaunchLeft(goes_back=True))

    def show(self, snapshot: ManagerSnapshot) -> None:
        app = app_of(self)
        if app.is_launching:
            missing, parent = len(app.assessment.errors), app.draft.parent_run_id
            notes = [f"{missing} to fill in"] if missing else []
            notes += [f"again, child of {formats.short_id(parent)}"] if parent else []
            self.set_note("new run")
            self.set_subtitle("; ".join(notes))
            if self._launcher is not None and self._launcher.is_mounted:
                self._launcher.show(snapshot)
            return
        run = snapshot.run(app.selected_run)
        self.set_note("" if run is None else f"of {snapshot.short_id(run.run_id)}")
        self.set_subtitle("")
        self.query_one(FoldedSettings).set_text(
            folded(snapshot, app.selected_run, app.next_step.sentence, app.key_of)
        )
