"""Control of the engine from this process: it is embedded here, in another process, or not running."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from firstwatch.engine.host.background import READY, WAITING, start_background
from firstwatch.engine.host.open_store import open_and_migrate
from firstwatch.engine.lock import EngineHeldError, EngineState, presence
from firstwatch.manager.views import EngineView, EngineWhere
from firstwatch.settings import Settings
from firstwatch.store import hosts
from firstwatch.store.database import Session, Store, open_store
from firstwatch.trading.clock import Clock
from firstwatch.trading.errors import FirstwatchError

if TYPE_CHECKING:
    from firstwatch.engine.host.host import EngineHost

_BACKGROUND_S = 15.0
_STOPPED = "no engine runs on this data folder: it was stopped on request"
_WHERE = {
    EngineState.NONE: EngineWhere.NONE,
    EngineState.RUNNING: EngineWhere.ATTACHED,
    EngineState.NOT_RESPONDING: EngineWhere.NOT_RESPONDING,
}

_log = logging.getLogger(__name__)


def open_or_migrate(folder: Path, *, may_migrate: bool) -> Store:
    """Open the store; ``may_migrate``: take the engine lock and migrate an older one first.

    Raises:
        StoreError: the store cannot be used.
        EngineHeldError: the store is older, and another process holds the engine.
    """
    return open_and_migrate(folder) if may_migrate else open_store(folder)


class EngineControl:
    """Takes, leaves and hands over the engine of one data folder."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._host: EngineHost | None = None
        self._moving = threading.Lock()
        self._problem = ""

    @property
    def is_taken(self) -> bool:
        """This process holds the engine. A command from another process may have ended that."""
        return self._host is not None and self._host.is_running

    def view(self, now_ms: int, session: Session | None = None) -> EngineView:
        """Return where the engine is, and its last heartbeat."""
        if session is None:
            with self._store.read() as own:
                return self.view(now_ms, own)
        row = hosts.current_host(session)
        heartbeat_ms = None if row is None or row.has_let_go else row.heartbeat_ms
        age_s = None if heartbeat_ms is None else (now_ms - heartbeat_ms) / 1000
        found = presence(self._settings.home, age_s)
        where = _WHERE[found.state]
        if self.is_taken and where is EngineWhere.ATTACHED:
            where = EngineWhere.EMBEDDED
        sentence = found.sentence
        if where is EngineWhere.NONE:
            is_stopped = row is not None and row.state is hosts.HostState.STOPPED_ON_REQUEST
            sentence = self.failure or self._problem or (_STOPPED if is_stopped else sentence)
        return EngineView(where, found.pid, heartbeat_ms, sentence)

    @property
    def failure(self) -> str:
        """Why the engine of this process has failed; empty: it has not."""
        return "" if self._host is None else self._host.failure

    def is_to_be_taken(self, now_ms: int, *, although_stopped: bool = False) -> bool:
        """Return whether no process holds the engine; False after a stop on request or a failure.

        ``although_stopped``: True after a stop on request.
        """
        if self.is_taken or self.failure or self.view(now_ms).where is not EngineWhere.NONE:
            return False
        return although_stopped or not self._was_stopped_on_request()

    def _was_stopped_on_request(self) -> bool:
        if self._host is not None and self._host.was_asked_to_stop:
            return True
        with self._store.read() as session:
            row = hosts.current_host(session)
        return row is not None and row.state is hosts.HostState.STOPPED_ON_REQUEST

    def load(self) -> "type[EngineHost]":
        """Import the engine: it is large, and an attached screen never needs it."""
        from firstwatch.engine.host.host import EngineHost

        return EngineHost

    def take(self) -> bool:
        """Take the engine and recover its runs; False: another process holds it.

        Raises:
            FirstwatchError: the engine could not be started.
        """
        with self._moving:
            if self.is_taken:
                return True
            host = self.load()(
                self._store, self._settings, clock=self._clock, has_watch=self._settings.watch.enabled
            )
            try:
                host.start()
            except EngineHeldError:
                return False
            except FirstwatchError as error:
                self._problem = str(error)
                raise
            self._problem = ""
            self._host = host
            return True

    def leave(self) -> None:
        """Stop the workers after their current events, and free the engine; runs stay active. Idempotent."""
        with self._moving:
            host, self._host = self._host, None
            if host is not None:
                host.drain_and_stop()

    def start_background(self) -> int:
        """Start a background engine when no process holds the engine, and return its pid.

        Raises:
            BackgroundError: it did not start in time.
        """
        background = start_background(self._settings.home, self._settings.config)
        background.wait_until(READY, _BACKGROUND_S)
        background.forget()
        return background.pid

    def hand_over(self) -> int:
        """Give the engine to a new background process and return its pid.

        Raises:
            BackgroundError: it did not start in time; this process still holds the engine.
        """
        background = start_background(self._settings.home, self._settings.config)
        background.wait_until(WAITING, _BACKGROUND_S)
        self.leave()
        background.wait_until(READY, _BACKGROUND_S)
        background.forget()
        return background.pid
