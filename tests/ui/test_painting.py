"""What is sent to the terminal is less than what was painted, and shows the same."""

import random
from functools import partial

import pytest
from rich.text import Text
from textual._compositor import ChopsUpdate, Compositor
from textual.app import App
from textual.containers import Horizontal
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Static

from firstwatch.tui.app import FirstwatchApp
from firstwatch.tui.painting import NarrowCompositor, NarrowUpdate
from firstwatch.tui.widgets.status_lines import changed_part
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line
from tests.pty.sight import Sight
from tests.ui import scenes
from tests.ui.stage import stage

SIZE = (50, 9)


class Seen(App[None]):
    """A table on a terminal that sees only what is sent."""

    def __init__(self):
        super().__init__()
        self.sight = Sight(*SIZE)
        self.sent = 0

    def compose(self):
        yield KeyedTable(
            (Column("name", 8), Column("value", 7, is_number=True), Column("more", 6, grows=True))
        )

    def _display(self, screen, renderable):
        if isinstance(renderable, ChopsUpdate):
            renderable = NarrowUpdate.of(renderable)
        if renderable is not None:
            data = renderable.render_segments(self.console).encode()
            self.sent += len(data)
            self.sight.feed(data)
        super()._display(screen, renderable)

    def painted(self):
        strips = self.screen._compositor.render_strips()
        return [strip.text for strip in strips]


def lines(values):
    return [
        Line(f"r{row}", (Cell(f"r{row}"), Cell(value, "gain"), Cell(f"漢{row}", "dim")))
        for row, value in enumerate(values)
    ]


async def test_a_terminal_that_sees_only_changes_shows_what_is_painted():
    chance, app = random.Random(3), Seen()
    async with app.run_test(size=SIZE) as pilot:
        table = app.query_one(KeyedTable)
        table.focus()
        values = ["1.00"] * 12
        for _ in range(40):
            values[chance.randrange(12)] = chance.choice(["2", "+10.25", "−3 漢字", ""])
            table.set_lines(lines(values))
            await pilot.press(chance.choice(["up", "down", "pagedown", "home"]))
            assert app.sight.lines == app.painted()


class Apart(Screen[None]):
    """Lines around two boxes; one of these scrolls."""

    CSS = "Horizontal { height: 5; } #box { overflow-y: auto; height: 5; } Static { width: 25; }"
    rendered = 0

    def __init__(self):
        super().__init__()
        self._compositor = NarrowCompositor()

    def compose(self):
        yield Static("top", id="top")
        with Horizontal():
            yield Counted("left", id="left")
            with Horizontal(id="box"):
                yield Static("\n".join(f"line {row}" for row in range(9)), id="right")
        yield Static("bottom", id="bottom")


class Counted(Static):
    """Counts how often it was rendered."""

    def render_lines(self, crop):
        self.screen.rendered += 1
        return super().render_lines(crop)


class SeenApart(Seen):
    def compose(self):
        return ()

    def on_mount(self):
        self.push_screen(Apart())


async def test_changes_far_apart_are_painted_without_what_lies_between():
    chance, app = random.Random(5), SeenApart()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        before = app.screen.rendered
        for number in range(5):
            app.screen.query_one("#top", Static).update(f"top {number}")
            app.screen.query_one("#bottom", Static).update(f"bottom {number}")
            await pilot.pause()
            assert app.sight.lines == app.painted()
        # Each look at what is painted renders all of it.
        assert app.screen.rendered - before == 5
        for _ in range(40):
            each = chance.choice(["top", "left", "right", "bottom"])
            text = "\n".join("x" * chance.randrange(20) for _ in range(chance.randrange(1, 9)))
            app.screen.query_one(f"#{each}", Static).update(text)
            app.screen.query_one("#box").scroll_to(y=chance.randrange(4), animate=False)
            app.screen.query_one("#left").display = chance.random() < 0.8
            await pilot.pause()
            assert app.sight.lines == app.painted()


async def test_a_terminal_that_sees_only_changes_shows_the_program(home, monkeypatch):
    chance, sight = random.Random(11), Sight(120, 40)
    display = FirstwatchApp._display

    def shown(app, screen, renderable):
        if isinstance(renderable, ChopsUpdate):
            renderable = NarrowUpdate.of(renderable)
        if renderable is not None:
            sight.feed(renderable.render_segments(app.console).encode())
        display(app, screen, renderable)

    monkeypatch.setattr(FirstwatchApp, "_display", shown)
    scenes.busy_day(home)
    async with stage(home) as on:
        await on.ready()
        for number in range(60):
            if number % 4 == 0:
                mark = chance.randrange(95_000, 99_000)
                scenes.move_mark(home, mark, f"{mark - 97_000}.00")
                await on.until(partial(_has_mark, on, mark), "the new mark")
            # Panes, tabs, rows, the chart, folds, dialogs and back.
            await on.press(chance.choice([*"12345[]+-V:?", "up", "down", "escape"]))
            # What lay below a message that ends by itself is sent a moment after it is laid out.
            await on.until(partial(_shows, sight, on), f"the same after {number} keys", looks=40)
            compositor = on.app.screen._compositor
            assert compositor.render_strips() == painted_by_textual(compositor), number


def painted_by_textual(compositor):
    """Return what Textual's own compositor renders."""
    chops = Compositor._render_chops(compositor, compositor.size.region, lambda y: True)
    return [Strip.join(chop.values()) for chop in chops]


async def test_what_was_not_painted_while_the_terminal_was_not_read_looks_like_all_else(home):
    scenes.busy_day(home)
    async with stage(home) as on:
        await on.ready()
        await on.press("3")
        on.app._rest()
        await on.press("4", "?", "escape", "1")
        on.app.on_terminal_read()
        await on.pilot.pause()
        late = on.app.export_screenshot()
        await on.press("3", "4", "1")
        assert late == on.app.export_screenshot()


def _shows(sight, on):
    return [line.rstrip() for line in sight.lines] == on.text().split("\n")


def _has_mark(on, mark):
    live = next(run for run in on.app.snapshot.runs if run.run_id == scenes.LIVE)
    return live.mark == mark


async def test_of_a_row_only_the_cell_that_has_changed_is_sent():
    app = Seen()
    async with app.run_test(size=SIZE) as pilot:
        table = app.query_one(KeyedTable)
        table.set_lines(lines(["1.00"] * 5))
        await pilot.pause()
        app.sent = 0
        table.set_lines(lines(["1.00", "1.00", "2.00", "1.00", "1.00"]))
        await pilot.pause()
        assert app.sight.lines == app.painted()
        assert 0 < app.sent < 100


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("wall 10:59:59  ok", "wall 11:00:00  ok", Region(6, 0, 7, 1)),
        ("漢 1 s", "漢 2 s", Region(3, 0, 1, 1)),
        ("9 s ", "10 s", Region(0, 0, 4, 1)),
        ("9 s", "10 s", None),
    ],
)
def test_of_lines_that_are_built_alike_only_the_columns_that_differ_are_painted(old, new, part):
    assert changed_part(Text(old), Text(new)) == part


def test_another_style_paints_the_whole_line():
    assert changed_part(Text.assemble(("a", "red"), "b"), Text.assemble(("a", "green"), "c")) is None
