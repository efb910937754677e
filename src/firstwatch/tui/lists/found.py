"""What tests have found, as lines: figures, trades, exits, drawdowns, folds, conditions, comparisons."""

from collections.abc import Mapping, Sequence
from typing import Any

from firstwatch.manager.test_views import BacktestView, Figure, TestDetails
from firstwatch.trading.launch_words import EXIT_WORDS
from firstwatch.trading.text import counted
from firstwatch.trading.trade import Trade
from firstwatch.tui import figures, formats
from firstwatch.tui.lists import cells
from firstwatch.tui.lists.tests import KIND_WORDS
from firstwatch.tui.lists.trades import reason, value_share
from firstwatch.tui.widgets.table import Cell, Column, Line

_DAY_MS = 86_400_000

# --- figures -------------------------------------------------------------------------------------

FIGURES = (
    Column("", 19),
    Column("result", 11, is_number=True),
    Column("", 1),
    Column("reference", 24, rank=1, grows=True),
)


def figure_lines(found: BacktestView) -> list[Line]:
    """Return a line for each figure with its reference; what it needs, where it has no value."""
    known = {each.name: each for each in found.figures}
    return [_figure(known[name]) for name in figures.FIGURES if name in known]


def _figure(each: Figure) -> Line:
    label, write = figures.FIGURES[each.name]
    value = "–" if each.value is None else write(each.value)
    is_money = each.name in figures.WON_OR_LOST and each.value is not None
    sign = Cell("") if each.is_good is None else Cell("✔", "gain") if each.is_good else Cell("!", "warning")
    tone = cells.money_tone(value) if is_money else "warning" if each.is_good is False else ""
    about = each.needs if each.value is None else each.reference
    return Line(each.name, (Cell(label), Cell(value, tone), sign, Cell(about, "dim")))


# --- trades, exits, drawdowns ---------------------------------------------------------------------

TRADES = (
    Column("#", 5, rank=3, is_number=True),
    Column("side", 5),
    Column("entered", 16, rank=2),
    Column("exited", 16),
    Column("entry", 10, rank=3, is_number=True),
    Column("exit", 10, rank=3, is_number=True),
    Column("PnL", 10, is_number=True),
    Column("PnL %", 7, rank=1, is_number=True),
    Column("bars", 6, rank=4, is_number=True),
    Column("by", 13, grows=True),
)


def trade_lines(found: BacktestView) -> list[Line]:
    """Return a line for each trade, the newest first."""
    return [_trade(number, trade) for number, trade in reversed(list(enumerate(found.trades, start=1)))]


def _trade(number: int, trade: Trade) -> Line:
    return Line(
        str(number),
        (
            Cell(str(number), "dim"),
            Cell(trade.side.value),
            Cell(formats.moment(trade.entry_time_ms), "dim"),
            Cell(formats.moment(trade.exit_time_ms), "dim"),
            Cell(formats.price(trade.entry_price)),
            Cell(formats.price(trade.exit_price)),
            cells.pnl(trade.pnl),
            cells.share(value_share(trade)),
            Cell(str(trade.bars_held), "dim"),
            Cell(reason(trade)),
        ),
    )


EXITS = (
    Column("exit by", 14),
    Column("trades", 7, is_number=True),
    Column("share", 7, is_number=True),
    Column("PnL", 11, is_number=True),
    Column("average", 10, rank=1, is_number=True),
    Column("bars held", 9, rank=2, is_number=True),
    Column("", 12, rank=3, grows=True),
)
_BAR = 10
"""Cells of the longest bar: as many as its column has at least."""


def exit_lines(found: BacktestView) -> list[Line]:
    """Return a line for each reason for which trades ended."""
    total = sum(each.trades for each in found.exits)
    lines = []
    for each in found.exits:
        pnl, average = figures.money(each.pnl), figures.money(each.average_trade)
        lines.append(
            Line(
                each.reason.value,
                (
                    Cell(EXIT_WORDS[each.reason]),
                    Cell(str(each.trades)),
                    Cell(formats.percent(each.trades / total)),
                    Cell(pnl, cells.money_tone(pnl)),
                    Cell(average, cells.money_tone(average)),
                    Cell(f"{each.average_bars:.1f}", "dim"),
                    Cell("█" * round(_BAR * each.trades / total), "dim"),
                ),
            )
        )
    return lines


