"""A terminal driver that can lose its terminal: the screen ends, the process and its engine do not.

Textual's own driver blocks the event loop when the reader stalls, spins on a terminal that hung up, and
starts application mode again on SIGCONT (measured on Textual 8.2.8).
"""

import asyncio
import locale
import os
import re
import select
import signal
import sys
import termios
import threading
import time
import tty
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

from firstwatch.tui.formats import ASCII_GLYPHS

if TYPE_CHECKING:
    from textual.app import App

WAITING_LIMIT = 1 << 20
"""Characters queued for a slow terminal; beyond it all are dropped, and the whole screen is repainted."""

_STALLED_S = 1.0
"""A terminal that blocks one write for longer than this counts as stalled."""
_PART_BYTES = 4096
_SELECT_S = 0.1
_LAST_WORDS_S = 0.5
_READ_BYTES = 4096
_SEQUENCE_S = 5.0
"""How long the rest of an escape sequence may take: longer than the network resends a lost packet."""
_PART = re.compile(r"\x1b\[(?:[0-?]*|M.{0,2})\Z", re.DOTALL)
"""An incomplete escape sequence at the end of the input; a lone escape is the Esc key."""

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?1004h\x1b[?2004h\x1b[?7l"
"""Alternate screen, cursor hidden, focus events, bracketed paste, no line wrap."""
# Erased first: of a window that has grown, tmux 3.3a puts what still stands there among the shell's lines.
_LEAVE = "\x1b[?2004l\x1b[?7h\x1b[<u\x1b[H\x1b[J\x1b[?1049l\x1b[?25h\x1b[?1004l"
_KITTY_KEYS = "\x1b[>25u"
"""Kitty keyboard protocol: disambiguated, all keys as escape codes, with their text."""


def plain(data: str) -> str:
    """Return the text in ASCII, character by character, for terminals without UTF-8."""
    return data.translate(ASCII_GLYPHS).encode("ascii", "replace").decode("ascii")


def takes_utf8() -> bool:
    """Return whether the terminal shows more than ASCII; the Linux console has too few glyphs.

    In the C locale Python switches to UTF-8 by itself; an operator who chose that locale gets ASCII.
    """
    wants_c = os.environ.get("LANG") in ("C", "POSIX") and "PYTHONUTF8" not in os.environ
    if os.environ.get("TERM") == "linux" or (sys.flags.utf8_mode and wants_c):
        return False
    return locale.getencoding().lower().replace("-", "") == "utf8"


class WholeSequences:
    """Holds back an incomplete escape sequence until its rest arrives, as over a slow connection.

    Textual reads an incomplete one as keys after 0.1 s: ``[20`` and the letters of a paste would act.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._since_s = 0.0

    def take(self, text: str, now_s: float) -> str:
        """Return the input without an incomplete sequence at its end; its rest may come within 5 s."""
        if not text:
            if now_s - self._since_s > _SEQUENCE_S:
                self._rest = ""
            return ""
        text = self._rest + text
        part = _PART.search(text)
        whole = text if part is None else text[: part.start()]
        self._rest, self._since_s = text[len(whole) :], now_s
        return whole


class PatientWriter(threading.Thread):
    """Writes to the terminal without ever making the caller wait.

    ``on_room`` is called from this thread when the terminal reads again after it had stalled or text was
    dropped, ``on_lost`` when the terminal is gone.
    """

    def __init__(
        self,
        descriptor: int,
        on_room: Callable[[], None],
        on_lost: Callable[[], None],
        limit: int = WAITING_LIMIT,
    ) -> None:
        super().__init__(name="terminal-writer", daemon=True)
        self._descriptor = descriptor
        self._on_room = on_room
        self._on_lost = on_lost
        self._limit = limit
        self._waiting: deque[str] = deque()
        self._characters = 0
        self._has_dropped = False
        self._is_ending = False
        self._sending_s: float | None = None
        """When the write under way began (``time.monotonic``); None: none is under way."""
        self._changed = threading.Condition()

    @property
    def is_stalled(self) -> bool:
        """One write has been blocked for more than a second."""
        since_s = self._sending_s
        return since_s is not None and time.monotonic() - since_s > _STALLED_S

    def write(self, text: str) -> None:
        """Queue the text; when too much is queued already, drop it all until the terminal reads again."""
        with self._changed:
            if self._characters + len(text) > self._limit:
                self._forget()
                self._has_dropped = True
            elif not self._has_dropped:
                self._waiting.append(text)
                self._characters += len(text)
            self._changed.notify()

    def end(self, last_words: str) -> None:
        """Write ``last_words`` and end, waiting 0.5 s at most for a slow terminal. Idempotent."""
        with self._changed:
            if not self._is_ending:
                self._waiting.append(last_words)
                self._is_ending = True
            self._changed.notify()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(_LAST_WORDS_S)

    def run(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._is_ending or self._has_dropped):
                    self._changed.wait()
                text = "".join(self._waiting)
                self._forget()
                is_last = self._is_ending
                was_dropped, self._has_dropped = self._has_dropped, False
            if was_dropped and not is_last:
                self._on_room()
            try:
                had_stalled = self._write_all(text.encode("utf-8", "replace"))
            except OSError:
                self._on_lost()
                return
            if is_last:
                return
            if had_stalled:
                self._on_room()

    def _forget(self) -> None:
        self._waiting.clear()
        self._characters = 0

    def _write_all(self, data: bytes) -> bool:
        """Write all of it; return whether the terminal had stalled meanwhile."""
        rest, had_stalled = memoryview(data), False
        while rest:
            self._sending_s = time.monotonic()
            # In parts: a blocking write returns only when all is written, which takes long on a slow line.
            rest = rest[os.write(self._descriptor, rest[:_PART_BYTES]) :]
            had_stalled |= self.is_stalled
            self._sending_s = None
        return had_stalled


class ScreenDriver(LinuxDriver):
    """The driver of the real terminal.

    The app must have ``on_terminal_read()``, ``on_terminal_lost()`` and ``on_terminate()``.
    """

    def __init__(
        self, app: "App[Any]", *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._writer: PatientWriter | None = None
        self._is_lost = False
        self._is_lent = False
        self._takes_utf8 = takes_utf8()
        # Stopping the process would stop the engine in it.
        for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCONT, lambda *_: self._after_continue())
        signal.signal(signal.SIGHUP, lambda *_: self._lose_terminal())
        signal.signal(signal.SIGTERM, lambda *_: self._on_loop("on_terminate"))
        # While another program has the terminal, ctrl+c is meant for it.
        signal.signal(signal.SIGINT, lambda *_: None if self._is_lent else self._on_loop("on_terminate"))

    @property
    def can_suspend(self) -> bool:
        return False

    @property
    def is_stalled(self) -> bool:
        """The terminal reads nothing now: output would be queued or dropped."""
        return self._is_lent or (self._writer is not None and self._writer.is_stalled)

    def lend(self) -> None:
        """Leave the terminal to another program: nothing is read or painted until ``take_back``."""
        self._is_lent = True
        self.stop_application_mode()
        self._writer = None

    def take_back(self) -> None:
        """Take the terminal back from another program, in whatever state that has left it."""
        self._is_lent = False
        if self._is_lost:
            return
        if self.attrs_before is not None:
            try:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            except termios.error:
                self._lose_terminal()
                return
        self.start_application_mode()

    def write(self, data: str) -> None:
        if self._writer is not None:
            self._writer.write(data if self._takes_utf8 else plain(data))

    def start_application_mode(self) -> None:
        """Set up the terminal: raw mode, alternate screen, threads for reading and writing.

        Raises:
            RuntimeError: standard error is closed.
        """
        if self._file is None:
            raise RuntimeError("the screen needs a standard error that is open")
        self._writer = PatientWriter(
            self._file.fileno(), lambda: self._on_loop("on_terminal_read"), self._lose_terminal
        )
        self._writer.start()
        signal.signal(signal.SIGWINCH, lambda *_: self._resized())
        try:
            self.attrs_before = termios.tcgetattr(self.fileno)
        except termios.error:
            self.attrs_before = None
        self._make_raw()
        self.write(_ENTER)
        self._enable_mouse_support()
        self.write(_KITTY_KEYS)
        self._resized()
        self._key_thread = threading.Thread(target=self._read_keys, name="terminal-reader", daemon=True)
        self._key_thread.start()
        self._request_terminal_sync_mode_support()
        self._query_in_band_window_resize()

    def stop_application_mode(self) -> None:
        """Restore the terminal. Waits half a second at most for a slow one."""
        self._disable_in_band_window_resize()
        self.disable_input()
        if self._writer is not None:
            self._writer.end(_LEAVE)
        if self.attrs_before is not None:
            try:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            except termios.error:
                # The terminal is gone: nothing is left to restore.
                self._is_lost = True

    def close(self) -> None:
        if self._writer is not None:
            self._writer.end("")

    # --- what the terminal sends --------------------------------------------------------------

    def _read_keys(self) -> None:
        """Read keys until the screen ends or the terminal does."""
        parser = XTermParser(self._debug)
        decode, sequences = getincrementaldecoder("utf-8")(errors="replace").decode, WholeSequences()
        while not self.exit_event.is_set():
            try:
                ready, _, _ = select.select([self.fileno], [], [], _SELECT_S)
                data = os.read(self.fileno, _READ_BYTES) if ready else None
            except (OSError, ValueError):
                data = b""
            if data == b"":
                self._lose_terminal()
                return
            try:
                if whole := sequences.take(decode(data) if data else "", time.monotonic()):
                    for message in parser.feed(whole):
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)
            except (EOFError, ParseError):
                parser = XTermParser(self._debug)

    def _lose_terminal(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._on_loop("on_terminal_lost")

    def _after_continue(self) -> None:
        """Repaint if the terminal is still there and still ours; never start application mode again."""
        try:
            is_ours = os.tcgetpgrp(self.fileno) == os.getpgrp()
        except OSError:
            return
        if is_ours and not self._is_lost and self._writer is not None and not self.exit_event.is_set():
            self._make_raw()
            self.write(_ENTER)
            self._repaint()

    def _resized(self) -> None:
        if self._in_band_window_resize:
            return
        size = Size(*self._get_terminal_size())
        coroutine = self._app._post_message(events.Resize(size, size))
        asyncio.run_coroutine_threadsafe(coroutine, loop=self._loop)

    def _make_raw(self) -> None:
        try:
            attributes = termios.tcgetattr(self.fileno)
            attributes[tty.LFLAG] = self._patch_lflag(attributes[tty.LFLAG])
            attributes[tty.IFLAG] = self._patch_iflag(attributes[tty.IFLAG])
            attributes[tty.CC][termios.VMIN] = 1
            termios.tcsetattr(self.fileno, termios.TCSANOW, attributes)
        except termios.error:
            # The reading thread notices that the terminal is gone, and reports it.
            return

    def _repaint(self) -> None:
        self._call(lambda: self._app.refresh(layout=True))

    def _on_loop(self, method: str) -> None:
        self._call(getattr(self._app, method))

    def _call(self, function: Callable[[], Any]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            # The loop is closed: the screen has ended already.
            return
