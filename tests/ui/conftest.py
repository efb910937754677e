"""Fixtures of the screen's tests."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import textual
from pytest_textual_snapshot import SVGImageExtension, normalize_svg
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

from tests.ui import scenes
from tests.ui.stage import Stage

BASELINE_PYTHON = (3, 11)
BASELINE_TEXTUAL = "8.2.8"

# How often a screen is compared that differs from its picture: what another thread reads may come later.
_LOOKS = 200


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("NO_COLOR", "TEXTUAL_THEME", "FIRSTWATCH_THEME", "FIRSTWATCH_CONFIG", "FIRSTWATCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture(scope="session", autouse=True)
def _sheets_parsed_once():
    """Parse each style sheet with the same colours once, and not for each app: it takes a tenth of a test."""
    known: dict[object, list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def parsed(self: Stylesheet, *args, **kwargs) -> list[RuleSet]:
        key = (frozenset(self._variables.items()), args, frozenset(kwargs.items()))
        if key not in known:
            known[key] = parse(self, *args, **kwargs)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parsed)
        yield


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def clock():
    return scenes.ManualClock(scenes.NOW_MS)


@pytest.fixture
def snap_step(snapshot, request) -> Callable[[Stage, str], Awaitable[None]]:
    """Wait until the screen at a named step is as in its picture; several steps in one test keep apart."""
    is_baseline = sys.version_info[:2] == BASELINE_PYTHON and textual.__version__ == BASELINE_TEXTUAL
    if request.config.option.update_snapshots and not is_baseline:
        pytest.fail(
            f"pictures are made on Python {'.'.join(map(str, BASELINE_PYTHON))} and Textual "
            f"{BASELINE_TEXTUAL} only; this is {sys.version.split()[0]} and {textual.__version__}"
        )
    pictures = snapshot.use_extension(SVGImageExtension)

    def expected(name: str) -> str:
        at = Path(pictures.extension.get_location(test_location=pictures.test_location, index=name))
        return normalize_svg(at.read_text(encoding="utf-8")) if at.exists() else ""

    async def compare(stage: Stage, name: str) -> None:
        screen = stage.app.export_screenshot()
        looks = 0 if request.config.option.update_snapshots else _LOOKS
        while looks and normalize_svg(screen) != expected(name):
            await stage.pilot.pause(0.025)
            screen, looks = stage.app.export_screenshot(), looks - 1
        assert screen == pictures(name=name), f"step {name} looks different"

    return compare


@pytest.fixture
def no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute no pictures of texts, unless the test is slow anyway: their process takes seconds to begin."""
    from firstwatch.manager.preview_service import PreviewService

    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(PreviewService, "request", lambda *_: None)