DRAWDOWNS = (
    Column("", 2, is_number=True),
    Column("depth", 8, is_number=True),
    Column("from", 16),
    Column("lowest", 16, rank=1),
    Column("back at the peak", 16),
    Column("days", 8, rank=2, is_number=True),
    Column("", 10, rank=3, grows=True),
)


def drawdown_lines(found: BacktestView) -> list[Line]:
    """Return a line for each of the largest drawdowns, the largest first."""
    deepest = max((each.depth for each in found.falls), default=0.0) or 1.0
    lines = []
    for number, each in enumerate(found.falls, start=1):
        end_ms = int(found.time_ms[-1]) if each.end_ms is None else each.end_ms
        lines.append(
            Line(
                str(number),
                (
                    Cell(str(number), "dim"),
                    Cell(f"-{each.depth * 100:.2f} %", "loss"),
                    Cell(formats.moment(each.begin_ms)),
                    Cell(formats.moment(each.lowest_ms)),
                    Cell("not yet" if each.end_ms is None else formats.moment(each.end_ms)),
                    Cell(f"{(end_ms - each.begin_ms) / _DAY_MS:.1f}"),
                    Cell("█" * round(_BAR * each.depth / deepest), "loss"),
                ),
            )
        )
    return lines


# --- folds ---------------------------------------------------------------------------------------

FOLDS = (
    Column("fold", 4, is_number=True),
    Column("tested from", 11),
    Column("to", 11, rank=1),
    Column("PnL", 11, is_number=True),
    Column("return %", 8, rank=2, is_number=True),
    Column("Sharpe", 7, rank=3, is_number=True),
    Column("drawdown", 9, is_number=True),
    Column("trades", 6, is_number=True),
    Column("trained from", 12, rank=4),
    Column("chosen", 12, rank=5, grows=True),
)


def fold_lines(found: Mapping[str, Any]) -> list[Line]:
    """Return a line for each fold, and below them their spread."""
    lines = []
    for number, fold in enumerate(found.get("folds", ()), start=1):
        metrics, train, test = fold["metrics"], fold["train"], fold["test"]
        pnl = formats.money(metrics.get("net_pnl"), signed=True)
        chosen = ", ".join(f"{name}={value:g}" for name, value in (fold.get("parameters") or {}).items())
        lines.append(
            Line(
                str(number),
                (
                    Cell(str(number), "dim"),
                    Cell(test[0][:10]),
                    Cell(test[1][:10]),
                    Cell(pnl, cells.money_tone(pnl)),
                    cells.share(metrics.get("total_return")),
                    Cell(_ratio(metrics.get("sharpe"))),
                    Cell(_percent(metrics.get("max_drawdown"))),
                    Cell(str(metrics.get("total_trades", ""))),
                    Cell(train[0][:10], "dim"),
                    Cell(chosen, "dim"),
                ),
            )
        )
    return lines


def spread_text(found: Mapping[str, Any]) -> str:
    """Return the spread of the folds' figures in one line each."""
    lines = []
    for name, values in found.get("spread", {}).items():
        label, write = figures.FIGURES.get(name, (name.replace("_", " "), figures.ratio))
        low, middle, high = (values.get(what) for what in ("minimum", "median", "maximum"))
        if low is not None and middle is not None and high is not None:
            lines.append(f"{label}: median {write(middle)}, from {write(low)} to {write(high)}")
    return "\n".join(lines)


# --- usefulness ----------------------------------------------------------------------------------

