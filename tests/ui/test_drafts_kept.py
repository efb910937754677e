"""Nothing that was written is lost: while a version is saved, another text opened, the mode changed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from firstwatch.manager.build_service import BuildService
from firstwatch.tui.layout import Mode
from firstwatch.tui.modals.choice import ChoiceDialog
from firstwatch.tui.modals.confirm import ConfirmDialog
from firstwatch.tui.modals.prompt import PromptDialog
from tests.ui import bench_scene
from tests.ui.stage import Stage, stage
from tests.ui.test_build_mode import (
    add_version,
    drafts,
    editor,
    opened,
    run_here,
    script,
    text_of,
    versions,
    written,
)
from tests.ui.test_test_mode import change as change_field

pytestmark = pytest.mark.usefixtures("no_pictures")
SMALL = (80, 24)


class Gate:
    """Holds the calls of a method until it is opened."""

    def __init__(self) -> None:
        self.is_reached, self._is_open = threading.Event(), threading.Event()

    def open(self) -> None:
        self._is_open.set()

    def hold(self, method: Callable[..., object]) -> Callable[..., object]:
        def held(*args: object, **named: object) -> object:
            self.is_reached.set()
            assert self._is_open.wait(60)
            return method(*args, **named)

        return held


@contextmanager
def gate(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[Gate]:
    """Hold one method of the service of Build mode; open in the end."""
    found = Gate()
    with monkeypatch.context() as patched:
        patched.setattr(BuildService, name, found.hold(getattr(BuildService, name)))
        try:
            yield found
        finally:
            found.open()


@pytest.fixture
def settings(home: Path):
    return bench_scene.make(home)


async def comment(on: Stage, words: str) -> None:
    """Write a first line, and stay at its end."""
    editor(on).move_cursor((0, 0))
    await on.type(words)
    await on.press("enter", "up", "end")


async def saving(on: Stage, held: Gate) -> None:
    """Begin to save the text that is written."""
    await on.press("ctrl+s")
    await on.until(lambda: isinstance(on.app.screen, PromptDialog), "the question for a note")
    await on.press("enter")
    await on.until(held.is_reached.is_set, "the version is being saved")


async def test_what_is_written_while_a_version_is_saved_goes_on_from_it(home, clock, settings, monkeypatch):
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        text = await written(on)
        await comment(on, "# before")
        text.replace("< 35", *_span(text, "< 30"))
        with gate(monkeypatch, "save") as held:
            await saving(on, held)
            await on.type(" and after")
            held.open()
            await on.until(lambda: text_of(on).base.endswith("@2"), "the version")
        assert "# before and after" in text.text
        name = text_of(on).draft
        await on.until(lambda: "# before and after" in drafts(on).get(name, ""), "the rest is kept")
        assert [each for each in drafts(on) if each.endswith("@1")] == []


async def test_a_version_that_is_saved_does_not_take_another_text(home, clock, settings, monkeypatch):
    add_version(home, 25)
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        text = await written(on)
        first = text_of(on).base
        text.replace("< 35", *_span(text, "< 25"))
        with gate(monkeypatch, "save") as held:
            await saving(on, held)
            await on.press("escape")
            with gate(monkeypatch, "keep") as kept:
                kept.open()
                on.app.texts.show(on.manager.build.open("RSI reversion@1"))
                await on.pilot.pause()
            held.open()
            await on.until(lambda: len(versions(on)) == 3, "the version")
            await on.until(lambda: any("Saved as" in toast for toast in on.toasts()), "its end")
        assert first == "RSI reversion@2"
        assert text_of(on).base == "RSI reversion@1"
        assert "< 30" in text.text
        assert not text_of(on).is_changed


async def test_a_question_acts_on_no_other_text(home, clock, settings):
    add_version(home, 25)
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        await written(on)
        editor(on).replace("< 35", *_span(editor(on), "< 25"))
        await on.press("escape")
        await on.until(lambda: drafts(on), "the draft is kept")
        [name] = drafts(on)
        await on.press("d")
        await on.until(lambda: isinstance(on.app.screen, ConfirmDialog), "the question")
        on.app.texts.show(on.manager.build.open("RSI reversion@1"))
        await on.press("y")
        await on.until(lambda: any("nothing was done" in toast for toast in on.toasts()), "the refusal")
        assert name in drafts(on)


async def test_a_text_survives_a_setting_that_is_changed_in_test_mode(home, clock, settings):
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        await on.go_to(Mode.TEST)
        await on.until(lambda: on.app.bench.draft is not None, "the draft")
        await opened(on)
        await on.until(lambda: editor(on).text, "a text")
        await on.press("i")
        await comment(on, "# an hour of work")
        editor(on).replace("< 35", *_span(editor(on), "< 30"))
        await on.press("escape")
        await on.go_to(Mode.TEST)
        await on.until(lambda: on.app.bench.draft.is_changed, "what was written")
        await on.press("1")
        await change_field(on, "setup.capital", 5, "777")
        await on.until(lambda: on.app.bench.draft.setup.capital == "777", "the setting")
        await on.go_to(Mode.BUILD)
        await on.until(lambda: text_of(on).setup.capital == "777", "the setting in Build mode")
        assert text_of(on).text.startswith("# an hour of work\n")
        await on.press("i")
        await on.type(" and more")
        await on.press("escape")
    [kept] = drafts(on).values()
    assert kept.startswith("# an hour of work and more\n")


async def test_what_another_screen_has_written_is_replaced_only_by_a_choice(home, clock, settings):
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        await written(on)
        theirs = on.manager.build.open("RSI reversion@1")
        theirs = on.manager.build.keep(replace(theirs, text=f"# an hour of work\n{theirs.text}"))
        await comment(on, "# mine")
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the question")
        # Letters that were on their way.
        await on.press("y", "n", "enter")
        assert not on.app.is_covered
        assert drafts(on) == {theirs.draft: theirs.text}
        await on.type(" too")
        await on.until(lambda: isinstance(on.app.screen, ChoiceDialog), "the question again")
        await on.press("down", "enter")
        await on.until(lambda: drafts(on)[theirs.draft].startswith("# mine too\n"), "my text is kept")


async def test_what_an_editor_has_left_is_kept_although_it_failed(
    home, clock, settings, tmp_path, monkeypatch
):
    script(tmp_path / "editor", "echo '# an hour of work' >> $1; exit 1")
    monkeypatch.setenv("VISUAL", str(tmp_path / "editor"))
    async with stage(home, size=SMALL, clock=clock, settings=settings) as on:
        text = await written(on)
        monkeypatch.setattr(type(on.app), "run_in_terminal", run_here)
        await on.press("f4")
        await on.until(lambda: any("ended with code 1" in toast for toast in on.toasts()), "its end")
        assert text.text.endswith("# an hour of work\n")
        await on.until(lambda: drafts(on), "the draft is kept")


def _span(text, words: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return where words of the text begin and end."""
    line = next(line for line in range(text.document.line_count) if words in text.document.get_line(line))
    column = text.document.get_line(line).index(words)
    return (line, column), (line, column + len(words))
