"""The preview of a text: what it means on the candles of a market, computed in a process of its own.

``preview_process`` computes. Here it is begun, asked and, where it crashes or takes too long, replaced.
"""

import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firstwatch.manager.build_views import PreviewView, TextView, TradeMark
from firstwatch.settings import Settings, environment_of
from firstwatch.trading.errors import FirstwatchError
from firstwatch.trading.toml_file import LONGEST_BYTES

if TYPE_CHECKING:
    # Not at run time: importing them would delay the first paint.
    from firstwatch.manager.preview_messages import Asked, Computed
    from firstwatch.strategy.candles import CandleArrays

COMPUTING_S = 20.0
"""Longest time that the process may take for a text."""
READING_S = 60.0
"""Longest time until candles are read, from a venue above all, and until a new process is ready."""
_ENDING_S = 2.0

Listener = Callable[[PreviewView], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Wanted:
    view: TextView
    line: int
    column: int


class PreviewService:
    """Previews of one data folder. ``request`` never waits; answers come on a thread of the service."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._changed = threading.Condition()
        self._wanted: _Wanted | None = None
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._process: _Process | None = None

    def listen(self, listener: Listener) -> None:
        """Have each answer given to ``listener``, on a thread of the service, instead of the one before."""
        with self._changed:
            self._listener = listener

    def request(self, view: TextView, line: int, column: int) -> None:
        """Ask for the preview of a text with the cursor there; a request before it is dropped."""
        with self._changed:
            if self._is_closed:
                return
            self._wanted = _Wanted(view, line, column)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="preview", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """End the process and the thread. Idempotent."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            process = self._process
        if process is not None:
            process.end()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_ENDING_S)

    @property
    def process_id(self) -> int | None:
        """The process that computes; None: there is none now."""
        with self._changed:
            return None if self._process is None else self._process.id

    # --- the thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._wanted is None and not self._is_closed:
                    self._changed.wait()
                if self._is_closed:
                    return
                wanted, self._wanted = self._wanted, None
            assert wanted is not None
            try:
                found = self._answer(wanted)
            except FirstwatchError as error:
                found = PreviewView(wanted.view.text, problem=str(error))
            except Exception:
                # One text that cannot be asked for must not end the preview of those that follow.
                _log.exception("a preview failed")
                found = PreviewView(
                    wanted.view.text, problem="The preview failed; the program's log says why."
                )
            with self._changed:
                is_overtaken, listener = self._wanted is not None, self._listener
                if self._is_closed:
                    return
            if listener is not None and not is_overtaken:
                try:
                    listener(found)
                except Exception:
                    # What shows one picture must not end the preview of the texts that follow.
                    _log.exception("a preview could not be shown")

    def _answer(self, wanted: _Wanted) -> PreviewView:
        from firstwatch.manager.algorithm_text import place_at
        from firstwatch.manager.preview_messages import Asked

        view = wanted.view
        if len(view.text) > LONGEST_BYTES:
            return PreviewView(view.text, problem="The text is longer than an algorithm can be.")
        if view.problems:
            first = view.problems[0]
            sentence = f"line {first.line + 1}, column {first.column + 1}: {first.sentence}"
            return PreviewView(view.text, problem=sentence)
        process = self._begun()
        place = place_at(view.text, wanted.line, wanted.column)
        try:
            computed = process.ask(Asked(view.text, view.setup, place, process.known))
        except _EndedError as error:
            with self._changed:
                self._process = None
            process.close()
            return PreviewView(view.text, problem=str(error))
        return _view_of(view.text, computed, process.candles)

    def _begun(self) -> "_Process":
        """Return the process, begun if there is none.

        Raises:
            FirstwatchError: it cannot be begun, or the service is closed.
        """
        if self._process is not None:
            return self._process
        process = _Process(self._settings)
        with self._changed:
            if self._is_closed:
                process.close()
                raise FirstwatchError("The preview is closed.")
            self._process = process
        return process


class _EndedError(FirstwatchError):
    """The process has ended, or is ended because it took too long."""


class _Process:
    """A process that computes previews, with the candles that it gave last."""

    def __init__(self, settings: Settings) -> None:
        """Begin it.

        Raises:
            FirstwatchError: the system refuses.
        """
        from multiprocessing.connection import Connection

        from firstwatch.manager.preview_messages import LOG_FILE

        own, other = socket.socketpair()
        try:
            with other, (settings.home / LOG_FILE).open("ab") as log:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "firstwatch.manager.preview_process", str(other.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment_of(settings),
                    start_new_session=True,
                    pass_fds=(other.fileno(),),
                )
        except OSError as error:
            own.close()
            raise FirstwatchError(f"The preview's process cannot be started: {error.strerror}.") from error
        self._connection: Connection = Connection(own.detach())
        self._is_ready = False
        self.known = 0
        """The number of ``candles``."""
        self.candles: CandleArrays | None = None

    @property
    def id(self) -> int:
        return self._child.pid

    def ask(self, asked: "Asked") -> "Computed":
        """Return the answer to a text.

        Raises:
            _EndedError: the process crashed or took too long.
        """
        from firstwatch.manager.preview_messages import Computed

        try:
            self._connection.send(asked)
            longest_s, is_reading = (COMPUTING_S, False) if self._is_ready else (READING_S, True)
            while self._connection.poll(longest_s):
                found = self._connection.recv()
                if isinstance(found, Computed):
                    self._is_ready = True
                    if found.candles is not None:
                        self.known, self.candles = found.number, found.candles
                    return found
                longest_s, is_reading = READING_S, True
        except (OSError, EOFError) as error:
            raise _EndedError(self._how_it_ended()) from error
        if is_reading:
            raise _EndedError(
                f"The candles took longer than {longest_s:.0f} s to come; the next change asks anew."
            )
        raise _EndedError(
            f"This text took longer than {longest_s:.0f} s to compute; change it, or choose a shorter period."
        )

    def _how_it_ended(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._child.wait(_ENDING_S)
            if code < 0:
                name = signal.Signals(-code).name
                return f"The preview's process was ended by {name}; the next change begins a new one."
        return "The preview's process has crashed; the next change begins a new one."

    def close(self) -> None:
        """End it, and close the way to it; from the thread that asks."""
        self.end()
        self._connection.close()

    def end(self) -> None:
        """End it at once, also while it is asked. Idempotent, from any thread."""
        with suppress(OSError):
            self._child.kill()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_ENDING_S)


def _view_of(text: str, computed: "Computed", candles: "CandleArrays | None") -> PreviewView:
    if computed.problem:
        return PreviewView(text, problem=computed.problem)
    return PreviewView(
        text,
        symbol=computed.symbol,
        candles=candles,
        trades=tuple(map(_mark, computed.trades.tolist())),
        stop=computed.stop,
        target=computed.target,
        signals=computed.signals,
        operands=computed.operands,
        condition=computed.condition,
        holds=computed.holds,
        summary=computed.summary,
    )


def _mark(row: list[float]) -> TradeMark:
    from firstwatch.strategy.core_settings import exit_reason
    from firstwatch.trading.orders import Side
    from firstwatch.trading.runs import ExitReason

    side, entry_ms, entry_price, exit_ms, exit_price, code, pnl = row
    reason = exit_reason(int(code))
    is_open = reason is ExitReason.END_OF_DATA
    return TradeMark(
        side=Side.LONG if side > 0 else Side.SHORT,
        entry_ms=int(entry_ms),
        entry_price=entry_price,
        exit_ms=None if is_open else int(exit_ms),
        exit_price=None if is_open else exit_price,
        reason=None if is_open else reason,
        pnl=pnl,
    )
