"""The tools that read. Each is a function of the manager and its arguments, and runs in a thread."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from firstwatch.manager.agent_reads import BacktestView, VersionView
from firstwatch.manager.lists import FINISHED_LIMIT
from firstwatch.manager.run_views import MetricView
from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import JobView, RunView
from firstwatch.mcp import answers, arguments, results
from firstwatch.mcp.arguments import WrongArgumentsError
from firstwatch.mcp.backend import Backend, algorithm_of, run_of
from firstwatch.mcp.cleaning import name_of, symbol_of, text_of
from firstwatch.trading.clock import iso
from firstwatch.trading.jobs import JobKind
from firstwatch.trading.text import counted
from firstwatch.trading.toml_text import inline_text

_RECENT = 10
"""Trades and fills of a run in its answer."""
_MOST_SHOWN = 20
"""Rows of each list in the overview."""
_LIVE_FIELDS = ("equity_quote", "pnl_quote", "unrealised_pnl_quote")
_UNITS = {
    "win_rate": "fraction",
    "total_return": "fraction",
    "exposure": "fraction",
    "max_drawdown": "fraction",
    "expectancy": "quote",
    "net_pnl": "quote",
    "average_trade": "quote",
    "average_win": "quote",
    "average_loss": "quote",
    "largest_win": "quote",
    "largest_loss": "quote",
    "fees": "quote",
    "funding": "quote",
    "slippage": "quote",
}
"""Units of the metrics whose names have none."""


def list_runs(backend: Backend, asked: arguments.ListRuns) -> results.Envelope[Any]:
    snapshot = backend.manager.snapshot()
    runs = [run for run in snapshot.runs if asked.algoId is None or _is_of(run, asked.algoId)]
    if asked.status is not None:
        states = arguments.states_of(asked.status)
        runs = [run for run in runs if run.state in states]
    shown = runs[asked.cursor : asked.cursor + asked.limit]
    unknown = _unknown(shown, snapshot)
    if len(snapshot.finished) >= FINISHED_LIMIT:
        unknown["rows"] = f"of the runs that have ended only the newest {FINISHED_LIMIT} are listed"
    rows = [answers.run_row(run, snapshot.time_ms) for run in shown]
    return answers.envelope(
        answers.page(rows, len(runs), asked.cursor),
        snapshot.time_ms,
        money=[run.money for run in shown],
        ages_s=[row.age_seconds for row in rows],
        unknown=unknown,
    )


def get_run(backend: Backend, asked: arguments.OfRun) -> results.Envelope[Any]:
    snapshot, run = run_of(backend, asked.runId)
    details = backend.manager.reads.details(run.run_id)
    row = answers.run_row(run, snapshot.time_ms)
    first = max(0, len(details.trades) - _RECENT)
    data = results.RunData(
        run=row,
        timeframe=None if run.timeframe is None else run.timeframe.value,
        created_at=iso(run.created_ms),
        last_close_at=answers.moment(run.last_close_ms),
        stop_mode=None if run.stop_mode is None else run.stop_mode.value,
        exit_reason=None if run.exit_reason is None else run.exit_reason.value,
        position=answers.position_of(details.position, run),
        open_orders=sum(order.state.is_open for order in details.orders),
        trades=len(details.trades),
        recent_trades=[
            answers.trade_row(trade, number) for number, trade in enumerate(details.trades[first:], first + 1)
        ],
        recent_fills=[answers.fill_row(fill) for fill in details.fills[-_RECENT:]],
        journal_length=details.journal_length,
        alarms=[
            answers.alarm_row(alarm, snapshot) for alarm in snapshot.alarms if alarm.run_id == run.run_id
        ][:_MOST_SHOWN],
        state_text=text_of(run.sentence),
        pause_reason_text=text_of(run.pause_reason),
        last_decision_text=text_of(details.why.last),
        next_decision_text=[text_of(each) for each in (*details.why.next, *details.why.waits)[:_MOST_SHOWN]],
    )
    return answers.envelope(
        data,
        snapshot.time_ms,
        money=[run.money],
        ages_s=[row.age_seconds],
        unknown=_unknown([run], snapshot),
    )


def get_first_watch(backend: Backend, asked: arguments.GetFirstWatch) -> results.Envelope[Any]:
    snapshot, run = run_of(backend, asked.runId)
    view, days = backend.manager.reads.first_watch(run.run_id, asked.day)
    unknown: dict[str, str] = {}
    if view is None:
        unknown["data"] = _why_no_watch(snapshot, run, days)
        data = None
    else:
        data = answers.watch_data(view, days)
        if view.report.identity is None:
            unknown["pnl_difference_quote"] = "the live run and its shadow were not compared yet"
    made_ms = None if view is None else view.made_ms
    ages_s = [answers.age_of(snapshot.time_ms, made_ms)] if run.state.is_active else []
    return answers.envelope(data, snapshot.time_ms, money=[run.money], ages_s=ages_s, unknown=unknown)


def get_backtest_results(backend: Backend, asked: arguments.GetBacktestResults) -> results.Envelope[Any]:
    given = [each for each in (asked.runId, asked.backtestId, asked.job) if each is not None]
    if len(given) != 1:
        raise WrongArgumentsError("get_backtest_results needs exactly one of runId, backtestId and job.")
    if asked.runId is not None:
        return _of_run(backend, asked.runId)
    now_ms = backend.manager.reads.now_ms()
    if asked.backtestId is not None:
        view = backend.manager.reads.backtest(asked.backtestId)
        return answers.envelope(backtest_data(view), now_ms, unknown=_undefined(view.metrics))
    assert asked.job is not None
    job = backend.manager.jobs.job(asked.job)
    if job.kind is not JobKind.BACKTEST:
        raise WrongArgumentsError(f"Job {asked.job} is no backtest.")
    result = backend.manager.jobs.result(asked.job) or {}
    unknown = _undefined(result.get("metrics", {}))
    if not result:
        unknown["metrics"] = f"the job is {job.state.value}" + (
            "" if job.state.is_over else "; ask again later"
        )
    return answers.envelope(_job_data(job, result), now_ms, unknown=unknown)


def get_account_overview(backend: Backend, _asked: arguments.NoArguments) -> results.Envelope[Any]:
    snapshot = backend.manager.snapshot()
    now_ms = snapshot.time_ms
    wallets = [answers.wallet_row(wallet, now_ms) for wallet in snapshot.wallets]
    positions = answers.position_rows(snapshot)
    running = [answers.running_row(run, now_ms) for run in snapshot.active]
    alarms = [answers.alarm_row(alarm, snapshot) for alarm in snapshot.alarms]
    lists: tuple[Sequence[results.Row], ...] = (wallets, positions, running, alarms)
    data = results.AccountData(
        engine=snapshot.engine.where.value,
        engine_accepts_commands=snapshot.engine.takes_commands,
        wallets=wallets[:_MOST_SHOWN],
        positions=positions[:_MOST_SHOWN],
        running=running[:_MOST_SHOWN],
        alarms=alarms[:_MOST_SHOWN],
        waiting_asks=len(snapshot.asks),
        left_out=sum(max(0, len(rows) - _MOST_SHOWN) for rows in lists),
    )
    unknown = _unknown(snapshot.active, snapshot, ("pnl_quote",))
    if any(wallet.total is None for wallet in snapshot.wallets):
        unknown["total_quote"] = "the venue of a wallet was not asked yet, or did not answer"
    return answers.envelope(
        data,
        now_ms,
        money=[wallet.money for wallet in snapshot.wallets],
        ages_s=[row.age_seconds for row in (*wallets, *positions, *running)],
        unknown=unknown,
    )


def list_algorithms(backend: Backend, asked: arguments.ListPage) -> results.Envelope[Any]:
    snapshot = backend.manager.snapshot()
    active = Counter((run.algorithm, run.version) for run in snapshot.active)
    shown = snapshot.offered[asked.cursor : asked.cursor + asked.limit]
    rows = [
        results.AlgorithmRow(
            mode=None,
            wallet=None,
            age_seconds=None,
            algorithm=name_of(each.name),
            version=each.version,
            timeframe=each.timeframe.value,
            direction=each.direction,
            symbol=None if each.symbol is None else symbol_of(each.symbol),
            has_stop=each.has_stop,
            has_baseline=bool(each.baseline),
            baseline_text=text_of(each.baseline),
            active_runs=active[each.name, each.version],
        )
        for each in shown
    ]
    page = answers.page(rows, len(snapshot.offered), asked.cursor)
    return answers.envelope(page, snapshot.time_ms)


def get_algorithm(backend: Backend, asked: arguments.GetAlgorithm) -> results.Envelope[Any]:
    snapshot = backend.manager.snapshot()
    name = algorithm_of(snapshot, asked.algoId, asked.version)
    view = backend.manager.reads.version(name, asked.version)
    return answers.envelope(version_data(view), snapshot.time_ms)


def get_journal(backend: Backend, asked: arguments.GetJournal) -> results.Envelope[Any]:
    snapshot, run = run_of(backend, asked.runId)
    page = backend.manager.reads.journal(run.run_id, after=asked.after, limit=asked.limit)
    rows = [answers.journal_row(event, run.money, run.wallet, snapshot.time_ms) for event in page.events]
    last = rows[-1].seq if rows else None
    data = results.JournalPage(
        run=run.run_id,
        rows=rows,
        journal_length=page.length,
        next_after=last if last is not None and last < page.length else None,
    )
    return answers.envelope(data, snapshot.time_ms, money=[run.money])


def get_market(backend: Backend, asked: arguments.GetMarket) -> results.Envelope[Any]:
    snapshot = backend.manager.snapshot()
    found = [each for each in snapshot.markets if asked.symbol in (None, symbol_of(each.symbol))]
    shown = found[asked.cursor : asked.cursor + asked.limit]
    kinds = [backend.settings.money_of(each.venue, "") for each in shown]
    rows = [
        answers.market_row(each, money, snapshot.time_ms) for each, money in zip(shown, kinds, strict=True)
    ]
    unknown = {}
    if not found:
        unknown["rows"] = "only markets in which a listed run trades or has traded are known"
    if any(row.price is None for row in rows):
        unknown["price"] = "no run is active there, so no engine reads it"
    return answers.envelope(
        answers.page(rows, len(found), asked.cursor),
        snapshot.time_ms,
        money=kinds,
        ages_s=[row.age_seconds for row in rows],
        unknown=unknown,
    )


# --- parts ---------------------------------------------------------------------------------------


def version_data(view: VersionView) -> results.AlgorithmData:
    """Return a version of an algorithm."""
    specification = view.specification
    symbol = specification.get("symbol")
    return results.AlgorithmData(
        algorithm=name_of(view.name),
        version=view.version,
        versions=list(view.versions),
        sha256=view.sha256,
        timeframe=specification["timeframe"],
        direction=specification["direction"],
        symbol=None if symbol is None else symbol_of(symbol),
        conditions=_conditions(specification),
        parameters={
            name: specification[name]
            for name in ("stop_loss", "take_profit", "sizing", "order", "reset")
            if name in specification
        },
        backtests=[_test_row(each) for each in view.backtests[:_MOST_SHOWN]],
    )


def backtest_data(view: BacktestView) -> results.TestData:
    """Return a backtest's metrics."""
    return results.TestData(
        kind="backtest",
        id=str(view.backtest_id),
        state="done",
        is_complete=True,
        progress_fraction=1,
        algorithm=name_of(view.algorithm),
        version=view.version,
        symbol=symbol_of(view.symbol),
        timeframe=view.timeframe.value,
        begins_at=iso(view.begin_ms),
        ends_at=iso(view.end_ms),
        bars=view.bars,
        metrics=_metrics(view.metrics),
        exit_reasons=_exit_reasons(view.metrics),
        note_text="",
    )


