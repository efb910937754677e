"""Counts of what happened while no screen was open. A file of the data folder has when one was open last."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from firstwatch.manager.views import AwayView, EngineView, EngineWhere
from firstwatch.store.database import Session
from firstwatch.store.hosts import EngineGap, current_host, gaps_since
from firstwatch.store.journal import JournalEntry, written_since
from firstwatch.store.runs import Run, active_runs, list_runs
from firstwatch.trading.clock import iso, parse_iso
from firstwatch.trading.events import Recovered

SEEN_FILE = "seen"
_LONGEST = 40
_ROWS = 20_000
"""Most rows of the journals that are counted."""
_NEWEST_RUNS = 200
"""Newest runs that are looked at, besides the active ones."""
_WAIT_MS = 30_000
"""How long an engine that has just begun may take to recover its runs."""
_RECOVERED = "recovered"

_log = logging.getLogger(__name__)


class SeenFile:
    """When a screen was last open on a data folder. Failures to read or write it are only logged."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / SEEN_FILE

    def read(self) -> int | None:
        """Return the time (ms since the epoch); None: no screen was open yet, or it is not known."""
        with suppress(OSError, ValueError), self._path.open(encoding="ascii") as file:
            return parse_iso(file.read(_LONGEST))
        return None

    def write(self, now_ms: int) -> None:
        """Note that a screen is open."""
        try:
            self._path.write_text(f"{iso(now_ms)}\n", encoding="ascii")
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error.strerror)


class AwayReader:
    """Counts what happened between two visits, once the engine has recovered its runs. For one thread."""

    def __init__(self, since_ms: int, opened_ms: int) -> None:
        """``since_ms``: when a screen was open last; ``opened_ms``: when this one was opened (wall time)."""
        self._since_ms = since_ms
        self._opened_ms = opened_ms
        self._view: AwayView | None = None

    def read(self, session: Session, engine: EngineView, now_ms: int) -> AwayView | None:
        """Return the counts, fixed once complete; None: the engine may still be recovering its runs."""
        if self._view is None and self._is_complete(session, engine, now_ms):
            self._view = self._read(session, engine, now_ms)
        return self._view

    def _is_complete(self, session: Session, engine: EngineView, now_ms: int) -> bool:
        if now_ms >= self._opened_ms + _WAIT_MS:
            return True
        host = current_host(session)
        if host is None or not engine.takes_commands:
            return False
        if host.started_at_ms <= self._opened_ms:
            return True
        _, entries = written_since(session, host.started_at_ms - 1, (_RECOVERED,), limit=_ROWS)
        recovered = {entry.run_id for entry in entries}
        runs = active_runs(session, damaged=[])
        return all(run.id in recovered for run in runs if run.created_at_ms < host.started_at_ms)

    def _read(self, session: Session, engine: EngineView, now_ms: int) -> AwayView:
        since_ms = self._since_ms
        counts, entries = written_since(session, since_ms, (_RECOVERED,), limit=_ROWS)
        runs = [*active_runs(session, damaged=[]), *list_runs(session, limit=_NEWEST_RUNS, damaged=[])]
        gaps = [gap for gap in self._gaps(session, engine, now_ms) if _was_needed(gap, runs)]
        ended = {run.id for run in runs if run.ended_at_ms is not None and run.ended_at_ms > since_ms}
        return AwayView(
            since_ms=since_ms,
            until_ms=now_ms,
            without_engine_ms=sum(gap.to_ms - gap.from_ms for gap in gaps),
            bars=_caught_up(entries),
            entries=counts["entry_decided"],
            exits=counts["trade_closed"],
            ended=len(ended),
            alarms=counts["alarm_raised"],
        )

    def _gaps(self, session: Session, engine: EngineView, now_ms: int) -> list[EngineGap]:
        """Return the times without an engine since then, each cut to that span; one may still go on."""
        found = gaps_since(session, self._since_ms)
        host = current_host(session)
        if host is not None and engine.where is EngineWhere.NONE:
            found.append(EngineGap(host.heartbeat_ms, now_ms))
        return [EngineGap(max(gap.from_ms, self._since_ms), gap.to_ms) for gap in found]


def _was_needed(gap: EngineGap, runs: Iterable[Run]) -> bool:
    """Tell whether a run was active without the engine."""
    return any(
        run.created_at_ms < gap.to_ms and (run.ended_at_ms is None or run.ended_at_ms > gap.from_ms)
        for run in runs
    )


def _caught_up(entries: Iterable[JournalEntry]) -> int:
    return sum(entry.event.past_bars for entry in entries if isinstance(entry.event, Recovered))
