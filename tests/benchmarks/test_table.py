"""Budget of a list: filtering and sorting five hundred rows, to the end of the layout that follows."""

import sys
import time

from textual.app import App

from firstwatch.tui.widgets.table import Cell, Column, KeyedTable, Line

ROWS = 500
BUDGET_S = 0.05
COLUMNS = tuple(Column(f"column {number}", 9, is_number=number % 2 == 1) for number in range(11))


def lines() -> list[Line]:
    return [
        Line(
            f"run{row}",
            tuple(
                Cell(f"{(row * 37 % 501) / 7:+,.2f}" if number % 2 else f"w{row * 31 % 487} of {number}")
                for number in range(len(COLUMNS))
            ),
        )
        for row in range(ROWS)
    ]


class TableApp(App[None]):
    def compose(self):
        yield KeyedTable(COLUMNS)


async def test_five_hundred_rows_are_filtered_and_sorted_within_fifty_milliseconds():
    app = TableApp()
    async with app.run_test(size=(120, 40)) as pilot:
        table = app.query_one(KeyedTable)
        table.set_lines(lines())
        await pilot.pause()
        table.focus()
        best_s: dict[str, float] = {}
        steps = {
            "filter": lambda: setattr(table, "filter_text", "w1"),
            "no filter": lambda: setattr(table, "filter_text", ""),
            "sort by number": lambda: table.sort_by(1),
            "sort by text": lambda: table.sort_by(0),
        }
        for _ in range(10):
            for name, step in steps.items():
                begun = time.process_time()
                step()
                await pilot.pause()
                took_s = time.process_time() - begun
                best_s[name] = min(took_s, best_s.get(name, took_s))
        figures = ", ".join(f"{name} {took_s * 1000:.1f} ms" for name, took_s in best_s.items())
        sys.stdout.write(f"\n{ROWS} rows: {figures}\n")
        # Processor time and the fastest: a machine that tests has other things to do.
        assert max(best_s.values()) < BUDGET_S
