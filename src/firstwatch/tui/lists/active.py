"""The active runs."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import RunView
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.runs import RunState
from firstwatch.trading.symbols import pair_of
from firstwatch.tui import formats, run_text, watch_text
from firstwatch.tui.lists import cells
from firstwatch.tui.money_text import money_word
from firstwatch.tui.widgets.sparkline import sparkline
from firstwatch.tui.widgets.table import Cell, Column, Line

_SPARK = 5
COLUMNS = (
    Column("", 1),
    Column("run", 5),
    Column("algorithm", 14, grows=True, keeps="@", least=11),
    Column("wallet", 6, most=12),
    Column("market", 8, rank=3),
    Column("position", 11),
    Column("PnL %", 6, is_number=True),
    Column("24 h", _SPARK, rank=1),
    Column("watch", 8, drops=run_text.WHO, most=18),
    Column("money", 7, rank=2),
    Column("PnL", 9, rank=4, is_number=True),
    Column("equity", 10, rank=5, is_number=True),
    Column("open", 8, rank=6, is_number=True),
    Column("realised", 8, rank=6, is_number=True),
    Column("bar", 11, rank=8),
    Column("age", 6, rank=7, is_number=True),
    Column("remark", 20, rank=9),
)
_OLD_MS = 5_000


def lines(snapshot: ManagerSnapshot, now_ms: int) -> list[Line]:
    """Return a line for each active run."""
    return [_line(row, snapshot.short_id(row.run_id), now_ms) for row in snapshot.active]


def _line(row: RunView, short_id: str, now_ms: int) -> Line:
    age = None if row.live_ms is None else now_ms - row.live_ms
    return Line(
        row.run_id,
        (
            Cell(*run_text.sign(row)),
            cells.short_id(short_id),
            Cell(row.title),
            Cell(row.wallet, "dim"),
            Cell(pair_of(row.symbol), "dim"),
            cells.held(row),
            cells.share(row.pnl_share),
            Cell(sparkline(row.day_equity, _SPARK), "dim"),
            Cell(*run_text.state_text(row)),
            cells.money_kind(row),
            cells.pnl(row.pnl),
            Cell(formats.money(row.equity)),
            cells.pnl(row.unrealised_pnl),
            cells.pnl(row.realised_pnl),
            Cell(formats.short_moment(row.last_bar_ms), "dim"),
            Cell(formats.age(age), "warning" if age is None or age > _OLD_MS else "dim"),
            Cell(*run_text.remark(row)),
        ),
    )


def totals(snapshot: ManagerSnapshot) -> tuple[str, ...]:
    """Return how many runs are active, in trouble and paused, and their PnL as a share of their capital.

    Real and play money are never added up; real money comes first.
    """
    active = snapshot.active
    if not active:
        return ()
    parts = [f"{len(active)} active"]
    counts = (
        (sum(bool(run_text.trouble(row)) for row in active), "in trouble"),
        (sum(row.paused for row in active), "paused"),
        (sum(row.state is RunState.STOPPING for row in active), "stopping"),
    )
    parts += [f"{count} {what}" for count, what in counts if count]
    kinds = [kind for kind in (MoneyKind.LIVE, MoneyKind.TESTNET, MoneyKind.PAPER) if _of(active, kind)]
    for kind in kinds:
        rows = _of(active, kind)
        name = f"{money_word(kind)} {len(rows)} " if len(kinds) > 1 else ""
        parts.append(f"{name}{_made(rows)}")
    return tuple(parts)


def _of(rows: Sequence[RunView], kind: MoneyKind) -> list[RunView]:
    return [row for row in rows if row.money is kind]


def _made(rows: Sequence[RunView]) -> str:
    """Return the PnL of some runs as a share of their capital; those whose PnL is not known are left out."""
    known = [(row.pnl, row.capital) for row in rows if row.pnl is not None]
    capital = sum((capital for _, capital in known), Decimal(0))
    if not capital:
        return f"{formats.UNKNOWN} %"
    return f"{formats.change(float(sum((pnl for pnl, _ in known), Decimal(0)) / capital))} %"


def empty(snapshot: ManagerSnapshot, key_of: Callable[[str], str]) -> str:
    """Return what to do while there is none; without an algorithm that comes first."""
    if snapshot.is_ready and not snapshot.algorithms:
        return f"Nothing is here yet. {key_of('view.first_run')} shows the way to your first run."
    return f"No active run. Press {key_of('run.new')} for a new one."


def below(snapshot: ManagerSnapshot, key_of: Callable[[str], str]) -> str:
    """Return the text of the lower border: how many runs diverge, and how many have ended."""
    ended = len(snapshot.finished)
    parts = [
        watch_text.count_sentence(snapshot.watch_count),
        f"{ended} ended: {key_of('view.history')}" if ended else "",
    ]
    return " · ".join(part for part in parts if part)
