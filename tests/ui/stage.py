"""The app on a stage: a real manager on a real store, keys in, snapshots and commands out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.widgets import Input

from firstwatch.manager.manager import RunManager
from firstwatch.settings import Settings
from firstwatch.store.commands import StoredCommand, recent_commands
from firstwatch.store.database import open_store
from firstwatch.trading.clock import Clock, ManualClock
from firstwatch.tui.app import FirstwatchApp
from firstwatch.tui.layout import Mode
from firstwatch.tui.modals.mode import ModeLine
from firstwatch.tui.panes.pane import Pane
from firstwatch.tui.widgets.status_lines import KeyLine
from tests.ui import scenes

NEW_RUN = "feedfacecafebeef"
_PATIENCE = 1_200
"""Looks of 25 ms: a busy machine takes long for what it does at once elsewhere."""
_QUIET_LOOKS = 4
"""So often in a row there is nothing to do."""
_SETTLES_S = 1.0
_WORKER_S = 0.2
"""So long it is waited for what goes on in the background, which may be anything."""


@dataclass
class Stage:
    """What a flow works with."""

    app: FirstwatchApp
    pilot: Pilot[None]
    manager: RunManager
    home: Path

    async def until(self, condition: Callable[[], object], what: str, *, looks: int = _PATIENCE) -> None:
        """Wait until the condition holds."""
        for _ in range(looks):
            if condition():
                await self.pilot.pause()
                return
            await self.pilot.pause(0.025)
        raise AssertionError(f"it never came to: {what}\n{self.text()}")

    async def ready(self) -> None:
        """Wait for the first snapshot with the details of the chosen run."""
        await self.until(lambda: self.app.snapshot.is_ready, "a snapshot")
        await self.until(
            lambda: self.app.snapshot.selected is not None or not self.app.snapshot.runs, "the run's details"
        )

    async def settle(self) -> None:
        """Let the covered panes show what the store holds now; by themselves they wait to be seen."""
        snapshot = await asyncio.to_thread(self.manager.snapshot)
        self.app.snapshot = snapshot
        for pane in self.app.run_screen.query(Pane):
            pane.show(snapshot)
        self.app.run_screen.query_one(KeyLine).refresh()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.app._press_keys([key])
            await settled(self.pilot)

    async def go_to(self, mode: Mode) -> None:
        """Go to a mode by its keys."""
        await self.until(lambda: self.app.snapshot.is_ready, "a snapshot")
        await self.press("0")
        assert isinstance(self.app.screen, ModeLine)
        await self.press(mode.label[0].lower())
        await self.until(lambda: self.app.mode is mode, f"{mode.label} mode")

    async def type(self, text: str) -> None:
        await self.press(*("space" if sign == " " else sign for sign in text))

    def commands(self) -> list[StoredCommand]:
        """Return the commands in the store but previews, oldest first."""
        store = open_store(self.home, read_only=True)
        try:
            with store.read() as session:
                found = recent_commands(session, 50)
        finally:
            store.close()
        return [each for each in reversed(found) if each.command.kind != "preview_launch"]

    def text(self) -> str:
        """Return what stands on the screen, line by line."""
        screen = self.app.screen
        width, height = screen.size
        lines = screen._compositor.render_strips()
        return "\n".join(strip.text[:width].rstrip() for strip in lines[:height])

    def toasts(self) -> list[str]:
        return [notification.message for notification in self.app._notifications]


async def settled(pilot: Pilot[None]) -> None:
    """Wait until all messages were handled, the screen is drawn, and what a key has begun is done.

    In place of Textual's own, which waits until this process does nothing: with an engine in it, or on a busy
    machine, it hardly ever does.
    """
    # Seconds of this process: on a busy machine others have most of those that pass.
    app, begun_s, quiet = pilot.app, time.process_time(), 0
    while quiet < _QUIET_LOOKS and (elapsed_s := time.process_time() - begun_s) < _SETTLES_S:
        await asyncio.sleep(0.001)
        if quiet == _QUIET_LOOKS // 2:
            # A message that is being handled has left its queue: each widget answers when it has done that.
            await pilot._wait_for_screen()
        app.screen._on_timer_update()
        is_busy = elapsed_s < _WORKER_S and any(worker.is_running for worker in app.workers)
        pumps = (pump for screen in app.screen_stack for pump in screen.walk_children(with_self=True))
        # A dialog that has just come is laid out first.
        is_busy = is_busy or not app.screen._compositor.size or bool(app.message_queue_size)
        quiet = 0 if is_busy or any(map(_has_messages, pumps)) else quiet + 1


def _has_messages(pump: DOMNode) -> bool:
    return bool(pump.message_queue_size)


async def _go_on(*_seconds: float) -> None:
    """Take the place of a wait between keys: it is waited after each."""


@asynccontextmanager
async def stage(
    home: Path,
    *,
    size: tuple[int, int] = (120, 40),
    clock: Clock | None = None,
    hosts_engine: bool = False,
    settings: Settings | None = None,
    is_read_only: bool = False,
) -> AsyncIterator[Stage]:
    """Run the app headless on the data folder."""
    clock = clock or ManualClock(scenes.NOW_MS)
    settings = settings or scenes.settings_of(home)
    manager = RunManager(settings, clock=clock, hosts_engine=hosts_engine)
    app = FirstwatchApp(
        manager, settings, clock=clock, make_run_id=lambda: NEW_RUN, is_read_only=is_read_only
    )
    app.title_note = "~/.local/share/firstwatch"
    app.animation_level = "none"
    try:
        # A cursor that blinks is in every other picture only.
        with patch.object(Input, "_toggle_cursor", lambda _: None):
            async with app.run_test(size=size, notifications=True) as pilot:

                async def wait_for_idle(*_seconds: float) -> None:
                    await settled(pilot)

                with (
                    patch("textual.app.wait_for_idle", _go_on),
                    patch("textual.pilot.wait_for_idle", wait_for_idle),
                ):
                    yield Stage(app, pilot, manager, home)
    finally:
        manager.close()
