"""Keys that arrive in one burst do what the same keys do one by one."""

import asyncio
from dataclasses import replace
from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.keys import _character_to_key
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from firstwatch.trading.clock import SystemClock
from firstwatch.tui.key_order import KeyPassed, KeysInOrder
from firstwatch.tui.messages import SnapshotArrived
from firstwatch.tui.widgets.field_form import FieldForm
from tests.ui import bench_scene, scenes
from tests.ui.stage import Stage, stage
from tests.ui.test_test_mode import MIDDLE, go_to_field, opened

_PATIENCE_S = 30.0
_NAMED = ("backspace", "delete", "left", "right", "home", "end")


def send(app: KeysInOrder, *keys: str) -> None:
    """Give the app all keys at once, as a terminal does after a stall."""
    for key in keys:
        is_character = len(key) == 1
        name = _character_to_key(key) if is_character else key
        app.post_message(events.Key(name, key if is_character else None))


def edited(keys: list[str]) -> str:
    """Return the text that a line editor has after these keys."""
    text, at = "", 0
    for key in keys:
        match key:
            case "backspace":
                text, at = text[: max(at - 1, 0)] + text[at:], max(at - 1, 0)
            case "delete":
                text = text[:at] + text[at + 1 :]
            case "left":
                at = max(at - 1, 0)
            case "right":
                at = min(at + 1, len(text))
            case "home":
                at = 0
            case "end":
                at = len(text)
            case _:
                text, at = text[:at] + key + text[at:], at + 1
    return text


class _Line(KeysInOrder):
    def compose(self) -> ComposeResult:
        yield Input(select_on_focus=False)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from((*_NAMED, *"ab3< ")), max_size=40))
def test_a_burst_of_keys_edits_as_the_same_keys_one_by_one(keys):
    async def burst() -> str:
        app = _Line()
        async with asyncio.timeout(_PATIENCE_S), app.run_test() as pilot:
            send(app, *keys, "end", "!")
            line = app.query_one(Input)
            while not line.value.endswith("!"):
                await pilot.pause()
            return line.value[:-1]

    assert asyncio.run(burst()) == edited(keys)


class _Question(ModalScreen[None]):
    def compose(self) -> ComposeResult:
        yield Input(select_on_focus=False)


class _Asking(KeysInOrder):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("n", "ask"), Binding("x", "count")]
    counted = 0

    def action_ask(self) -> None:
        self.push_screen(_Question())

    def action_count(self) -> None:
        self.counted += 1


async def test_keys_after_one_that_opens_a_dialog_are_typed_there():
    app = _Asking()
    async with asyncio.timeout(_PATIENCE_S), app.run_test() as pilot:
        send(app, "x", *"nxxy", "backspace", "x")
        while not (lines := list(app.screen.query(Input))) or len(lines[0].value) < 3:
            await pilot.pause()
        assert lines[0].value == "xxx"
        assert app.counted == 1


async def test_a_widget_that_goes_away_with_its_key_does_not_hold_the_next_ones():
    app = _Asking()
    async with asyncio.timeout(_PATIENCE_S), app.run_test() as pilot:
        app.push_screen(_Question())
        await pilot.pause()
        app.screen.query_one(Input).remove()
        send(app, "a", "b")
        app.screen.dismiss()
        send(app, "x", "x")
        while app.counted < 2:
            await pilot.pause()


async def test_what_is_typed_right_behind_enter_goes_into_the_field(tmp_path):
    settings = bench_scene.make(tmp_path)
    async with stage(tmp_path, size=MIDDLE, clock=SystemClock(), settings=settings) as on:
        await opened(on)
        await on.press("right_square_bracket")
        await go_to_field(on, "entry.long.required[0]")
        send(on.app, "enter", *["backspace"] * 2, *"35", "enter", "down", "down")
        await on.until(lambda: _draft_has(on, "rsi(14) < 35"), "the new threshold")
        assert not on.app.bench.tests or all(test.job is None for test in on.app.bench.tests)


def _draft_has(on: Stage, condition: str) -> bool:
    draft = on.app.bench.draft
    form = next(each for each in on.app.mode_screen.query(FieldForm) if each.is_on_screen)
    return draft is not None and condition in str(draft.document) and form.written is None


class _Counting(KeysInOrder):
    """A key changes one line at once, and another one by a message that goes up to the app."""

    class Counted(Message):
        """The key was counted."""

    frames = 0

    def compose(self) -> ComposeResult:
        yield _Key("0")
        yield Static("0", id="sum")

    def on__counting_counted(self) -> None:
        self.query_one("#sum", Static).update(str(self.query_one(_Key).counted))

    def _display(self, screen, renderable):
        self.frames += renderable is not None and not self._batch_count
        super()._display(screen, renderable)


class _Key(Static, can_focus=True):
    counted = 0

    def on_key(self) -> None:
        self.counted += 1
        self.update(str(self.counted))
        self.post_message(_Counting.Counted())


async def test_all_that_a_key_changes_is_painted_in_one_frame():
    app = _Counting()
    async with asyncio.timeout(_PATIENCE_S), app.run_test() as pilot:
        app.query_one(_Key).focus()
        await pilot.pause()
        for number in range(1, 6):
            before = app.frames
            send(app, "x")
            while str(app.query_one("#sum", Static).content) != str(number) or app._batch_count:
                await pilot.pause(0.001)
            await pilot.pause()
            assert app.frames - before == 1


async def test_a_key_that_is_lost_with_its_widget_holds_no_frame_back(monkeypatch):
    app = _Counting()
    async with asyncio.timeout(_PATIENCE_S), app.run_test() as pilot:
        app.query_one(_Key).focus()
        await pilot.pause()
        # As when the widget goes away with the message that follows the key.
        widget = app.query_one(_Key)
        post = widget.post_message
        monkeypatch.setattr(
            widget, "post_message", lambda message: isinstance(message, KeyPassed) or post(message)
        )
        send(app, "x")
        while not app._batch_count:
            await pilot.pause(0)
        before = app.frames
        app.query_one("#sum", Static).update("late")
        while app.frames == before:
            await pilot.pause()
        assert not app._batch_count


async def test_a_snapshot_that_comes_while_a_key_is_handled_is_shown_behind_it(home):
    scenes.busy_day(home)
    async with stage(home) as on:
        await on.ready()
        shown = on.app.snapshot
        first, second = (
            replace(shown, sequence=shown.sequence + more, problem=str(more)) for more in (100, 200)
        )
        taken = []
        on.app.watch(on.app, "snapshot", lambda snapshot: taken.append(snapshot.problem), init=False)
        on.manager.rest(True)
        on.app._hold_frame()
        for each in (first, second):
            on.app.on_snapshot_arrived(SnapshotArrived(each))
        assert on.app.snapshot.problem == shown.problem
        on.app._show_frame()
        assert on.app.snapshot.problem == "200"
        assert "100" not in taken


async def test_the_key_that_ends_the_screen_lets_reading_go_on(home):
    scenes.first_steps(home)
    async with stage(home) as on:
        await on.ready()
        on.app._hold_frame()
        on.app.exit()
    assert on.manager._unhurried.is_set()


class _Leaving(_Asking):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "leave")]

    def action_leave(self) -> None:
        self.exit()


async def test_keys_behind_the_one_that_ends_the_app_are_dropped():
    app = _Leaving()
    async with asyncio.timeout(_PATIENCE_S), app.run_test() as pilot:
        await pilot.pause()
        send(app, "x", "q", *"xxxx")
    assert app.counted <= 5