def _of_run(backend: Backend, text: str) -> results.Envelope[Any]:
    snapshot, run = run_of(backend, text)
    details = backend.manager.reads.details(run.run_id)
    data = results.TestData(
        kind="run",
        id=run.run_id,
        state=run.state.value,
        is_complete=run.state.is_final,
        progress_fraction=1 if run.state.is_final else 0,
        algorithm=name_of(run.algorithm),
        version=run.version,
        symbol=symbol_of(run.symbol),
        timeframe=None if run.timeframe is None else run.timeframe.value,
        begins_at=answers.moment(run.started_ms),
        ends_at=answers.moment(run.ended_ms),
        bars=len(details.equity),
        metrics=[
            results.Metric(
                name=metric_name(each.name),
                value=each.live,
                baseline=each.baseline,
                low=None if each.band is None else each.band.low,
                high=None if each.band is None else each.band.high,
            )
            for each in details.metrics
        ],
        exit_reasons=dict(Counter(trade.reason.value for trade in details.trades)),
        note_text="" if run.state.is_final else "The run goes on: these are its metrics so far.",
    )
    unknown = {metric_name(each.name): reason for each in details.metrics if (reason := _missing(each))}
    if details.differences is None:
        unknown["baseline"] = "this version has no baseline on this symbol"
    ages_s = [answers.age_of(snapshot.time_ms, run.live_ms)] if run.state.is_active else []
    return answers.envelope(data, snapshot.time_ms, money=[run.money], ages_s=ages_s, unknown=unknown)


