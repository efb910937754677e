"""The store at one moment: all that the screen shows and by which actions are judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from firstwatch.manager.views import (
    SHORT_ID,
    AlarmView,
    AlgorithmView,
    AskView,
    AwayView,
    CommandView,
    EngineView,
    EngineWhere,
    JobView,
    MarketView,
    RunView,
    StoryLine,
    WalletView,
    WatchCount,
)
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.runs import Protection
from firstwatch.trading.verdicts import FILLS_ALPHA, JOINT_ALPHA, Verdict

if TYPE_CHECKING:
    # Not at run time: importing it would delay the first paint.
    from firstwatch.manager.run_views import RunDetails


@dataclass(frozen=True, eq=False)
class ManagerSnapshot:
    """The store at one moment. The screen computes ages from these times by its own clock."""

    sequence: int
    """Increases with every snapshot; a command names the one that its author saw."""
    time_ms: int
    is_ready: bool
    """False until the store has been read for the first time."""
    engine: EngineView
    wallets: tuple[WalletView, ...] = ()
    runs: tuple[RunView, ...] = ()
    """Active runs, then finished runs, each newest first."""
    selected: "RunDetails | None" = None
    beside: "RunDetails | None" = None
    """Details of the run that is compared with the selected one."""
    algorithms: tuple[AlgorithmView, ...] = ()
    venues: tuple[str, ...] = ()
    live_venues: tuple[str, ...] = ()
    """Venues with live wallets."""
    symbols: tuple[str, ...] = ()
    """Symbols of algorithms, baselines and earlier runs: suggestions, not the venue's list."""
    markets: tuple[MarketView, ...] = ()
    """Markets in which the listed runs trade or have traded."""
    alarms: tuple[AlarmView, ...] = ()
    asks: tuple[AskView, ...] = ()
    """Questions of agents that wait for an answer, the oldest first."""
    story: tuple[StoryLine, ...] = ()
    """Events of all runs in a trader's terms, oldest first."""
    short_ids: Mapping[str, str] = field(default_factory=dict)
    """The first four characters of each run's id, or more where two runs begin alike, by the id."""
    commands: tuple[CommandView, ...] = field(default=())
    jobs: tuple[JobView, ...] = ()
    """The newest jobs, the newest first."""
    away: AwayView | None = None
    """Counts from before this screen was opened; None: not known, or no screen was open before."""
    problem: str = ""
    """Why the store could not be read, for an operator."""

    @property
    def unprotected(self) -> int:
        """Number of runs that are exposed without the stop that their algorithm has."""
        return sum(run.protection is Protection.UNPROTECTED for run in self.runs)

    @property
    def calling(self) -> tuple[AlarmView, ...]:
        """The alarms that no operator has acknowledged as they are now."""
        return tuple(alarm for alarm in self.alarms if not alarm.is_acknowledged)

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences that need an operator: no engine for active runs, and all alarms."""
        engine = self.engine
        is_silent = engine.where is EngineWhere.NOT_RESPONDING
        needing = "1 active run needs" if len(self.active) == 1 else f"{len(self.active)} active runs need"
        unattended = f"{engine.sentence}, and {needing} one; start it with: firstwatch engine"
        found = [engine.sentence] if is_silent else []
        found += [unattended] if self.active and engine.where is EngineWhere.NONE else []
        return (*found, *(alarm.sentence for alarm in self.alarms))

    @cached_property
    def active(self) -> tuple[RunView, ...]:
        """The runs that are not finished."""
        return tuple(run for run in self.runs if run.state.is_active)

    @cached_property
    def working(self) -> tuple[JobView, ...]:
        """The jobs that are queued or running, the oldest first."""
        return tuple(job for job in reversed(self.jobs) if not job.state.is_over)

    @cached_property
    def making(self) -> JobView | None:
        """The baseline that is being made, or was made last; None: none was lately."""
        return next((job for job in self.jobs if job.kind is JobKind.BASELINE), None)

    @property
    def watch_count(self) -> WatchCount:
        """Counts of today's watches: all, diverged, and how many would diverge by chance alone."""
        watched = [run.watch for run in self.active if run.watch is not None]
        return WatchCount(
            diverged=sum(each.verdict is Verdict.DIVERGED for each in watched),
            watched=len(watched),
            by_chance=sum(each.is_calibrated for each in watched) * (JOINT_ALPHA + FILLS_ALPHA),
        )

    @cached_property
    def finished(self) -> tuple[RunView, ...]:
        """The finished runs in the list."""
        return tuple(run for run in self.runs if run.state.is_final)

    def run(self, run_id: str | None) -> RunView | None:
        """Return the run with that id; None: the snapshot does not have it."""
        return None if run_id is None else self._by_id.get(run_id)

    @cached_property
    def _by_id(self) -> dict[str, RunView]:
        return {run.run_id: run for run in self.runs}

    def short_id(self, run_id: str) -> str:
        """Return the short id of a run in lists."""
        return self.short_ids.get(run_id, run_id[:SHORT_ID])

    def wallet(self, name: str | None) -> WalletView | None:
        """Return the wallet of that name; None: the snapshot does not have it."""
        return next((wallet for wallet in self.wallets if wallet.name == name), None)

    @cached_property
    def offered(self) -> tuple[AlgorithmView, ...]:
        """The versions that can be launched: those of algorithms that are not archived."""
        return tuple(each for each in self.algorithms if not each.is_archived)

    def algorithm(self, name: str, version: int) -> AlgorithmView | None:
        """Return that version; None: the snapshot does not have it."""
        return next((each for each in self.algorithms if (each.name, each.version) == (name, version)), None)

    def command(self, command_id: int | None) -> CommandView | None:
        """Return the command with that id; None: this process did not send it."""
        return next((command for command in self.commands if command.command_id == command_id), None)


def empty_snapshot(time_ms: int, sentence: str = "reading the store…") -> ManagerSnapshot:
    """Return the snapshot before the store was read: it holds nothing."""
    return ManagerSnapshot(0, time_ms, False, EngineView(EngineWhere.NONE, sentence=sentence))
