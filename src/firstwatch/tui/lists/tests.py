"""The tests: those that wait or run with their progress, and those that are over with what they found."""

from firstwatch.manager.test_views import TestView
from firstwatch.trading.jobs import JobKind, JobState
from firstwatch.trading.symbols import pair_of
from firstwatch.tui import formats
from firstwatch.tui.lists import cells
from firstwatch.tui.widgets.table import Cell, Column, Line, Tone

COLUMNS = (
    Column("#", 4, is_number=True),
    Column("test", 10),
    Column("of", 12, grows=True, keeps="@", least=10),
    Column("result", 15, most=24),
    Column("Sharpe", 6, rank=2, is_number=True),
    Column("drawdown", 8, rank=3, is_number=True),
    Column("trades", 6, rank=4, is_number=True),
    Column("market", 9, rank=6),
    Column("period", 17, rank=5),
)
EMPTY = "Nothing has been tested yet."
KIND_WORDS: dict[JobKind, str] = {
    JobKind.BACKTEST: "backtest",
    JobKind.BASELINE: "baseline",
    JobKind.CALIBRATION: "calibrate",
    JobKind.CROSS_VALIDATION: "validate",
    JobKind.OPTIMISATION: "optimise",
    JobKind.USEFULNESS: "usefulness",
}
_BAR = 6


def lines(tests: tuple[TestView, ...]) -> list[Line]:
    """Return a line for each test, the newest first."""
    return [_line(test) for test in tests]


def _line(test: TestView) -> Line:
    metrics = test.metrics
    return Line(
        test.key,
        (
            Cell(test.number, "dim"),
            Cell(KIND_WORDS[test.kind]),
            Cell(test.title),
            Cell(*_state(test)),
            _ratio(test, "sharpe"),
            _percent(test, "max_drawdown"),
            Cell(str(metrics["total_trades"]) if "total_trades" in metrics else ""),
            Cell(pair_of(test.symbol) if test.symbol else "", "dim"),
            Cell(_period(test), "dim"),
        ),
    )


def progress_text(test: TestView, width: int = _BAR) -> str:
    """Return how far a test is, as a bar with the time left: ``███··· 52 % 8 s``."""
    full = round(test.progress * width)
    left = "" if test.seconds_left is None else f" {formats.age(round(test.seconds_left * 1000))}"
    return f"{'█' * full}{'·' * (width - full)} {test.progress * 100:.0f} %{left}"


def _state(test: TestView) -> tuple[str, Tone]:
    if test.is_being_cancelled:
        return "is cancelled…", "warning"
    match test.state:
        case JobState.QUEUED:
            return "waits", "dim"
        case JobState.RUNNING:
            return progress_text(test), "accent"
        case JobState.FAILED:
            return f"failed: {test.sentence}", "error"
        case JobState.CANCELLED:
            return "cancelled", "dim"
    if test.kind is JobKind.CROSS_VALIDATION:
        if test.verdict is None:
            return "· no verdict", "dim"
        return ("✔ passed", "gain") if test.verdict else ("✘ failed", "error")
    if (made := test.metrics.get("total_return")) is not None:
        text = f"{formats.change(made)} %"
        return text, cells.money_tone(text)
    return "done", "dim"


def _ratio(test: TestView, name: str) -> Cell:
    value = test.metrics.get(name)
    return Cell("" if not test.metrics else "–" if value is None else f"{value:.2f}")


def _percent(test: TestView, name: str) -> Cell:
    value = test.metrics.get(name)
    return Cell("" if value is None else f"{value * 100:.1f}", "dim")


def _period(test: TestView) -> str:
    if test.begin_ms is None or test.end_ms is None:
        return ""
    return f"{formats.moment(test.begin_ms)[2:10]}…{formats.moment(test.end_ms)[2:10]}"
