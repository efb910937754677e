"""The JSON object of ``firstwatch run show RUN --json``."""

from typing import Any

from firstwatch.backtest.metrics import about
from firstwatch.backtest.result_json import equity_json, metrics_json, trade_json
from firstwatch.manager.run_metrics import metrics_of_run
from firstwatch.manager.why import DecisionKind, Explanation, explain
from firstwatch.store import algorithms, equity, fills, journal, live, orders, positions, trades
from firstwatch.store.database import Session
from firstwatch.store.fills import StoredFill
from firstwatch.store.orders import StoredOrder
from firstwatch.store.positions import RunPosition
from firstwatch.store.runs import DamagedRun, Run
from firstwatch.trading.clock import iso
from firstwatch.trading.errors import DamagedRowError
from firstwatch.trading.runs import Exposure, Health
from firstwatch.trading.trade import Trade


def run_document(session: Session, run: Run) -> dict[str, Any]:
    """Return everything that the store has about a run; times as ISO 8601 UTC, money as Decimal in quote."""
    done = trades.trades_of(session, run.id)
    curve = equity.equity_of(session, run.id)
    position = positions.position_of(session, run.id)
    status = live.status_of(session, run.id)
    metrics = metrics_of_run(done, curve, run.settings.capital, run.market)
    return {
        **run_summary(session, run),
        "sha256": run.sha256,
        "settings": run.settings.model_dump(mode="json"),
        "position": None if position is None else _position(position),
        "orders": [_order(order) for order in orders.orders_of(session, run.id)],
        "fills": [_fill(fill) for fill in fills.fills_of(session, run.id)],
        "funding": [
            {"time": iso(paid.time_ms), "paid": paid.paid, "rate": paid.rate}
            for paid in fills.funding_of(session, run.id)
        ],
        "trades": [_trade(trade) for trade in done],
        "metrics": metrics_json(metrics),
        "about_metrics": about(metrics),
        "equity": equity_json(curve.time_ms, curve.equity),
        "live": None
        if status is None
        else {
            "mark": status.mark,
            "unrealised_pnl": status.unrealised_pnl,
            "equity": status.equity,
            "last_bar": _moment(status.last_bar_ms),
            "venue_time": _moment(status.venue_time_ms),
            "updated_at": iso(status.updated_at_ms),
        },
        "why": _why(session, run),
        "journal_length": journal.last_sequence(session, run.id),
    }


_SUMMARY = (
    "run",
    "algorithm",
    "wallet",
    "venue",
    "symbol",
    "capital",
    "leverage",
    "state",
    "paused",
    "pause_reason",
    "health",
    "exposure",
    "protection",
    "stop_mode",
    "exit_reason",
    "sentence",
    "parent_run",
    "created_at",
    "started_at",
    "ended_at",
)


def damaged_summary(run: DamagedRun) -> dict[str, Any]:
    """Return the known values of a run whose row cannot be read, in the form of ``run_summary``."""
    known = {
        "run": run.id,
        "wallet": run.wallet,
        "state": run.state.value,
        "health": Health.UNKNOWN.value,
        "exposure": Exposure.UNKNOWN.value,
        "sentence": run.sentence,
        "created_at": iso(run.created_at_ms),
    }
    return {**dict.fromkeys(_SUMMARY), **known}


def run_summary(session: Session, run: Run) -> dict[str, Any]:
    """Return the settings, the state and the other facts of a run."""
    facts = run.facts
    return {
        "run": run.id,
        "algorithm": algorithms.version_by_id(session, run.version_id).label,
        "wallet": run.wallet,
        "venue": run.venue,
        "symbol": run.settings.symbol,
        "capital": run.settings.capital,
        "leverage": run.settings.leverage,
        "state": run.state.value,
        "paused": facts.paused,
        "pause_reason": facts.pause_reason,
        "health": facts.health.value,
        "exposure": facts.exposure.value,
        "protection": facts.protection.value,
        "stop_mode": _value(facts.stop_mode),
        "exit_reason": _value(facts.exit_reason),
        "sentence": facts.sentence,
        "parent_run": run.parent_run_id,
        "created_at": iso(run.created_at_ms),
        "started_at": _moment(run.started_at_ms),
        "ended_at": _moment(run.ended_at_ms),
    }


def _why(session: Session, run: Run) -> dict[str, Any] | None:
    """Return the reason for the run's last decision; None: a row cannot be read, as ``run explain`` says."""
    try:
        return why_json(explain(session, run))
    except DamagedRowError:
        return None


def why_json(found: Explanation, at_ms: int | None = None) -> dict[str, Any]:
    """Return the last decision with its conditions, and what would have to be true next.

    ``at``: when it was decided; without a decision the time that was asked for.
    """
    decision, outlook = found.decision, found.outlook
    return {
        "at": _moment(at_ms if decision is None else decision.time_ms),
        "decision": (DecisionKind.NONE if decision is None else decision.kind).value,
        "conditions": [
            {
                "group": each.group,
                "condition": each.condition,
                "left": each.left,
                "right": each.right,
                "value": each.value,
            }
            for each in (() if decision is None else decision.conditions)
        ],
        "next": [
            {
                "side": _value(outlook.side_of(need)),
                "condition": need.condition,
                "left": need.left,
                "right": need.right,
            }
            for need in outlook.needs
        ]
        if outlook is not None
        else [],
    }


def _moment(time_ms: int | None) -> str | None:
    return None if time_ms is None else iso(time_ms)


def _value(word: Any) -> str | None:
    return None if word is None else str(word.value)


def _position(position: RunPosition) -> dict[str, Any]:
    return {
        "side": _value(position.side),
        "amount": position.amount,
        "entry_price": position.entry_price,
        "stop": position.stop,
        "target": position.target,
        "stop_wanted": position.stop_wanted,
        "target_wanted": position.target_wanted,
        "liquidation_price": position.liquidation_price,
        "margin": position.margin,
        "leverage": position.leverage,
        "opened_at": _moment(position.opened_at_ms),
        "updated_at": iso(position.updated_at_ms),
    }


def _order(order: StoredOrder) -> dict[str, Any]:
    intent = order.intent
    return {
        "client_order_id": intent.client_order_id,
        "venue_order_id": order.venue_order_id,
        "purpose": intent.purpose.value,
        "side": intent.side.value,
        "kind": intent.kind.value,
        "amount": intent.amount,
        "price": intent.price,
        "trigger_price": intent.trigger_price,
        "reduce_only": intent.reduce_only,
        "state": order.state.value,
        "filled": order.filled,
        "average_price": order.average_price,
        "created_at": iso(order.created_at_ms),
        "updated_at": iso(order.updated_at_ms),
        "history": [
            {"time": iso(move.time_ms), "state": move.state.value, "why": move.why} for move in order.history
        ],
    }


def _fill(stored: StoredFill) -> dict[str, Any]:
    fill = stored.fill
    return {
        "venue_fill_id": fill.fill_id,
        "client_order_id": fill.client_order_id,
        "time": iso(fill.time_ms),
        "side": fill.side.value,
        "amount": fill.amount,
        "price": fill.price,
        "fee": fill.fee,
        "builder_fee": fill.builder_fee,
        "is_maker": fill.is_maker,
        "is_liquidation": fill.is_liquidation,
        "mid_at_decision": stored.mid_at_decision,
        "mid_at_submission": stored.mid_at_submission,
        "mid_at_acknowledgement": stored.mid_at_acknowledgement,
        "mid_at_fill": stored.mid_at_fill,
    }


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        **trade_json(trade),
        "expected_entry_price": trade.expected_entry_price,
        "expected_exit_price": trade.expected_exit_price,
    }
