"""Makes the pictures of the README from the scenes of the tests: ``python -m tests.ui.screenshots``."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from pytest_textual_snapshot import normalize_svg

from firstwatch.trading.clock import ManualClock
from firstwatch.tui.widgets.editor import Editor
from tests.ui import bench_scene, scenes, working_day
from tests.ui.live_venue import live_venue, settings_at
from tests.ui.stage import Stage, stage

FOLDER = Path(__file__).parents[2] / "screenshots"


Story = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Picture:
    """One picture: a scene, a size, keys, and a word that must stand on the screen before it is taken.

    ``story``: what more is done, in front of a venue whose wallets have keys.
    """

    name: str
    scene: str
    size: tuple[int, int]
    keys: tuple[str, ...]
    word: str
    story: Story | None = None


async def _make_account(on: Stage) -> None:
    await on.type("fresh hl")
    await on.press("enter")
    await on.until(lambda: "Repeat passphrase" in on.text(), "the passphrase")
    for _ in range(2):
        await on.type("correct horse")
        await on.press("enter")


async def _test(on: Stage) -> None:
    await on.until(lambda: on.app.bench.draft is not None, "the draft")
    await on.press("b")
    await on.until(lambda: on.app.bench.details, "what the test has found", looks=4_000)
    on.app.clear_notifications()


async def _choose_template(on: Stage) -> None:
    await on.until(lambda: on.app.build.is_open, "the mode")
    await on.press("n")


async def _write(on: Stage) -> None:
    await on.until(lambda: on.app.build.preview is not None, "the picture", looks=4_000)
    editor = on.app.mode_screen.query_one(Editor)
    line = next(place for place, line in enumerate(editor.text.split("\n")) if "rsi(14) < 30" in line)
    editor.move_cursor((line, editor.document.get_line(line).index("rsi")))
    await on.until(
        lambda: on.app.build.preview.condition.startswith("rsi(14) <"), "the condition", looks=4_000
    )
    on.app.clear_notifications()


_DIVERGED = ("down",)
_REAL = ("down", "down", "down")
PICTURES = (
    Picture("first-watch", "working_day", (120, 40), (*_DIVERGED, "4"), "DIVERGED"),
    Picture("working-day-80x24", "working_day", (80, 24), _REAL, "LIVE"),
    Picture("working-day-120x40", "working_day", (120, 40), (*_REAL, "4", "]", "]", "3"), "E entry"),
    Picture("working-day-200x60", "working_day", (200, 60), ("down", "down"), "WATCH"),
    Picture("evidence", "working_day", (80, 24), (*_DIVERGED, "4", "enter"), "unexplained"),
    Picture(
        "charts",
        "working_day",
        (120, 40),
        (*_REAL, "4", "]", "]", "]", "3", "]", "]", "]", "]"),
        "drawdown now",
    ),
    Picture("stop", "working_day", (80, 24), (*_REAL, "s"), "Leave position (default)"),
    Picture("form", "first_steps", (80, 24), ("n", "right", "right", "down", "right"), "write an amount"),
    Picture("new-wallet", "first_steps", (80, 24), ("1", "w"), "The key is shown this once", _make_account),
    Picture("lost-reply", "lost_reply", (120, 40), ("]", "]", "]", "enter"), "UNKNOWN:"),
    Picture("alarm", "working_day", (120, 40), ("!",), "no run manages it"),
    Picture("test-mode", "bench", (120, 40), ("0", "t"), "drawdown now", _test),
    Picture("first-run", "nothing", (80, 24), ("G",), "1. An algorithm"),
    Picture("template", "nothing", (80, 24), ("0", "b"), "Barebones, long", _choose_template),
    Picture("build-mode", "bench", (120, 40), ("0", "b"), "condition", _write),
)


async def take(picture: Picture) -> str:
    """Return the picture as SVG."""
    scenes.unset_environment()
    clock = ManualClock(scenes.NOW_MS)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        if picture.scene == "bench":
            settings = bench_scene.make(home)
            async with stage(home, size=picture.size, clock=clock, settings=settings) as on:
                return await _pictured(on, picture)
        if picture.scene == "working_day":
            working_day.working_day(home)
        else:
            getattr(scenes, picture.scene)(home)
        with scenes.attached(home, clock):
            if picture.story is None:
                settings = working_day.settings_of(home)
                async with stage(home, size=picture.size, clock=clock, settings=settings) as on:
                    return await _pictured(on, picture)
            with live_venue(clock) as venue:
                settings = settings_at(home, venue)
                async with stage(home, size=picture.size, clock=clock, settings=settings) as on:
                    return await _pictured(on, picture)


async def _pictured(on: Stage, picture: Picture) -> str:
    await on.ready()
    if picture.scene != "bench":
        await on.until(lambda: on.app.snapshot.engine.takes_commands, "the engine")
    # What is below a dialog is no longer painted once that is open.
    await on.settle()
    for key in picture.keys:
        await on.press(key)
        await on.until(lambda: _shows_selected(on), "the selected run's details")
    if picture.story is not None:
        await picture.story(on)
    await on.until(lambda: picture.word in on.text(), picture.word)
    if picture.story is not None:
        await on.settle()
    # A chart is drawn in the layout after the one that shows its tab.
    await on.pilot.pause()
    return normalize_svg(on.app.export_screenshot())


def _shows_selected(on: Stage) -> bool:
    details = on.app.snapshot.selected
    return details is None or details.run_id == on.app.selected_run


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        (FOLDER / f"{picture.name}.svg").write_text(asyncio.run(take(picture)), encoding="utf-8")
        sys.stdout.write(f"screenshots/{picture.name}.svg\n")


if __name__ == "__main__":
    main()
