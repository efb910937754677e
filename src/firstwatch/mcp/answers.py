"""Views of the manager as answers: money as numbers, times as text, foreign text cleaned and marked."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from firstwatch.manager.run_views import EventView, FillView
from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import AlarmView, MarketView, PositionView, RunView, WalletView, WatchView
from firstwatch.mcp import results
from firstwatch.mcp.cleaning import name_of, symbol_of, text_of
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.clock import iso
from firstwatch.trading.numbers import tidy
from firstwatch.trading.trade import Trade

T = TypeVar("T")

_MOST_MISMATCHES = 20


def number(value: Decimal | float) -> float:
    """Return a JSON number: the double nearest to the decimal."""
    return tidy(float(value))


def moment(time_ms: int | None) -> str | None:
    """Return a time as text; None: it is not known."""
    return None if time_ms is None else iso(time_ms)


def age_of(now_ms: int, time_ms: int | None) -> float | None:
    """Return the age of a figure in seconds; None: its time is not known."""
    return None if time_ms is None else max(0, now_ms - time_ms) / 1000


def envelope(
    data: T,
    now_ms: int,
    *,
    money: Iterable[MoneyKind] = (),
    ages_s: Iterable[float | None] = (),
    unknown: dict[str, str] | None = None,
) -> "results.Envelope[T]":
    """Return an answer. ``money``: the kinds that it is about; ``ages_s``: of the figures in it that move."""
    kinds = set(money)
    age_s = max((age for age in ages_s if age is not None), default=0.0)
    mode: Any = next(iter(kinds)).value if len(kinds) == 1 else "mixed"
    return results.Envelope[Any](
        mode=mode,
        as_of=iso(now_ms - round(age_s * 1000)),
        age_seconds=age_s,
        unknown=unknown or {},
        data=data,
    )


def page(rows: Sequence[T], total: int, cursor: int) -> "results.Page[T]":
    """Return the rows of a list from ``cursor`` on."""
    after = cursor + len(rows)
    return results.Page[Any](rows=rows, total=total, next_cursor=after if rows and after < total else None)


def run_row(run: RunView, now_ms: int) -> results.RunRow:
    position = run.position
    side = None if position is None or position.side is None else position.side.value
    is_active = run.state.is_active
    return results.RunRow(
        mode=run.money.value,
        wallet=name_of(run.wallet),
        age_seconds=age_of(now_ms, run.live_ms) if is_active else None,
        run=run.run_id,
        algorithm=name_of(run.algorithm),
        version=run.version,
        symbol=symbol_of(run.symbol),
        venue=name_of(run.venue),
        status=run.state.value,
        entries_paused=run.paused,
        health=run.health.value,
        exposure=run.exposure.value,
        protection=run.protection.value,
        side=side,
        amount_base=None if position is None or side is None else position.amount,
        capital_quote=run.capital,
        leverage=run.leverage,
        equity_quote=run.equity,
        pnl_quote=run.pnl,
        pnl_fraction=run.pnl_share,
        unrealised_pnl_quote=run.unrealised_pnl,
        first_watch=None if run.watch is None else run.watch.verdict.value,
        started_at=moment(run.started_ms),
        ended_at=moment(run.ended_ms),
    )


def running_row(run: RunView, now_ms: int) -> results.RunningRow:
    return results.RunningRow(
        mode=run.money.value,
        wallet=name_of(run.wallet),
        age_seconds=age_of(now_ms, run.live_ms),
        run=run.run_id,
        algorithm=name_of(run.algorithm),
        version=run.version,
        symbol=symbol_of(run.symbol),
        status=run.state.value,
        entries_paused=run.paused,
        pnl_quote=run.pnl,
    )


def position_of(position: PositionView | None, run: RunView) -> results.Position | None:
    if position is None or position.side is None:
        return None
    return results.Position(
        side=position.side.value,
        amount_base=position.amount,
        entry_price=position.entry_price,
        mark_price=run.mark,
        stop_price=position.stop,
        target_price=position.target,
        stop_wanted_price=position.stop_wanted,
        liquidation_price=position.liquidation_price,
        margin_quote=position.margin,
    )


def position_rows(snapshot: ManagerSnapshot) -> list[results.PositionRow]:
    """Return the positions of active runs, then those of wallets that no run manages."""
    now_ms = snapshot.time_ms
    rows = [
        results.PositionRow(
            mode=run.money.value,
            wallet=name_of(run.wallet),
            age_seconds=age_of(now_ms, run.live_ms),
            run=run.run_id,
            symbol=symbol_of(position.symbol),
            side=position.side.value,
            amount_base=position.amount,
            entry_price=position.entry_price,
            mark_price=run.mark,
            unrealised_pnl_quote=run.unrealised_pnl,
            stop_price=position.stop,
            protection=run.protection.value,
        )
        for run in snapshot.active
        if (position := run.position) is not None and position.side is not None
    ]
    rows += [
        results.PositionRow(
            mode=wallet.money.value,
            wallet=name_of(wallet.name),
            age_seconds=age_of(now_ms, wallet.balance_ms),
            run=None,
            symbol=symbol_of(held.symbol),
            side=held.side.value,
            amount_base=held.amount,
            entry_price=None,
            mark_price=None,
            unrealised_pnl_quote=None,
            stop_price=None,
            protection=None,
        )
        for wallet in snapshot.wallets
        if wallet.active_run_id is None
        for held in wallet.held or ()
    ]
    return rows


def wallet_row(wallet: WalletView, now_ms: int) -> results.WalletRow:
    return results.WalletRow(
        mode=wallet.money.value,
        wallet=name_of(wallet.name),
        age_seconds=age_of(now_ms, wallet.balance_ms),
        venue=name_of(wallet.venue),
        total_quote=wallet.total,
        used_quote=wallet.used,
        free_quote=wallet.free,
        exposure=wallet.exposure.value,
        run=wallet.active_run_id,
        problem_text=text_of(wallet.problem),
    )


def alarm_row(alarm: AlarmView, snapshot: ManagerSnapshot) -> results.AlarmRow:
    run, wallet = snapshot.run(alarm.run_id), snapshot.wallet(alarm.wallet)
    money = run.money if run is not None else wallet.money if wallet is not None else None
    name = alarm.wallet or (None if run is None else run.wallet)
    return results.AlarmRow(
        mode=None if money is None else money.value,
        wallet=None if name is None else name_of(name),
        age_seconds=age_of(snapshot.time_ms, alarm.since_ms),
        topic=name_of(alarm.topic),
        severity=name_of(str(alarm.severity.name).lower()),
        run=alarm.run_id,
        since=iso(alarm.since_ms),
        acknowledged=alarm.is_acknowledged,
        sentence_text=text_of(alarm.sentence),
    )


def trade_row(trade: Trade, number: int) -> results.TradeRow:
    return results.TradeRow(
        number=number,
        side=trade.side.value,
        entry_at=iso(trade.entry_time_ms),
        exit_at=iso(trade.exit_time_ms),
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        amount_base=trade.amount,
        pnl_quote=trade.pnl,
        fees_quote=trade.fees,
        funding_quote=trade.funding,
        reason=trade.reason.value,
        bars_held=trade.bars_held,
    )


def fill_row(fill: FillView) -> results.FillRow:
    return results.FillRow(
        at=iso(fill.time_ms),
        side=fill.side.value,
        amount_base=fill.amount,
        price=fill.price,
        fee_quote=fill.fee,
        slippage_bps=fill.worse_bps,
    )


def journal_row(event: EventView, money: MoneyKind, wallet: str, now_ms: int) -> results.JournalRow:
    return results.JournalRow(
        mode=money.value,
        wallet=name_of(wallet),
        age_seconds=age_of(now_ms, event.local_time_ms),
        seq=event.sequence,
        at=iso(event.local_time_ms),
        venue_at=moment(event.venue_time_ms),
        kind=name_of(event.kind),
        author=event.author.who,
        approved_by=event.author.approved_by,
        is_alarm=event.is_alarm,
        sentence_text=text_of(event.sentence),
    )


def market_row(market: MarketView, money: MoneyKind, now_ms: int) -> results.MarketRow:
    return results.MarketRow(
        mode=money.value,
        wallet=None,
        age_seconds=age_of(now_ms, market.price_ms),
        venue=name_of(market.venue),
        symbol=symbol_of(market.symbol),
        price=market.price,
        tick_price=market.tick,
        minimum_cost_quote=market.minimum_cost,
        maximum_leverage=market.maximum_leverage,
    )


def watch_data(view: WatchView, days: int) -> results.WatchData:
    report = view.report
    identity = {} if report.identity is None else report.identity.model_dump()
    return results.WatchData(
        run=report.run,
        day=report.day,
        days=days,
        hours=report.hours,
        verdict=report.verdict.value,
        next_look_at=moment(report.next_look_at),
        checks=[
            results.CheckRow(
                name=check.name.value,
                verdict=check.verdict.value,
                observed=check.observed,
                expected=check.expected,
                band=None if check.band is None else list(check.band),
                sample=check.n,
                p_adjusted=check.p_adjusted,
                sentence_text=text_of(check.sentence),
                advice_text=text_of(view.hints.get(check.name, "")),
            )
            for check in report.checks
        ],
        mismatches=[
            results.MismatchRow(at=iso(each.time), cause=each.cause.value, what_text=text_of(each.what))
            for each in report.mismatches[-_MOST_MISMATCHES:]
        ],
        mismatch_total=len(report.mismatches),
        pnl_difference_quote={
            name: None if value is None else float(value) for name, value in identity.items()
        },
        next_text=text_of(report.next),
    )
