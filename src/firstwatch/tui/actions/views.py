"""Actions that change what is shown."""

from typing import ClassVar

from firstwatch.tui.actions.action import Action, AppControls, Situation, no_run
from firstwatch.tui.layout import Mode
from firstwatch.tui.panes.pane import PaneId
from firstwatch.tui.stream_text import late_lines


class ShowPaneAction(Action):
    """Goes to a pane; a second time, the pane takes the whole screen."""

    pane: ClassVar[PaneId]

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.press_pane(self.pane)


class ShowWalletsAction(ShowPaneAction):
    id, title, short, key = "view.wallets", "view: Wallets", "Wallets", "1"
    pane, mode = PaneId.WALLETS, Mode.RUN
    help = "Go to the wallets; twice: on the whole screen."


class ShowConfigurationAction(ShowPaneAction):
    id, title, short, key = "view.configuration", "view: Configuration", "Configure", "2"
    pane, mode = PaneId.CONFIGURATION, Mode.RUN
    help = "Go to the launch settings; twice: on the whole screen."


class ShowInfoAction(ShowPaneAction):
    id, title, short, key = "view.info", "view: Info", "Info", "3"
    pane, mode = PaneId.INFO, Mode.RUN
    help = "Go to the runs, positions, orders, trades and the journal; twice: on the whole screen."


class ShowMetricsAction(ShowPaneAction):
    id, title, short, key = "view.metrics", "view: Metrics", "Metrics", "4"
    pane, mode = PaneId.METRICS, Mode.RUN
    help = "Go to the watch, figures and charts of the run; twice: on the whole screen."


class ShowJournalAction(ShowPaneAction):
    id, title, short, key = "view.journal", "view: What happened", "What happened", "5"
    pane, mode = PaneId.JOURNAL, Mode.RUN
    help = "Go to what happened; twice: on the whole screen."


class ShowDraftAction(ShowPaneAction):
    id, title, short, key = "view.draft", "view: Test setup", "Setup", "1"
    pane, mode = PaneId.DRAFT, Mode.TEST
    help = "Go to what is tested, and to what stands before a launch; twice: on the whole screen."


class ShowTestsAction(ShowPaneAction):
    id, title, short, key = "view.tests", "view: Tests", "Tests", "2"
    pane, mode = PaneId.TESTS, Mode.TEST
    help = "Go to the tests: those that run, and results; twice: on the whole screen."


class ShowResultAction(ShowPaneAction):
    id, title, short, key = "view.result", "view: Test result", "Result", "3"
    pane, mode = PaneId.RESULT, Mode.TEST
    help = "Go to the result of the test under the cursor; twice: on the whole screen."


class ShowAlgorithmsAction(ShowPaneAction):
    id, title, short, key = "view.algorithms", "view: Algorithms", "Algorithms", "1"
    pane, mode = PaneId.ALGORITHMS, Mode.BUILD
    help = "Go to the algorithms and their versions; twice: on the whole screen."


class ShowEditorAction(ShowPaneAction):
    id, title, short, key = "view.editor", "view: Editor", "Editor", "2"
    pane, mode = PaneId.EDITOR, Mode.BUILD
    help = "Go to the text of the algorithm; twice: on the whole screen."


class ShowPreviewAction(ShowPaneAction):
    id, title, short, key = "view.preview", "view: Chart of the text", "Chart", "3"
    pane, mode = PaneId.PREVIEW, Mode.BUILD
    help = "Go to the candles with what the text means on them; twice: on the whole screen."


class ModeAction(Action):
    id, title, short, key = "view.mode", "view: Mode", "Mode", "0"
    help = "Choose the mode: b build, t test, r run."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.choose_mode()


class ScopeAction(Action):
    id, title, short, key = "view.scope", "view: This run or all", "This run or all", "e"
    mode = Mode.RUN
    help = "Show what happened to the run in Run Info only, or to all runs."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.toggle_scope()


class OrderChangesAction(Action):
    id, title, short, key = "view.order_changes", "view: Order changes", "Orders", "V"
    mode = Mode.RUN
    help = "Show the steps of orders and other machinery among what happened, or hide them."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.toggle_order_changes()


class ShowHistoryAction(Action):
    id, title, short, key = "view.history", "view: History", "History", "h"
    mode = Mode.RUN
    help = "Go to the runs that have ended; again: back to the active ones."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.show_history()


