"""Alarms as the screen shows them: those of the store, and what the lists of runs and wallets show.

Each alarm is shown once: a position without a run that has an alarm in the store and is in the lists too, is
one alarm of its wallet, since the time of the stored one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from firstwatch.manager.views import AlarmView, RunView, WalletView
from firstwatch.settings import ComputeSettings
from firstwatch.store import alarms
from firstwatch.store.alarms import Acknowledgement, ActiveAlarm
from firstwatch.store.database import Session
from firstwatch.trading.alarms import (
    DAMAGED,
    EXPOSED_CLUSTER,
    LEFT_OVER,
    UNMANAGED,
    UNPROTECTED,
    AlarmAction,
    severity_of,
)
from firstwatch.trading.runs import Exposure, Protection, RunState

_Stored = Mapping[tuple[str, str], ActiveAlarm]
"""The active alarms of the store, by run and topic."""


def alarm_views(
    session: Session,
    rows: tuple[RunView, ...],
    wallet_views: tuple[WalletView, ...],
    *,
    compute: ComputeSettings,
    since_ms: int,
) -> tuple[AlarmView, ...]:
    """Return all alarms: unprotected runs first, then exposure without a run, then the rest, oldest first.

    ``since_ms``: since when the settings are in force here.

    Alarms that an operator has acknowledged come last.
    """
    stored = {(alarm.run_id, alarm.topic): alarm for alarm in alarms.active_alarms(session)}
    left = _left(rows, stored)
    named = {alarm.wallet for alarm in left}
    of_wallets = [alarm for alarm in _left_in_wallets(rows, wallet_views) if alarm.wallet not in named]
    found = [*_unprotected(rows, stored), *left, *of_wallets]
    found += _active(
        {row.run_id: row for row in rows}, stored, {(alarm.run_id, alarm.topic) for alarm in found}
    )
    found += [] if not compute.is_exposed else [_exposed_cluster(compute, since_ms)]
    seen = alarms.acknowledgements(session) if found else {}
    views = [_acknowledged(alarm, seen.get(alarm.id)) for alarm in found]
    return tuple(sorted(views, key=lambda alarm: alarm.is_acknowledged))


def _unprotected(rows: Iterable[RunView], stored: _Stored) -> Iterator[AlarmView]:
    for row in rows:
        if row.protection is Protection.UNPROTECTED:
            how, position = "without its stop", row.position
            if position is not None and position.is_stop_behind:
                how = f"with its stop at {position.stop:f} where {position.stop_wanted:f} is wanted"
            sentence = f"{row.title} on {row.symbol} is exposed {how}"
            yield _of_run(row, UNPROTECTED, sentence, stored.get((row.run_id, UNPROTECTED)))


def _left(rows: Iterable[RunView], stored: _Stored) -> list[AlarmView]:
    """Return alarms of positions left by ended runs, and of runs that cannot be read."""
    managed = {row.wallet for row in rows if row.state.is_active}
    left: list[AlarmView] = []
    seen: set[str] = set()
    for row in rows:
        if row.wallet not in managed and row.wallet not in seen and row.exposure is not Exposure.FLAT:
            word = "holds a position" if row.exposure is Exposure.EXPOSED else "may hold a position"
            sentence = f"wallet {row.wallet} {word} in {row.symbol} and no run manages it"
            left.append(_of_run(row, UNMANAGED, sentence, stored.get((row.run_id, LEFT_OVER))))
        if row.is_damaged:
            left.append(_of_run(row, DAMAGED, row.sentence, None))
        seen.add(row.wallet)
    return left


def _left_in_wallets(rows: Iterable[RunView], wallet_views: Iterable[WalletView]) -> Iterator[AlarmView]:
    """Yield alarms of live wallets that hold positions without an active run."""
    managed = {row.wallet for row in rows if row.state.is_active}
    for wallet in wallet_views:
        if wallet.exposure is Exposure.EXPOSED and wallet.held and wallet.name not in managed:
            held = ", ".join(f"{each.side} {each.amount:f} {each.symbol}" for each in wallet.held)
            since_ms = wallet.held_since_ms or wallet.balance_ms or 0
            yield AlarmView(
                topic=UNMANAGED,
                sentence=f"wallet {wallet.name} holds {held} at {wallet.venue} and no run manages it",
                run_id=None,
                wallet=wallet.name,
                since_ms=since_ms,
                severity=severity_of(UNMANAGED),
                actions=_UNMANAGED_ACTIONS,
                state=f"{since_ms} {held}",
            )


def _active(
    rows: Mapping[str, RunView], stored: _Stored, shown: set[tuple[str | None, str]]
) -> Iterator[AlarmView]:
    """Yield the alarms of the store that still apply and are not shown already."""
    for (run_id, topic), alarm in stored.items():
        row = rows.get(run_id)
        is_shown = (run_id, UNMANAGED if topic == LEFT_OVER else topic) in shown
        # Not after the run has ended flat.
        if row is not None and not is_shown and (row.state.is_active or row.exposure is not Exposure.FLAT):
            yield _of_run(row, topic, alarm.sentence, alarm)


_UNMANAGED_ACTIONS = (AlarmAction.CLOSE, AlarmAction.ADOPT, AlarmAction.LEAVE)


def _of_run(row: RunView, topic: str, sentence: str, stored: ActiveAlarm | None) -> AlarmView:
    since_ms = row.ended_ms or row.started_ms or row.created_ms
    return AlarmView(
        topic=topic,
        sentence=sentence,
        run_id=row.run_id,
        wallet=row.wallet,
        since_ms=since_ms if stored is None else stored.since_ms,
        count=1 if stored is None else stored.raised,
        severity=severity_of(topic),
        actions=_UNMANAGED_ACTIONS if topic == UNMANAGED else _run_actions(row),
        state=sentence if stored is None else f"{stored.raised}",
    )


def _exposed_cluster(compute: ComputeSettings, since_ms: int) -> AlarmView:
    sentence = f"jobs send programs to {compute.scheduler} without encryption (insecure in [compute])"
    return AlarmView(
        topic=EXPOSED_CLUSTER,
        sentence=sentence,
        run_id=None,
        wallet=None,
        since_ms=since_ms,
        severity=severity_of(EXPOSED_CLUSTER),
        state=sentence,
    )


def _run_actions(row: RunView) -> tuple[AlarmAction, ...]:
    """Return the actions possible on an alarm of an active run; none if the run is not active."""
    if not row.state.is_active or row.state is RunState.NEW:
        return ()
    pause = [] if row.paused or row.state is not RunState.RUNNING else [AlarmAction.PAUSE]
    close = [] if row.exposure is Exposure.FLAT else [AlarmAction.CLOSE]
    return (*close, *pause, AlarmAction.STOP)


def _acknowledged(alarm: AlarmView, seen: Acknowledgement | None) -> AlarmView:
    """Return the alarm with its acknowledgement, unless its state has changed since."""
    if seen is None or seen.seen != alarm.state:
        return replace(alarm, actions=(*alarm.actions, AlarmAction.ACKNOWLEDGE))
    actions = tuple(each for each in alarm.actions if not (seen.is_left and each is AlarmAction.LEAVE))
    return replace(alarm, acknowledged_ms=seen.at_ms, is_left=seen.is_left, actions=actions)