CONDITIONS = (
    Column("score", 5, is_number=True),
    Column("condition", 24, grows=True),
    Column("group", 18, rank=2),
    Column("true %", 7, rank=1, is_number=True),
    Column("flips", 7, rank=3, is_number=True),
    Column("completed", 9, rank=4, is_number=True),
    Column("blocked alone", 13, rank=4, is_number=True),
    Column("without it PnL", 14, is_number=True),
    Column("Sharpe", 7, rank=1, is_number=True),
)


def condition_lines(found: Mapping[str, Any]) -> list[Line]:
    """Return a line for each condition, the most useful first."""
    rows = sorted(found.get("conditions", ()), key=lambda each: -(each.get("score") or 0))
    return [_condition(number, each) for number, each in enumerate(rows)]


def _condition(number: int, each: Mapping[str, Any]) -> Line:
    ablation = each.get("ablation") or {}
    score = each.get("score")
    pnl = formats.money(ablation.get("net_pnl"), signed=True)
    return Line(
        str(number),
        (
            Cell("–" if score is None else f"{score:.0f}", "warning" if (score or 0) < 10 else ""),
            Cell(str(each.get("condition", ""))),
            Cell(str(each.get("group", "")), "dim"),
            Cell(_percent(each.get("true_share"))),
            Cell(_count(each.get("flips")), "dim"),
            Cell(_count(each.get("completed")), "dim"),
            Cell(_count(each.get("blocked_alone")), "dim"),
            Cell(pnl, cells.money_tone(pnl)),
            Cell(_signed(ablation.get("sharpe"))),
        ),
    )


# --- side by side --------------------------------------------------------------------------------

MOST_COMPARED = 4
COMPARED = (
    Column("", 26, grows=True),
    *(Column(str(number), 15, rank=number, is_number=True) for number in range(1, MOST_COMPARED + 1)),
)
"""Columns for the tests that are compared; the last ones go first where there is no room."""


def compared_lines(found: Sequence[TestDetails]) -> list[Line]:
    """Return what differs in the settings of some tests, and their figures beside each other."""
    shown = found[:MOST_COMPARED]
    lines = [_row("test", "", [f"{KIND_WORDS[each.view.kind]} {each.view.number}" for each in shown])]
    settings = [dict(each.settings) for each in shown]
    for name in dict.fromkeys(name for each in settings for name in each):
        written = [each.get(name, "–") for each in settings]
        if len(set(written)) > 1:
            lines.append(_row(f"setting {name}", name, written))
    known = [_by_name(each) for each in shown]
    for name, (label, write) in figures.FIGURES.items():
        values = [each.get(name) for each in known]
        if any(value is not None for value in values):
            texts = ["–" if value is None else write(value) for value in values]
            lines.append(_row(name, label, texts, is_money=name in figures.WON_OR_LOST))
    return lines


def _by_name(details: TestDetails) -> dict[str, float | None]:
    if details.backtest is None:
        return {name: details.view.metrics.get(name) for name in figures.FIGURES}
    return {each.name: each.value for each in details.backtest.figures}


def _row(key: str, label: str, values: Sequence[str], *, is_money: bool = False) -> Line:
    found = [Cell(value, cells.money_tone(value) if is_money else "") for value in values]
    blank = [Cell("")] * (MOST_COMPARED - len(found))
    return Line(key, (Cell(label, "dim" if key.startswith("setting") else ""), *found, *blank))


# --- a study -------------------------------------------------------------------------------------

PARAMETERS = (
    Column("parameter", 28, grows=True),
    Column("best", 10, is_number=True),
    Column("importance", 10, rank=1, is_number=True),
    Column("", 14, rank=2),
)


def parameter_lines(found: Mapping[str, Any]) -> list[Line]:
    """Return a line for each parameter of a study: its best value, and how much it matters."""
    best = (found.get("best") or {}).get("parameters") or {}
    importance = found.get("importance") or {}
    lines = []
    for name in dict.fromkeys((*importance, *best)):
        share = importance.get(name)
        lines.append(
            Line(
                name,
                (
                    Cell(name),
                    Cell("" if name not in best else f"{best[name]:g}"),
                    Cell("–" if share is None else formats.percent(share)),
                    Cell("" if share is None else "█" * round(12 * share), "accent"),
                ),
            )
        )
    return lines


