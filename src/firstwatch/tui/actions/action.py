"""Base class of all actions, the situation that decides whether one is possible, and the app's controls."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Protocol

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView, AskView, RunView, WalletView
from firstwatch.trading.alarms import UNMANAGED
from firstwatch.tui.bench import Bench
from firstwatch.tui.build import Build
from firstwatch.tui.launch_form.assessment import NextStep
from firstwatch.tui.layout import Mode
from firstwatch.tui.panes.pane import PaneId

if TYPE_CHECKING:
    # Not at run time: they import all dialogs, and the screen starts without them.
    from firstwatch.tui.controllers.alarms import AlarmController
    from firstwatch.tui.controllers.algorithms import AlgorithmController
    from firstwatch.tui.controllers.asks import AskController
    from firstwatch.tui.controllers.engine import EngineController
    from firstwatch.tui.controllers.exports import ExportController
    from firstwatch.tui.controllers.jobs import JobController
    from firstwatch.tui.controllers.launch import LaunchController
    from firstwatch.tui.controllers.lists import ListController
    from firstwatch.tui.controllers.runs import RunController
    from firstwatch.tui.controllers.tests import TestController
    from firstwatch.tui.controllers.texts import TextController
    from firstwatch.tui.controllers.wallets import WalletController


class Severity(StrEnum):
    """How far-reaching the effect of an action is."""

    VIEW = "view"
    """Changes only the view, or writes an export: possible on a read-only screen."""
    TRADE = "trade"
    """Changes what runs do."""
    DANGER = "danger"
    """May move money at once or leave a position unmanaged; asks first."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The newest snapshot and the operator's selection, which decide whether an action is possible."""

    snapshot: ManagerSnapshot
    runs: tuple[RunView, ...]
    """The marked runs of the pane in front, or the one that it shows or has under its cursor."""
    wallet: WalletView | None
    next_step: NextStep
    key_of: Callable[[str], str]
    """The key of an action, for a sentence."""
    is_form_filled: bool = False
    """No field of the launch form is wrong."""
    is_launching: bool = False
    """The launcher is open."""
    has_list: bool = False
    """A list has the focus."""
    seen: str = ""
    """The title of the tab or pane in front."""
    has_chart: bool = False
    """The Metrics pane shows a chart."""
    alarm: AlarmView | None = None
    """The alarm under the cursor."""
    ask: AskView | None = None
    """The question of an agent under the cursor."""
    mode: Mode = Mode.RUN
    """The mode of the pane in front."""
    bench: Bench = field(default_factory=Bench)
    """What Test mode shows."""
    build: Build = field(default_factory=Build)
    """What Build mode shows."""

    @property
    def unmanaged(self) -> AlarmView | None:
        """The alarm under the cursor, if it is that of a position without a run."""
        return self.alarm if self.alarm is not None and self.alarm.topic == UNMANAGED else None

    @property
    def run(self) -> RunView | None:
        """The run, if there is exactly one."""
        return self.runs[0] if len(self.runs) == 1 else None


class AppControls(Protocol):
    """The part of the app that actions use: its controllers, and methods that change the view."""

    @property
    def launch(self) -> "LaunchController": ...
    @property
    def runs(self) -> "RunController": ...
    @property
    def alarms(self) -> "AlarmController": ...
    @property
    def asks(self) -> "AskController": ...
    @property
    def wallets(self) -> "WalletController": ...
    @property
    def engine(self) -> "EngineController": ...
    @property
    def lists(self) -> "ListController": ...
    @property
    def jobs(self) -> "JobController": ...
    @property
    def exports(self) -> "ExportController": ...
    @property
    def tests(self) -> "TestController": ...
    @property
    def texts(self) -> "TextController": ...
    @property
    def algorithms(self) -> "AlgorithmController": ...

    def press_pane(self, pane_id: PaneId) -> None: ...

    def choose_mode(self) -> None: ...

    def test_again(self, run: RunView) -> None: ...

    def write_text(self) -> None: ...

    def open_launcher(self) -> None: ...

    def show_history(self) -> None: ...

    def toggle_scope(self) -> None: ...

    def toggle_order_changes(self) -> None: ...

    def step_tab(self, by: int) -> None: ...

    def next_window(self) -> None: ...

    def zoom_chart(self, by: int) -> None: ...

    def pan_chart(self, by: int) -> None: ...

    def toggle_freeze(self) -> None: ...

    def show_alarms(self) -> None: ...

    def show_first_run(self) -> None: ...
    def show_notices(self) -> None: ...

    def choose_theme(self) -> None: ...

    def show_commands(self) -> None: ...

    def show_help(self) -> None: ...


class Action(ABC):
    """One operator action."""

    id: ClassVar[str]
    title: ClassVar[str]
    """As in the palette: ``namespace: Verb``."""
    short: ClassVar[str]
    """As in the key line. Actions of different panes that share a key share it, too."""
    help: ClassVar[str]
    key: ClassVar[str] = ""
    """Default key; empty: palette only."""
    panes: ClassVar[tuple[PaneId, ...]] = ()
    """The panes in which its key acts; empty: all of its mode."""
    mode: ClassVar[Mode | None] = None
    """The mode in which it is possible; None: in all, or where its panes are."""
    is_for_asks: ClassVar[bool] = False
    """Its key acts in no pane, only on a question of an agent in the list of alarms."""
    acts_in_edit: ClassVar[bool] = False
    """Its key acts while a text is written, too: not one that is a sign of a text."""
    severity: ClassVar[Severity] = Severity.VIEW
    is_for_any_size: ClassVar[bool | None] = None
    """Possible on a terminal too small to start anything; None: yes if its severity is ``VIEW``."""

    @property
    def fits_any_size(self) -> bool:
        """Whether it is possible on a terminal that is too small to start anything."""
        only_views = self.severity is Severity.VIEW
        return only_views if self.is_for_any_size is None else self.is_for_any_size

    def refusal(self, situation: Situation) -> str:
        """Return why the action is not possible now; empty: it is possible."""
        del situation
        return ""

    @abstractmethod
    def perform(self, app: AppControls, situation: Situation) -> None:
        """Perform the action, or open the dialog that asks first."""


def no_run(situation: Situation) -> str:
    """Return the sentence that there is no run to act on, and what to do."""
    return f"Put the cursor on a run first ({situation.key_of('view.info')})"


def needs_engine(situation: Situation) -> str:
    """Return why no command can be sent; empty: an engine accepts commands."""
    engine = situation.snapshot.engine
    return "" if engine.takes_commands else f"No engine accepts commands: {engine.sentence or engine.where}"


def baseline_refusal(situation: Situation) -> str:
    """Return why no baseline can be made; empty: one can."""
    making = situation.snapshot.making
    if making is not None and not making.state.is_over:
        cancel, pane = (situation.key_of(name) for name in ("baseline.cancel", "view.configuration"))
        return f"The baseline of {making.title} is being made; cancel it with {cancel} ({pane})"
    return ""