class NextTabAction(Action):
    id, title, short, key = "view.next_tab", "view: Next tab", "Tab", "right_square_bracket"
    help = "Go to the next tab of the pane in front."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.step_tab(1)


class PreviousTabAction(Action):
    id, title, short, key = "view.previous_tab", "view: Previous tab", "Tab back", "left_square_bracket"
    help = "Go to the previous tab of the pane in front."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.step_tab(-1)


class NextWindowAction(Action):
    id, title, short, key = "view.window", "view: Window of the watch", "Window", "W"
    help = "Show the watch of 24 hours, 7 days or all days."
    panes = (PaneId.INFO, PaneId.METRICS, PaneId.JOURNAL)

    def refusal(self, situation: Situation) -> str:
        run = situation.run
        if run is None:
            return no_run(situation)
        is_first_day = run.watch is not None and run.watch.day == 1
        return "The first 24 hours are not over" if is_first_day else ""

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.next_window()


class ChartAction(Action):
    """Zooms or pans the chart."""

    panes = (PaneId.METRICS, PaneId.RESULT, PaneId.EDITOR, PaneId.PREVIEW)

    def refusal(self, situation: Situation) -> str:
        if situation.has_chart:
            return ""
        if situation.mode is Mode.BUILD:
            return f"Go to the chart first ({situation.key_of('view.preview')})"
        back, on = situation.key_of("view.previous_tab"), situation.key_of("view.next_tab")
        return f"Go to a chart first: {back} and {on} go from tab to tab"


class ChartNearerAction(ChartAction):
    id, title, short, key = "chart.nearer", "chart: Nearer", "Nearer", "plus"
    help = "Show less of the chart, larger."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.zoom_chart(1)


class ChartFartherAction(ChartAction):
    id, title, short, key = "chart.farther", "chart: Farther", "Farther", "minus"
    help = "Show more of the chart, smaller."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.zoom_chart(-1)


class ChartEarlierAction(ChartAction):
    id, title, short, key = "chart.earlier", "chart: Earlier", "Earlier", "less_than_sign"
    help = "Show an earlier part of the chart."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.pan_chart(-1)


class ChartLaterAction(ChartAction):
    id, title, short, key = "chart.later", "chart: Later", "Later", "greater_than_sign"
    help = "Show a later part of the chart."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.pan_chart(1)


class ShowAlarmsAction(Action):
    id, title, short, key = "view.alarms", "view: Alarms", "Alarms", "exclamation_mark"
    help = "List the questions of agents, all alarms with what can be done, and each stream that is late."

    def refusal(self, situation: Situation) -> str:
        snapshot = situation.snapshot
        is_anything = snapshot.asks or snapshot.alarms or late_lines(snapshot, snapshot.time_ms)
        return "" if is_anything else "There is no alarm, no agent asks, and no stream is late"

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.show_alarms()


class ShowJobsAction(Action):
    id, title, short, key = "view.jobs", "view: Jobs", "Jobs", "J"
    help = "List heavy work such as backtests: how far each is; it is cancelled and resumed there."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.jobs.show()


class ShowFirstRunAction(Action):
    id, title, short, key = "view.first_run", "view: Your first run", "First run", "G"
    help = "Show the way from an empty folder to a small live run, and how far you have come."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.show_first_run()


class ShowNoticesAction(Action):
    id, title, short, key = "view.notices", "view: Notices", "Notices", "N"
    help = "Read again what the screen has said in passing, the newest first."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.show_notices()


class FreezeAction(Action):
    id, title, short, key = "view.freeze", "view: Freeze", "Freeze", "F"
    help = "Keep what is shown as it is; again: go on. Alarms go on, and keys act on what is true now."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.toggle_freeze()


class ThemeAction(Action):
    id, title, short, key = "view.theme", "view: Theme", "Theme", "t"
    help = "Choose a colour theme by its name; each is shown as the cursor comes to it."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.choose_theme()


class CommandsAction(Action):
    id, title, short, key = "app.commands", "app: Commands", "Commands", "colon"
    help = "Find any action by its name; so does ctrl+p."

    def perform(self, app: AppControls, situation: Situation) -> None:
        del situation
        app.show_commands()
