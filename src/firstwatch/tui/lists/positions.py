"""Positions of the runs, with stops and targets as they rest at the venue."""

from decimal import Decimal

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import PositionView, RunView
from firstwatch.trading.runs import Exposure, Protection
from firstwatch.trading.symbols import pair_of
from firstwatch.tui import formats
from firstwatch.tui.lists import cells
from firstwatch.tui.widgets.table import Cell, Column, Line, Tone

COLUMNS = (
    Column("run", 5),
    Column("side", 5),
    Column("amount", 9, is_number=True),
    Column("entry", 10, is_number=True),
    Column("mark", 10, rank=2, is_number=True),
    Column("open PnL", 8, is_number=True),
    Column("stop", 10, rank=1, is_number=True),
    Column("liq. %", 6, rank=2, is_number=True),
    Column("protection", 10, rank=1),
    Column("target", 10, rank=3, is_number=True),
    Column("liquidation", 11, rank=4, is_number=True),
    Column("wallet", 6, rank=3, most=12),
    Column("money", 7, rank=5),
    Column("market", 9, rank=6),
    Column("algorithm", 12, rank=7, grows=True, keeps="@", least=11),
)
EMPTY = "All flat."
_NEAR = 0.10
"""A liquidation that is nearer than this fraction of the mark is a warning."""
_WORDS = {Protection.PROTECTED: "stop rests", Protection.NOT_NEEDED: "none set"}


def lines(snapshot: ManagerSnapshot) -> list[Line]:
    """Return a line for each run that holds something, or may."""
    return [
        line_of(row, snapshot.short_id(row.run_id))
        for row in snapshot.runs
        if row.exposure is not Exposure.FLAT
    ]


def line_of(row: RunView, short_id: str) -> Line:
    """Return the line of a run that is not flat."""
    position = row.position
    about = (
        Cell(row.wallet, "dim"),
        cells.money_kind(row),
        Cell(pair_of(row.symbol), "dim"),
        Cell(row.title, "dim"),
    )
    if position is None or position.side is None:
        unknown = tuple(Cell(formats.UNKNOWN, "error") for _ in range(10))
        return Line(row.run_id, (cells.short_id(short_id), *unknown, *about))
    distance = position.liquidation_distance(row.mark)
    is_near = distance is not None and distance < _NEAR
    return Line(
        row.run_id,
        (
            cells.short_id(short_id),
            Cell(position.side.value),
            Cell(formats.short_amount(position.amount)),
            Cell(formats.price(position.entry_price)),
            Cell(formats.price(row.mark)),
            cells.pnl(row.unrealised_pnl),
            _resting(position.stop, position.stop_wanted, is_missed=row.protection is Protection.UNPROTECTED),
            Cell("-" if distance is None else f"{distance * 100:.1f}", "warning" if is_near else "dim"),
            _protection(row, position),
            _resting(position.target, position.target_wanted),
            cells.level(position.liquidation_price),
            *about,
        ),
    )


def _protection(row: RunView, position: PositionView) -> Cell:
    if row.protection is Protection.UNPROTECTED:
        return Cell("OLD STOP" if position.is_stop_behind else "NO STOP", "error")
    if not row.state.is_active:
        return Cell("no run", "error")
    return Cell(_WORDS[row.protection], "dim")


def _resting(at: Decimal | None, wanted: Decimal | None, *, is_missed: bool = False) -> Cell:
    """Return the level at which a leg rests; an alarm if it is missing or should rest elsewhere."""
    tone: Tone = "error" if is_missed or wanted not in (None, at) else ""
    return Cell("NONE", tone) if tone and at is None else Cell(cells.level(at).text, tone)
