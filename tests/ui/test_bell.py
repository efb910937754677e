"""The terminal's bell: once for alarms that begin, and only if it is wanted."""

import pytest

from firstwatch.settings import AlertSettings
from firstwatch.tui.app import FirstwatchApp
from tests.ui import scenes
from tests.ui.stage import stage


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_the_bell_rings_once_for_an_alarm_that_begins(home, clock, monkeypatch, is_wanted):
    rung = []
    monkeypatch.setattr(FirstwatchApp, "bell", lambda _app: rung.append(1))
    scenes.with_alarm(home)
    settings = scenes.settings_of(home).model_copy(update={"alerts": AlertSettings(bell=is_wanted)})
    with scenes.attached(home, clock):
        async with stage(home, size=(120, 40), clock=clock, settings=settings) as on:
            await on.ready()
            assert rung == [], "it was there before"
            clock.advance(3_000)
            scenes.unprotect(home)
            await on.until(lambda: len(on.app.live.calling) == 2, "another alarm")
            assert len(rung) == is_wanted
            await on.press("!", "K")
            await on.until(lambda: len(on.app.live.calling) == 1, "the acknowledgement")
            assert len(rung) == is_wanted
