"""Makes the pictures of the README from the scenes of the tests: ``python -m tests.ui.screenshots``."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from pytest_textual_snapshot import normalize_svg

from firstwatch.trading.clock import ManualClock
from tests.ui import scenes, watches
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


PICTURES = (
    Picture("first-watch", "first_day", (120, 40), ("4",), "DIVERGED"),
    Picture("evidence", "first_day", (80, 24), ("4", "enter"), "unexplained"),
    Picture("run-mode", "busy_day", (120, 40), ("4", "]", "3"), "Unrealised PnL"),
    Picture("charts", "busy_day", (120, 40), ("4", "]", "]", "3", "]", "]", "]"), "run equity"),
    Picture("stop", "busy_day", (80, 24), ("s",), "Leave position (default)"),
    Picture("form", "first_steps", (80, 24), ("2", "right", "right", "down", "right"), "write an amount"),
    Picture("new-wallet", "first_steps", (80, 24), ("1", "w"), "The key is shown this once", _make_account),
    Picture("lost-reply", "lost_reply", (120, 40), ("]", "]", "]", "enter"), "UNKNOWN:"),
    Picture("alarm", "with_alarm", (200, 60), (), "no run manages it"),
)


async def take(picture: Picture) -> str:
    """Return the picture as SVG."""
    scenes.unset_environment()
    clock = ManualClock(scenes.NOW_MS)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        getattr(watches if hasattr(watches, picture.scene) else scenes, picture.scene)(home)
        with scenes.attached(home, clock):
            if picture.story is None:
                async with stage(home, size=picture.size, clock=clock) as on:
                    return await _pictured(on, picture)
            with live_venue(clock) as venue:
                settings = settings_at(home, venue)
                async with stage(home, size=picture.size, clock=clock, settings=settings) as on:
                    return await _pictured(on, picture)


async def _pictured(on: Stage, picture: Picture) -> str:
    await on.ready()
    await on.until(lambda: on.app.snapshot.engine.takes_commands, "the engine")
    await on.press(*picture.keys)
    if picture.story is not None:
        await picture.story(on)
    await on.until(lambda: picture.word in on.text(), picture.word)
    if picture.story is not None:
        await on.settle()
    # A chart is drawn in the layout after the one that shows its tab.
    await on.pilot.pause()
    return normalize_svg(on.app.export_screenshot())


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        (FOLDER / f"{picture.name}.svg").write_text(asyncio.run(take(picture)), encoding="utf-8")
        sys.stdout.write(f"screenshots/{picture.name}.svg\n")


if __name__ == "__main__":
    main()
