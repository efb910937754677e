"""Records the outlook (conditions missing for the next decision) at each close and position change."""

from collections.abc import Iterator

from firstwatch.engine.core.records import OutlookRow
from firstwatch.engine.core.run_memory import RunMemory
from firstwatch.engine.core.signals import Sessions, Signals
from firstwatch.engine.core.step_context import StepContext
from firstwatch.strategy.core_state import CoreSettings
from firstwatch.strategy.outlook import outlook_of
from firstwatch.trading.runs import RunState


class OutlookReporter:
    """Records the outlook of a run that is running, for the operator; nothing in the run reads it."""

    def __init__(
        self, context: StepContext, settings: CoreSettings, signals: Signals, sessions: Sessions
    ) -> None:
        self._context = context
        self._settings = settings
        self._signals = signals
        self._sessions = sessions
        self._written: tuple[object, ...] | None = None
        """Inputs of the last outlook; a new worker records one at its first event."""

    def write(self) -> None:
        """Record the outlook if one of its inputs has changed."""
        memory, core = self._context.memory, self._context.memory.core
        if memory.state is not RunState.RUNNING:
            return
        made_of = (
            memory.last_bar_ms,
            core.phase,
            core.steps > 0,
            core.stop,
            core.target,
            core.entry_order,
            core.slices,
            core.link,
            core.stop_run,
            core.entries_paused_by_guard,
            *memory.pause_reasons,
            memory.stale,
            bool(memory.foreign),
        )
        if made_of == self._written:
            return
        self._written = made_of
        timeframe = self._context.setup.timeframe
        self._context.record(
            OutlookRow(
                outlook_of(
                    core,
                    self._settings,
                    self._signals.conditions,
                    bar_time_ms=memory.last_bar_ms,
                    held_back=tuple(held_back(memory)),
                    may_enter=self._sessions.may_enter(memory.last_bar_ms + 2 * timeframe.ms, timeframe),
                )
            )
        )


def held_back(memory: RunMemory) -> Iterator[str]:
    """Yield sentences on what keeps a run from entering, beyond what its decision core knows."""
    for reason in memory.pause_reasons:
        yield "you have paused entries" if reason == "operator" else f"entries are paused: {reason}"
    if memory.stale:
        yield f"no entry on data that is not fresh: {memory.stale}"
    if memory.foreign:
        yield "no entry while the wallet holds a position that is not the run's"
