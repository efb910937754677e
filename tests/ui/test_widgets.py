"""Table, keymap, themes."""

import subprocess
import sys

import pytest
from textual.app import App
from textual.geometry import Region

from firstwatch.tui.actions import ACTIONS, Action
from firstwatch.tui.keymap import EATEN_BY_MULTIPLEXERS, make_keymap
from firstwatch.tui.themes import load_themes, theme_folder
from firstwatch.tui.widgets.listing import Listing
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


async def test_only_the_cell_that_changed_is_repainted(monkeypatch):
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
        assert painted[0][0].width < app.table.size.width / 2


async def test_columns_of_the_highest_rank_go_first():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_lines([line("a", "1")])
        await pilot.pause()
        assert len(app.table.columns) == 3
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert [column.label.plain.strip() for column in app.table.columns.values()] == ["name", "value"]
        assert app.table.row_count == 1


async def test_lines_are_made_again_only_of_something_else():
    class ListApp(App[None]):
        def compose(self):
            yield Listing(COLUMNS, empty="nothing", id="list")

    app = ListApp()
    made: list[str] = []

    def make(key: str):
        made.append(key)
        return [line(key, "1")]

    async with app.run_test(size=(60, 12)) as pilot:
        listing = app.query_one(Listing)
        await pilot.pause()
        for source in ("a", "a", "b"):
            listing.set_made((source, True), lambda: make(source))  # noqa: B023
        assert made == ["a", "b"]
        # Another page was shown in between: the lines are no longer there.
        listing.set_lines([])
        listing.set_made(("b", True), lambda: make("b"))
        assert made == ["a", "b", "b"]
        assert [row.key.value for row in listing.table.ordered_rows] == ["b"]


async def test_a_title_that_is_cut_keeps_its_version():
    class TitleApp(App[None]):
        def compose(self):
            yield KeyedTable((Column("algorithm", 10, keeps="@"), Column("n", 3, is_number=True)), id="table")

    app = TitleApp()
    async with app.run_test(size=(30, 6)) as pilot:
        table = app.query_one(KeyedTable)
        table.set_lines(
            [Line("a", (Cell("RSI reversion@12"), Cell("12345"))), Line("b", (Cell("RSI@1"), Cell("7")))]
        )
        await pilot.pause()
        texts = [table.render_line(row).text.rstrip() for row in range(3)]
        assert [text[1:] for text in texts] == ["algorithm    n", "RSI r… @12 12…", "RSI@1        7"]


async def test_a_longer_text_widens_its_column_and_another_gives_the_room():
    class NamesApp(App[None]):
        def compose(self):
            yield KeyedTable(
                (
                    Column("algorithm", 10, keeps="@", least=7),
                    Column("wallet", 4, most=9),
                    Column("state", 6, drops=": ", most=20),
                ),
                id="table",
            )

    def named(wallet: str) -> list[Line]:
        return [Line("a", (Cell("RSI reversion@1"), Cell(wallet), Cell("PAUSED: operator")))]

    app = NamesApp()
    # Room for the columns as they are, a blank before each, the scroll bar, and one column more.
    async with app.run_test(size=(25, 6)) as pilot:
        table = app.query_one(KeyedTable)
        for wallet, shown in (
            ("w1", "RSI re… @1 w1   PAUSED"),
            ("wallet", "RSI r… @1 wallet PAUSED"),
            ("wallet-10", "RSI… @1 wallet-… PAUSED"),
        ):
            table.set_lines(named(wallet))
            await pilot.pause()
            assert table.render_line(1).text[1:].rstrip() == shown
        await pilot.resize_terminal(50, 6)
        await pilot.pause()
        assert table.render_line(1).text[1:].rstrip() == "RSI re… @1 wallet-10 PAUSED: operator"


async def test_a_table_that_was_never_notified_of_its_size_takes_it_with_its_lines(monkeypatch):
    monkeypatch.setattr(KeyedTable, "on_resize", lambda *_: None)
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        app.table.set_lines([line("a", "1")])
        assert app.table.row_count == 1


def test_no_default_key_is_eaten_by_a_multiplexer_or_taken_twice():
    keymap = make_keymap({})
    assert keymap.problems == ()
    assert not EATEN_BY_MULTIPLEXERS & set(keymap.keys.values())
    assert {action.id for action in ACTIONS} == set(keymap.keys)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_says_what_it_is(action: Action):
    namespaces = {
        "run", "wallet", "launch", "baseline", "test", "list", "chart", "view", "alarm", "ask", "engine",
        "app", "build",
    }  # fmt: skip
    assert action.title.partition(": ")[0] in namespaces
    assert action.short
    assert action.help.endswith(".")


def test_bad_keys_are_left_out_and_reported():
    keymap = make_keymap({"run.stop": "M", "run.pause": "ctrl+a", "run.fly": "y", "run.again": "t"})
    assert keymap.keys["run.stop"] == "M"
    assert keymap.keys["run.pause"] == "p"
    # What the operator has chosen comes before a default.
    assert (keymap.keys["run.again"], keymap.keys["view.theme"]) == ("t", "")
    assert len(keymap.problems) == 3


def test_actions_of_different_panes_may_share_a_key():
    assert make_keymap({"wallet.create": "s"}).problems == ()
    [problem] = make_keymap({"wallet.create": "t"}).problems
    assert '"t" is both wallet.create and view.theme' in problem


def test_a_sign_is_a_key_as_well_as_its_name():
    keymap = make_keymap({"run.stop": "%"})
    assert keymap.shown("run.stop") == "%"
    assert keymap.keys["run.stop"] == "percent_sign"


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