def _job_data(job: JobView, result: Mapping[str, Any]) -> results.TestData:
    return results.TestData(
        kind="job",
        id=str(job.job_id),
        state=job.state.value,
        is_complete=bool(result),
        progress_fraction=job.progress,
        algorithm=name_of(result["algorithm"]) if result else None,
        version=result.get("version"),
        symbol=symbol_of(result["symbol"]) if result else None,
        timeframe=result.get("timeframe"),
        begins_at=result.get("from"),
        ends_at=result.get("to"),
        bars=result.get("bars"),
        metrics=_metrics(result.get("metrics", {})),
        exit_reasons=_exit_reasons(result.get("metrics", {})),
        note_text=text_of(job.sentence),
    )


def metric_name(name: str) -> str:
    """Return a metric's name with its unit."""
    if name == "max_drawdown_usd":
        return "max_drawdown_quote"
    return f"{name}_{_UNITS[name]}" if name in _UNITS else name


def _metrics(found: Mapping[str, Any]) -> list[results.Metric]:
    return [
        results.Metric(name=metric_name(name), value=value, baseline=None, low=None, high=None)
        for name, value in found.items()
        if value is None or isinstance(value, int | float)
    ]


def _exit_reasons(found: Mapping[str, Any]) -> dict[str, int]:
    return {name_of(name): int(count) for name, count in found.get("exit_reasons", {}).items()}