def winner_text(found: Mapping[str, Any]) -> str:
    """Return the winner of a study in a line; of two objectives, how many points the front has."""
    best = found.get("best")
    if best is None:
        front = found.get("pareto") or ()
        return f"{len(front)} points on the front of the two objectives" if front else "no winner yet"
    metrics = best.get("metrics") or {}
    figures_ = " · ".join(
        f"{figures.FIGURES[name][0]} {figures.FIGURES[name][1](metrics[name])}"
        for name in _WINNER
        if metrics.get(name) is not None
    )
    return f"BEST of {found.get('trials', '?')} trials  {figures_}"


_WINNER = ("net_pnl", "sharpe", "max_drawdown", "total_trades")


def honest_text(found: Mapping[str, Any]) -> str:
    """Return what a search leaves of its winner: luck, overfitting, length, the bars it has never seen."""
    lines = [str(found["words"])] if found.get("words") else []
    parts = [
        ("deflated Sharpe", found.get("deflated_sharpe"), "{:.3f}"),
        ("overfitting", found.get("overfitting_probability"), "{:.2f}"),
        ("days needed", found.get("minimum_backtest_days"), "{:,.0f}"),
    ]
    known = [f"{name} {form.format(value)}" for name, value, form in parts if value is not None]
    lines.append(" · ".join([*known, f"{found.get('counted_trials', 0):,} trials counted"]))
    holdout = found.get("holdout") or {}
    if metrics := holdout.get("metrics"):
        pnl = formats.money(metrics.get("net_pnl"), signed=True)
        trades, used = (int(each or 0) for each in (metrics.get("total_trades"), holdout.get("used_before")))
        lines.append(
            f"hold-out, never searched: PnL {pnl}, Sharpe {_ratio(metrics.get('sharpe'))},"
            f" {counted(trades, 'trade')}; it was used {counted(used, 'time')} before"
        )
    return "\n".join(lines)


FRONT = (
    Column("", 3, is_number=True),
    Column("first", 11, is_number=True),
    Column("second", 11, is_number=True),
    Column("deflated", 8, rank=1, is_number=True),
    Column("parameters", 30, grows=True),
)


def goals_text(found: Mapping[str, Any]) -> str:
    """Return the two goals of a study; empty: it has one."""
    names = found.get("objectives") or ()
    if len(names) < 2:
        return ""
    first, second = (figures.FIGURES[name][0] if name in figures.FIGURES else name for name in names)
    return f"first: {first} · second: {second}; no other trial beats a point of the front in both"


def front_lines(found: Mapping[str, Any]) -> list[Line]:
    """Return a line for each point of the front of two objectives."""
    return [
        Line(
            str(number),
            (
                Cell(str(number + 1), "dim"),
                *(Cell(f"{value:,.4g}") for value in each["values"]),
                Cell(_ratio(each.get("deflated_sharpe"))),
                Cell(parameters_text(each["parameters"])),
            ),
        )
        for number, each in enumerate(found.get("pareto") or ())
    ]


def parameters_text(parameters: Mapping[str, float]) -> str:
    """Return parameters with their values, by the end of their names."""
    return ", ".join(f"{name.rpartition('.')[2]} {value:g}" for name, value in parameters.items())


def values_text(values: Sequence[float]) -> str:
    """Return the values of two objectives."""
    return " and ".join(f"{value:,.4g}" for value in values)


def usefulness_text(found: Mapping[str, Any]) -> str:
    """Return the formula of the score, and the near misses of entries."""
    lines = [str(found["formula"])] if found.get("formula") else []
    lines += [
        f"near miss: {each['count']:,} times only {each['missing']} was missing for {each['group']},"
        f" last {each['last_at'][:16].replace('T', ' ')}"
        for each in found.get("near_misses") or ()
    ]
    return "\n".join(lines)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
