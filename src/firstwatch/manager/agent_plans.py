"""What an agent's act would do, in sentences: a plan that the agent reads, and the operator who is asked."""

from decimal import Decimal

from firstwatch.manager.journal_text import plain_price
from firstwatch.store import live, positions, runs
from firstwatch.store.database import Session
from firstwatch.trading.account import MoneyKind
from firstwatch.trading.launch import LaunchPreview, LaunchSettings
from firstwatch.trading.runs import Exposure, Protection
from firstwatch.trading.text import quoted, without_markup

_MONEY = {MoneyKind.PAPER: "play money", MoneyKind.TESTNET: "test network", MoneyKind.LIVE: "REAL MONEY"}


def stop_plan(session: Session, run: runs.Run, money: MoneyKind, *, closes: bool) -> tuple[str, ...]:
    """Return what a stop would do to the run's orders, position and protection, and what can go wrong."""
    position = positions.position_of(session, run.id)
    is_flat = position is None or position.side is None
    if is_flat and run.facts.exposure is Exposure.FLAT:
        does = "No new entries. It holds no position."
        risk = "An entry that is under way may still fill; what fills before the stop is protected and left."
    elif closes:
        does = "No new entries. The position is closed at market, then its protection is cancelled."
        risk = "The close may fill worse than the mark; until it has filled, its protection stays."
    else:
        does = "No new entries. The position stays open, and its protection stays at the venue."
        risk = (
            "After the stop nothing trails the stop or exits by signal: the position stays until its"
            " protection fills or the operator closes it."
        )
        if run.facts.protection is not Protection.PROTECTED:
            risk = f"{risk} No stop of it rests at the venue now."
    return (
        f"Stop run {run.id}: {_named(run.settings)}, wallet {_data(run.wallet)} ({_MONEY[money]}).",
        _holding(session, run, position),
        does,
        risk,
        "A stopped run does not go on; a new start is a new run.",
    )


def resume_plan(session: Session, run: runs.Run, money: MoneyKind) -> tuple[str, ...]:
    """Return what resuming entries would do."""
    why = f" They are paused: {_data(run.facts.pause_reason, 200)}." if run.facts.paused else ""
    return (
        f"Resume entries of run {run.id}: {_named(run.settings)}, wallet {_data(run.wallet)}"
        f" ({_MONEY[money]}).",
        _holding(session, run, positions.position_of(session, run.id)),
        f"It may enter again at its next signal, with up to {_at_risk(run.settings)}.{why}",
        "Every pause ends, also one by a guard or by the first watch.",
    )


def start_plan(settings: LaunchSettings, preview: LaunchPreview, money: MoneyKind) -> tuple[str, ...]:
    """Return what a start would do."""
    trade = preview.next_trade
    if trade is None:
        loss = "The size of its first entry is not known."
    else:
        loss = (
            f"Its first entry would be {plain_price(trade.amount)}, with a loss of"
            f" {trade.worst_loss:,.2f} at worst until its stop."
        )
    return (
        f"Start a run: {_named(settings)}, wallet {_data(settings.wallet)} ({_MONEY[money]}).",
        f"Capital {settings.capital:,f} at leverage {settings.leverage:f}: up to {_at_risk(settings)}.",
        loss,
        "A stop can fill worse than its level, and a position can be liquidated.",
    )


def notional_of(settings: LaunchSettings) -> Decimal:
    """Return capital times leverage, in quote."""
    return settings.capital * settings.leverage


def _named(settings: LaunchSettings) -> str:
    return f"{_data(settings.name)} on {_data(settings.symbol)}"


def _data(text: str, longest: int = 60) -> str:
    """Return what someone else wrote, in quotes: nothing in it can be taken for the plan."""
    return quoted(without_markup(text, longest), longest)


def _at_risk(settings: LaunchSettings) -> str:
    return f"{notional_of(settings):,f} of exposure"


def _holding(session: Session, run: runs.Run, position: positions.RunPosition | None) -> str:
    """Return the run's exposure now."""
    if position is None or position.side is None:
        if run.facts.exposure is not Exposure.FLAT:
            return f"It is {run.state}, and its position is not known."
        return f"It is {run.state} and flat."
    status = live.live_statuses(session).get(run.id)
    mark = None if status is None or status.mark is None else Decimal(repr(status.mark))
    worth = "" if mark is None else f", worth {position.amount * mark:,.2f} at a mark of {plain_price(mark)}"
    stop = "no stop" if position.stop is None else f"a stop at {plain_price(position.stop)}"
    target = "" if position.target is None else f" and a target at {plain_price(position.target)}"
    rests = "rest" if position.target is not None else "rests"
    return (
        f"It is {run.state} and {position.side} {plain_price(position.amount)}{worth};"
        f" {stop}{target} {rests} at the venue."
    )
