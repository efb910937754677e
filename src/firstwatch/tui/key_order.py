"""Keys act in the order in which they were pressed.

Textual gives each key to the focused widget at once. A letter is typed there; a key with a binding bubbles up
to the app first, and what it does may take more messages. Of keys that arrive in one burst, as over a slow
line or while the machine is busy, a later one could overtake an earlier one: ``rsi(14) < 30``, three times
backspace and ``< 35`` became another condition, and letters typed right after Enter acted before the field
was open.

All that a key changes is painted at once: Textual would paint the moved cursor, and what depends on it only
with its next frame.
"""

from collections import deque
from contextlib import ExitStack
from typing import Any

from rich.console import RenderableType
from textual import events
from textual.app import App
from textual.driver import Driver
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.timer import Timer

_ROUNDS = 2
"""Times that a key's way is gone up to the app: by the key itself, then by the messages that it caused."""
_PATIENCE_S = 0.25
"""After this a key counts as handled: its widget was removed, and with it what followed the key."""
_HOLD_S = 0.05
"""For so long at most nothing is painted for a key that is being handled."""


class KeyPassed(Message):
    """Goes the way of a key, behind it: once it is back at the app, the key has been handled."""

    def __init__(self, number: int, rounds: int) -> None:
        super().__init__()
        self.number = number
        self.rounds = rounds
        """Rounds to go, with this one."""


class KeysInOrder(App[None]):
    """Holds each key, and each paste, until the one before it has been handled."""

    def __init__(self, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self._held_keys: deque[events.Key | events.Paste] = deque()
        self._last_key = 0
        self._key_under_way: int | None = None
        """The number of the key that is being handled."""
        self._key_way: tuple[MessagePump, Screen[object]] | None = None
        """The widget that was given the key, and the screen that was in front."""
        self._frame = ExitStack()
        """Open while nothing is painted."""
        self._frame_timer: Timer | None = None
        self._is_frame_lost = False
        """Something was arranged meanwhile, and not painted."""

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
        elif self._key_under_way is None:
            await self._give_key(event)
        else:
            self._held_keys.append(event)
            if len(self._held_keys) == 1:
                self._limit_key(self._key_under_way)

    async def on_key_passed(self, message: KeyPassed) -> None:
        message.stop()
        if message.number == self._key_under_way:
            await self._follow_key(message.number, message.rounds - 1)

    async def _give_key(self, event: events.Key | events.Paste) -> None:
        self._last_key += 1
        self._key_under_way = number = self._last_key
        self._key_way = self.focused or self.screen, self.screen
        if not self._held_keys:
            self._hold_frame()
        await self._deliver(event)
        await self._follow_key(number, _ROUNDS)

    async def _deliver(self, event: events.Key | events.Paste) -> None:
        """Give it to the widget that has the focus now."""
        await super().on_event(event)

    async def _follow_key(self, number: int, rounds: int) -> None:
        """Go the key's way so many times more; where it has opened a screen, until that has its focus."""
        if not self.is_running:
            # The app ends: no key acts any more.
            return
        assert self._key_way is not None
        target, screen = self._key_way
        if screen is not self.screen:
            self._key_way, target, rounds = (self.screen, self.screen), self.screen, max(rounds, 1)
        if not rounds or not target.post_message(KeyPassed(number, rounds)):
            await self._end_key(number)

    async def _end_key(self, number: int) -> None:
        """Take a key as handled, and go on with the next one."""
        if number != self._key_under_way or not self.is_running:
            return
        self._key_under_way = self._key_way = None
        self._show_frame()
        if self._held_keys:
            await self._give_key(self._held_keys.popleft())
            if self._held_keys and self._key_under_way is not None:
                self._limit_key(self._key_under_way)

    def key_begins(self) -> None:
        """Called before a key is handled; what else there is to do may wait until ``key_ends``."""

    def key_ends(self) -> None:
        """Called when what a key has changed is painted, or after 50 ms."""

    @property
    def is_handling_key(self) -> bool:
        """Between ``key_begins`` and ``key_ends``."""
        return self._frame_timer is not None

    def _hold_frame(self) -> None:
        self._is_frame_lost = False
        self.key_begins()
        self._frame.enter_context(self.batch_update())
        self._frame_timer = self.set_timer(_HOLD_S, self._show_frame)

    def _show_frame(self) -> None:
        if self._frame_timer is not None:
            self._frame_timer.stop()
            self._frame_timer = None
            self._frame.close()
            if not self.screen_stack:
                # The app ends.
                self.key_ends()
                return
            if self._is_frame_lost:
                self.screen.refresh()
            # At once: after another frame Textual would wait.
            self.screen._on_timer_update()
            self.screen.check_idle()
            self.key_ends()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        self._is_frame_lost |= renderable is not None and self._frame_timer is not None
        super()._display(screen, renderable)

    def _limit_key(self, number: int) -> None:
        self.set_timer(_PATIENCE_S, lambda: self._end_key(number))