def _undefined(found: Mapping[str, Any]) -> dict[str, str]:
    return {
        metric_name(name): "not defined for so few trades or days"
        for name, value in found.items()
        if value is None
    }


def _missing(metric: MetricView) -> str:
    if metric.live is not None:
        return ""
    if metric.needs_days:
        return f"it needs {counted(metric.needs_days, 'more day')}"
    if metric.needs_trades:
        return f"it needs {counted(metric.needs_trades, 'more trade')}"
    return "not defined for these trades"


def _test_row(view: BacktestView) -> results.TestRow:
    found = view.metrics
    return results.TestRow(
        backtestId=view.backtest_id,
        symbol=symbol_of(view.symbol),
        begins_at=iso(view.begin_ms),
        ends_at=iso(view.end_ms),
        bars=view.bars,
        trades=found.get("total_trades"),
        total_return_fraction=found.get("total_return"),
        max_drawdown_fraction=found.get("max_drawdown"),
        sharpe=found.get("sharpe"),
    )


def _conditions(specification: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        f"{kind}.{side}.{part}": list(conditions)
        if isinstance(conditions, list)
        else [inline_text(conditions)]
        for kind in ("entry", "exit")
        for side, group in specification.get(kind, {}).items()
        for part, conditions in group.items()
        if conditions
    }


def _is_of(run: RunView, text: str) -> bool:
    return text in (run.algorithm, run.title, name_of(run.algorithm), name_of(run.title))


def _unknown(
    runs: Iterable[RunView], snapshot: ManagerSnapshot, fields: Sequence[str] = _LIVE_FIELDS
) -> dict[str, str]:
    """Return why figures of runs are not known."""
    for run in runs:
        if run.is_damaged:
            return dict.fromkeys(fields, "a part of the run cannot be read; `firstwatch doctor` says which")
        if run.equity is None and run.state.is_active:
            if snapshot.engine.takes_commands:
                return dict.fromkeys(fields, "the engine has not measured it yet")
            return dict.fromkeys(fields, "no engine runs, so it was not measured")
    return {}


def _why_no_watch(snapshot: ManagerSnapshot, run: RunView, days: int) -> str:
    if days:
        return f"the watch has {counted(days, 'day')}, and not that one"
    version = snapshot.algorithm(run.algorithm, run.version)
    if version is not None and not version.baseline:
        return "this version has no baseline, so there is nothing to compare the run with"
    return "the watch looks for the first time after a tenth of the run's first day"
