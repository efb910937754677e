"""Alarms as the screen shows them: those of the store, and what the lists of runs and wallets show."""

from firstwatch.manager.views import AlarmView, RunView, WalletView
from firstwatch.store import alarms
from firstwatch.store.database import Session
from firstwatch.trading.runs import Exposure, Protection

_UNMANAGED = "exposed without a run"


def alarm_views(
    session: Session, rows: tuple[RunView, ...], wallet_views: tuple[WalletView, ...]
) -> tuple[AlarmView, ...]:
    """Return unprotected runs first, then exposure without a run, then the rest, oldest first."""
    by_id = {row.run_id: row for row in rows}
    managed = {row.wallet for row in rows if row.state.is_active}
    urgent: list[AlarmView] = []
    left: list[AlarmView] = []
    seen: set[str] = set()
    for row in rows:
        since_ms = row.ended_ms or row.started_ms or row.created_ms
        if row.protection is Protection.UNPROTECTED:
            how, position = "without its stop", row.position
            if position is not None and position.is_stop_behind:
                how = f"with its stop at {position.stop:f} where {position.stop_wanted:f} is wanted"
            sentence = f"{row.title} on {row.symbol} is exposed {how}"
            urgent.append(AlarmView("unprotected", sentence, row.run_id, row.wallet, since_ms))
        if row.wallet not in managed and row.wallet not in seen and row.exposure is not Exposure.FLAT:
            word = "holds a position" if row.exposure is Exposure.EXPOSED else "may hold a position"
            sentence = f"wallet {row.wallet} {word} in {row.symbol} and no run manages it"
            left.append(AlarmView(_UNMANAGED, sentence, row.run_id, row.wallet, since_ms))
        if row.is_damaged:
            left.append(AlarmView("damaged", row.sentence, row.run_id, row.wallet, since_ms))
        seen.add(row.wallet)
    named = {alarm.wallet for alarm in left}
    for wallet in wallet_views:
        if wallet.exposure is Exposure.EXPOSED and wallet.held and wallet.name not in managed | named:
            held = ", ".join(f"{each.side} {each.amount:f} {each.symbol}" for each in wallet.held)
            sentence = f"wallet {wallet.name} holds {held} at {wallet.venue} and no run manages it"
            left.append(AlarmView(_UNMANAGED, sentence, None, wallet.name, wallet.balance_ms or 0))
    active = [
        AlarmView(alarm.topic, alarm.sentence, alarm.run_id, by_id[alarm.run_id].wallet, alarm.since_ms)
        for alarm in alarms.active_alarms(session)
        if alarm.run_id in by_id and _is_relevant(by_id[alarm.run_id])
    ]
    return (*urgent, *left, *active)


def _is_relevant(row: RunView) -> bool:
    """Return whether alarms of the run still matter: not after it has ended flat."""
    return row.state.is_active or row.exposure is not Exposure.FLAT
