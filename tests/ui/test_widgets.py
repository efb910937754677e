"""Table, charts, keymap, themes."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.geometry import Region

from firstwatch.tui.actions import ACTIONS, Action
from firstwatch.tui.keymap import EATEN_BY_MULTIPLEXERS, make_keymap
from firstwatch.tui.themes import load_themes, theme_folder
from firstwatch.tui.widgets.chart import reduce_to
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line

COLUMNS = (Column("name", 8, grows=True), Column("value", 8, is_number=True), Column("more", 30, rank=1))


def line(key: str, value: str) -> Line:
    return Line(key, (Cell(key), Cell(value, "gain"), Cell("rest")))


class TableApp(App[None]):
    def compose(self):
        yield KeyedTable(COLUMNS, id="table")

    @property
    def table(self) -> KeyedTable:
        return self.query_one(KeyedTable)


async def test_the_cursor_stays_on_its_row_when_rows_come_go_and_change_places():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.focus()
        app.table.set_lines([line(key, "1") for key in "abcd"])
        await pilot.press("down", "down")
        assert app.table.cursor_key == "c"
        app.table.set_lines([line(key, "1") for key in "zdca"])
        await pilot.pause()
        assert app.table.cursor_key == "c"
        assert app.table.cursor_row == 2
        assert [row.key.value for row in app.table.ordered_rows] == list("zdca")


async def test_a_row_that_goes_takes_the_cursor_with_it_until_a_key_moves_it():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.focus()
        app.table.set_lines([line(key, "1") for key in "abc"])
        await pilot.press("down")
        app.table.set_lines([line(key, "1") for key in "ac"])
        await pilot.pause()
        assert app.table.cursor_key is None
        assert not app.table.show_cursor
        await pilot.press("down")
        assert app.table.cursor_key in {"a", "c"}
        assert app.table.show_cursor


async def test_only_the_row_that_changed_is_repainted(monkeypatch):
    app = TableApp()
    async with app.run_test(size=(60, 20)) as pilot:
        app.table.set_lines([line(f"r{number}", "1") for number in range(10)])
        await pilot.pause()
        painted: list[tuple[Region, ...]] = []
        refresh = KeyedTable.refresh

        def seen(self, *regions, **options):
            painted.append(regions)
            return refresh(self, *regions, **options)

        monkeypatch.setattr(KeyedTable, "refresh", seen)
        app.table.set_lines([line(f"r{number}", "1") for number in range(10)])
        assert painted == []
        app.table.set_lines([line(f"r{number}", "2" if number == 4 else "1") for number in range(10)])
        assert [len(regions) for regions in painted] == [1]
        assert painted[0][0].height == 1


async def test_columns_of_the_highest_rank_go_first():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_lines([line("a", "1")])
        await pilot.pause()
        assert len(app.table.columns) == 3
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert [column.label.plain for column in app.table.columns.values()] == ["name", "value"]
        assert app.table.row_count == 1


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000), st.integers(4, 200))
def test_reduced_curves_keep_their_extremes_and_their_order(values, columns):
    times = np.arange(len(values), dtype=np.int64)
    array = np.array(values)
    kept_times, kept = reduce_to(times, array, columns)
    assert len(kept) <= min(len(values), 2 * columns)
    assert kept.max() == array.max()
    assert kept.min() == array.min()
    assert (np.diff(kept_times) >= 0).all()


def test_no_default_key_is_eaten_by_a_multiplexer_or_taken_twice():
    keymap = make_keymap({})
    assert keymap.problems == ()
    assert not EATEN_BY_MULTIPLEXERS & set(keymap.keys.values())
    assert {action.id for action in ACTIONS} == set(keymap.keys)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_says_what_it_is(action: Action):
    assert action.title.partition(": ")[0] in {"run", "wallet", "launch", "baseline", "view", "engine", "app"}
    assert action.short
    assert action.help.endswith(".")


def test_bad_keys_are_left_out_and_reported():
    keymap = make_keymap({"run.stop": "K", "run.pause": "ctrl+a", "run.fly": "y", "run.again": "g"})
    assert keymap.keys["run.stop"] == "K"
    assert keymap.keys["run.pause"] == "p"
    assert len(keymap.problems) == 3


def test_shipped_themes_are_usable_and_bad_ones_are_left_out(tmp_path):
    shipped = load_themes(theme_folder())
    assert shipped.problems == ()
    assert {"firstwatch-night", "firstwatch-day"} <= {theme.name for theme in shipped.usable}
    good = (theme_folder() / "night.toml").read_text()
    (tmp_path / "a.toml").write_text(good.replace("#5aa9e6", "bluish"))
    (tmp_path / "b.toml").write_text("name = ")
    (tmp_path / "c.toml").write_text(good)
    found = load_themes(tmp_path)
    assert [theme.name for theme in found.usable] == ["firstwatch-night"]
    assert "bluish" in found.problems[0]
    assert "b.toml" in found.problems[1]


def test_the_screen_is_imported_without_store_engine_and_their_weight():
    code = (
        "import sys; import firstwatch.tui.app; "
        "print([name for name in ('sqlalchemy', 'sqlmodel', 'ccxt', 'talib', 'numba', 'pandas', 'lark', "
        "'firstwatch.store.database', 'firstwatch.engine.host.host') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
