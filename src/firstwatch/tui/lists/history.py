"""The runs that have ended."""

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.trading.runs import RunState
from firstwatch.trading.symbols import pair_of
from firstwatch.tui import formats
from firstwatch.tui.lists import cells
from firstwatch.tui.widgets.table import Cell, Column, Line

COLUMNS = (
    Column("run", 5),
    Column("algorithm", 13, grows=True, keeps="@", least=11),
    Column("wallet", 6, rank=3, most=12),
    Column("state", 9),
    Column("left", 11, rank=1),
    Column("PnL %", 6, is_number=True),
    Column("PnL", 9, rank=2, is_number=True),
    Column("ended", 11, rank=1),
    Column("money", 7, rank=4),
    Column("market", 9, rank=5),
    Column("why", 24, rank=6),
)
EMPTY = "No run has ended yet."


def lines(snapshot: ManagerSnapshot) -> list[Line]:
    """Return a line for each run that has ended, the newest first."""
    return [_line(row, snapshot.short_id(row.run_id)) for row in snapshot.finished]


def _line(row: RunView, short_id: str) -> Line:
    return Line(
        row.run_id,
        (
            cells.short_id(short_id),
            Cell(row.title),
            Cell(row.wallet, "dim"),
            Cell(row.state.value, "error" if row.state is RunState.FAILED else ""),
            cells.held(row),
            cells.share(row.pnl_share),
            cells.pnl(row.pnl),
            Cell(formats.short_moment(row.ended_ms), "dim"),
            cells.money_kind(row),
            Cell(pair_of(row.symbol), "dim"),
            Cell(row.sentence or (row.exit_reason.value if row.exit_reason else ""), "dim"),
        ),
    )
