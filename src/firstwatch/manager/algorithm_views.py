"""Versions of algorithms as views, with what their newest baseline says."""

from functools import lru_cache

from firstwatch.manager.views import AlgorithmView
from firstwatch.store import algorithms, backtests, test_results
from firstwatch.store.database import Session
from firstwatch.strategy.difference_words import level_words
from firstwatch.strategy.specification import AlgorithmSpec
from firstwatch.trading.errors import DamagedRowError, WrongUseError
from firstwatch.trading.text import counted


@lru_cache(maxsize=512)
def spec_of(version: algorithms.AlgorithmVersion) -> AlgorithmSpec:
    try:
        return AlgorithmSpec.from_json(version.spec_json)
    except WrongUseError as error:
        raise DamagedRowError(f"algorithm version {version.label} cannot be read ({error})") from error


def stored_text(version: algorithms.AlgorithmVersion) -> str:
    """Return the canonical text of a version, under the name that its algorithm has now."""
    return spec_of(version).model_copy(update={"name": version.name}).to_toml()


def is_as_stored(text: str, version: algorithms.AlgorithmVersion) -> bool:
    """Return whether a draft's text is that of its version, so that it holds only the settings of tests."""
    try:
        return text in (stored_text(version), spec_of(version).to_toml())
    except DamagedRowError:
        return False


def algorithm_view(session: Session, version: algorithms.AlgorithmVersion) -> AlgorithmView:
    spec = spec_of(version)
    return AlgorithmView(
        name=version.name,
        version=version.number,
        sha256=version.sha256,
        timeframe=spec.timeframe,
        direction=spec.direction,
        symbol=spec.symbol,
        has_stop=spec.stop_loss is not None,
        baseline=_baseline(session, version.id),
        stop="" if spec.stop_loss is None else level_words(spec.stop_loss),
        is_archived=version.is_archived,
    )


def _baseline(session: Session, version_id: int) -> str:
    try:
        known = backtests.list_backtests(session, version_id)
        return result_text(known[0]) if known else ""
    except DamagedRowError as error:
        return str(error)


def result_text(backtest: backtests.Backtest | test_results.StoredResult) -> str:
    """Return what a backtest has found, in words."""
    days = (backtest.end_ms - backtest.start_ms) / 86_400_000
    found = backtest.metrics
    try:
        return (
            f"{backtest.symbol}, {counted(round(days), 'day')}, "
            f"{counted(found.get('total_trades', 0), 'trade')}, "
            f"return {_percent(found.get('total_return'))}, Sharpe {_ratio(found.get('sharpe'))}, "
            f"drawdown {_percent(found.get('max_drawdown'))}"
        )
    except (TypeError, ValueError):
        return f"the metrics of backtest {backtest.id} cannot be read"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{value * 100:.1f} %"


def _ratio(value: float | None) -> str:
    return "undefined (it needs 30 days)" if value is None else f"{value:.2f}"
