"""The table: sorting, filtering, marks, and what a snapshot costs while they are on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.geometry import Region
from textual.widgets import Input

from firstwatch.tui.widgets.filter_line import FilterLine
from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line, fitted, rank_of

COLUMNS = (Column("wallet", 8, grows=True), Column("PnL", 8, is_number=True), Column("note", 30, rank=1))
NUMBERS = {"w2": "-3.00", "w10": "+1,200.00", "w1": "?", "w3": "+20.50"}


def lines(numbers: dict[str, str] = NUMBERS) -> list[Line]:
    return [Line(key, (Cell(key), Cell(value), Cell(f"note of {key}"))) for key, value in numbers.items()]


class TableApp(App[None]):
    def compose(self):
        yield KeyedTable(COLUMNS, id="table")

    @property
    def table(self) -> KeyedTable:
        return self.query_one(KeyedTable)

    def order(self) -> list[str | None]:
        return [row.key.value for row in self.table.ordered_rows]


async def test_a_click_on_a_head_sorts_and_the_next_one_reverses():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_lines(lines())
        await pilot.pause()
        await pilot.click(KeyedTable, offset=(2, 0))
        assert app.order() == ["w1", "w2", "w3", "w10"]
        await pilot.click(KeyedTable, offset=(2, 0))
        assert app.order() == ["w10", "w3", "w2", "w1"]
        head = app.screen._compositor.render_strips()[0].text
        assert head.split() == ["wallet↓", "PnL", "note"]


async def test_what_is_unknown_comes_last_in_either_direction():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_lines(lines())
        await pilot.pause()
        app.table.sort_by(1)
        assert app.order() == ["w2", "w3", "w10", "w1"]
        app.table.sort_by(1)
        assert app.order() == ["w10", "w3", "w2", "w1"]
        app.table.sort_by(None)
        assert app.order() == list(NUMBERS)


async def test_rows_keep_their_order_by_the_column_when_a_snapshot_changes_it():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_lines(lines())
        app.table.focus()
        await pilot.pause()
        app.table.sort_by(1)
        app.table.point_at("w3")
        app.table.set_lines(lines({**NUMBERS, "w1": "+5.00", "w3": "-9.00"}))
        assert app.order() == ["w3", "w2", "w1", "w10"]
        assert app.table.cursor_key == "w3"
        assert app.table.cursor_row == 0


async def test_a_filter_wants_every_word_and_gives_back_the_cursor():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_lines(lines())
        app.table.focus()
        await pilot.pause()
        app.table.point_at("w10")
        app.table.filter_text = "W3 note"
        assert app.order() == ["w3"]
        assert app.table.cursor_key is None
        assert app.table.counts == (1, 4)
        app.table.filter_text = "w1"
        assert app.order() == ["w10", "w1"]
        assert app.table.cursor_key == "w10"
        app.table.filter_text = "w2"
        await pilot.press("escape")
        assert app.order() == list(NUMBERS)
        assert app.table.cursor_key == "w10"


async def test_a_table_whose_rows_change_while_it_is_hidden_shows_them_as_they_are():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_lines(lines())
        await pilot.pause()
        app.table.display = False
        await pilot.pause()
        changed = [Line(line.key, (line.cells[0], Cell("77.77"), *line.cells[2:])) for line in lines()]
        app.table.set_lines(changed)
        app.table.display = True
        await pilot.pause()
        shown = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert shown.count("77.77") == len(changed)


async def test_hidden_columns_are_searched_too():
    app = TableApp()
    async with app.run_test(size=(30, 12)) as pilot:
        app.table.set_lines(lines())
        await pilot.pause()
        assert len(app.table.columns) == 2
        app.table.filter_text = "note of w2"
        assert app.order() == ["w2"]


async def test_the_filter_line_filters_as_it_is_typed_and_goes_with_escape():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_lines(lines())
        await pilot.pause()
        await app.mount(FilterLine(app.table), after=app.table)
        await pilot.pause()
        await pilot.press("w", "1", "0")
        assert app.order() == ["w10"]
        assert "1 of 4" in str(app.query_one("#filter-count").render())
        await pilot.press("enter")
        assert app.table.has_focus
        assert app.table.cursor_key == "w10"
        assert app.query_one(Input).value == "w10"
        await pilot.press("escape")
        await pilot.pause()
        assert app.order() == list(NUMBERS)
        assert not app.query(FilterLine)


async def test_marks_are_by_key_and_a_row_that_is_not_shown_does_not_count():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        app.table.set_lines(lines())
        app.table.focus()
        await pilot.pause()
        for key in ("w10", "w2"):
            app.table.point_at(key)
            app.table.toggle_mark()
        app.table.sort_by(0)
        assert app.table.marked == ("w2", "w10")
        await pilot.pause()
        rows = [strip.text for strip in app.screen._compositor.render_strips()[1:5]]
        assert ["*" in row for row in rows] == [False, True, False, True]
        assert app.table.chosen_text().splitlines()[0] == "w2\t-3.00\tnote of w2"
        app.table.filter_text = "w10"
        assert app.table.marked == ("w10",)
        app.table.filter_text = ""
        app.table.set_lines(lines({"w2": "1", "w4": "2"}))
        app.table.set_lines(lines())
        assert app.table.marked == ("w2",)
        app.table.toggle_mark()
        assert app.table.marked == ()


async def test_only_the_row_that_changed_is_repainted_while_sorted_filtered_and_marked(monkeypatch):
    app = TableApp()
    async with app.run_test(size=(60, 20)) as pilot:
        numbers = {f"w{number}": f"{number}.00" for number in range(10)}
        app.table.set_lines(lines(numbers))
        await pilot.pause()
        app.table.sort_by(1)
        app.table.filter_text = "w"
        app.table.point_at("w4")
        app.table.toggle_mark()
        await pilot.pause()
        painted: list[tuple[Region, ...]] = []
        refresh = KeyedTable.refresh

        def seen(self, *regions, **options):
            painted.append(regions)
            return refresh(self, *regions, **options)

        monkeypatch.setattr(KeyedTable, "refresh", seen)
        app.table.set_lines(lines({**numbers, "w4": "4.50"}))
        assert [len(regions) for regions in painted] == [1]
        assert painted[0][0].height == 1
        painted.clear()
        app.table.set_lines(lines({**numbers, "w4": "40.50"}))
        assert () in painted


@pytest.mark.parametrize(
    ("less", "more"),
    [("-0.97", "+0.22"), ("1,000.5", "1,001"), ("59 s", "2 min"), ("119 min", "2 h"), ("47 h", "2 d")],
)
def test_numbers_and_ages_sort_by_what_they_mean(less, more):
    assert rank_of(less, True) < rank_of(more, True)


@given(st.lists(st.text(max_size=12), max_size=20))
def test_any_text_can_be_sorted(texts):
    for is_number in (False, True):
        ranks = [rank for text in texts if (rank := rank_of(text, is_number)) is not None]
        assert len(sorted(ranks)) == len(ranks)


@pytest.mark.parametrize(
    ("width", "shown"),
    [(15, "RSI reversion@1"), (14, "RSI revers… @1"), (13, "RSI rever… @1"), (4, "RSI…")],
)
def test_of_a_name_that_is_cut_the_version_stays_a_word_of_its_own(width, shown):
    assert fitted("RSI reversion@1", width, Column("algorithm", 14, keeps="@")) == shown


async def test_the_end_of_a_cell_stands_at_the_right_and_is_never_cut():
    app = TableApp()
    async with app.run_test(size=(60, 12)) as pilot:
        long = Cell("a sentence that has no room in its column", end="! actions")
        app.table.set_lines(
            [
                Line("w1", (Cell("w1"), Cell("1"), long)),
                Line("w2", (Cell("w2"), Cell("2"), Cell("short", end="!"))),
            ]
        )
        await pilot.pause()
        rows = [strip.text.rstrip() for strip in app.screen._compositor.render_strips()[1:3]]
        assert rows[0].endswith("… ! actions")
        assert rows[1].endswith("  !")
        assert len(rows[0]) == len(rows[1])
