"""Runs: rows, transitions with their journal entries, and the facts beside the state."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, insert, or_, select, update

from firstwatch.store import journal, wallets
from firstwatch.store.database import Session
from firstwatch.store.equity import pack_equity
from firstwatch.store.prepared import Prepared
from firstwatch.store.rows import row, sound
from firstwatch.store.tables import AlgorithmTable, AlgorithmVersionTable, RunTable, WalletTable, table_of
from firstwatch.trading.errors import DamagedRowError, RefusedError, WrongUseError
from firstwatch.trading.events import Transitioned
from firstwatch.trading.hazards import Hazard
from firstwatch.trading.launch import LaunchSettings
from firstwatch.trading.market import Market
from firstwatch.trading.runs import (
    ACTIVE_STATES,
    Author,
    ExitReason,
    Exposure,
    Health,
    Protection,
    RunState,
    StopMode,
    move_run,
)
from firstwatch.trading.text import quoted
from firstwatch.trading.timeframe import Timeframe

_RUN = table_of(RunTable)
_WALLET = table_of(WalletTable)
_VERSION = table_of(AlgorithmVersionTable)
_ALGORITHM = table_of(AlgorithmTable)


@dataclass(frozen=True, slots=True)
class SideFacts:
    """Facts of a run beside its state (rule 7 of ``firstwatch.engine``)."""

    paused: bool = False
    """No new entries."""
    pause_reason: str = ""
    health: Health = Health.OK
    exposure: Exposure = Exposure.FLAT
    protection: Protection = Protection.NOT_NEEDED
    stop_mode: StopMode | None = None
    exit_reason: ExitReason | None = None
    sentence: str = ""
    """Sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run, with the settings and the market that were frozen at launch."""

    id: str
    wallet: str
    wallet_id: int
    venue: str
    account: str
    version_id: int
    sha256: str
    """Hash of the algorithm's specification."""
    settings: LaunchSettings
    """With the name that its algorithm has now."""
    market: Market
    state: RunState
    facts: SideFacts
    parent_run_id: str | None
    created_at_ms: int
    started_at_ms: int | None
    ended_at_ms: int | None
    first_bars: Mapping[Timeframe, int]
    """Open time of the first bar used, by timeframe: a recovery replays from there."""


@dataclass(frozen=True, slots=True)
class DamagedRun:
    """A run whose row cannot be read. Its health and exposure are unknown."""

    id: str
    wallet: str
    state: RunState
    """FAILED if even the state cannot be read: then no worker runs it."""
    sentence: str
    created_at_ms: int


_VIEW = (
    select(
        _RUN,
        _WALLET.c.name.label("wallet"),
        _WALLET.c.venue,
        _WALLET.c.account,
        _VERSION.c.sha256,
        _ALGORITHM.c.name.label("algorithm"),
    )
    .join_from(_RUN, _WALLET)
    .join(_VERSION, _VERSION.c.id == _RUN.c.version_id)
    .join(_ALGORITHM, _ALGORITHM.c.id == _VERSION.c.algorithm_id)
)
_ONE = _VIEW.where(_RUN.c.id == bindparam("run"))
_ACTIVE = _VIEW.where(_RUN.c.state.in_(sorted(ACTIVE_STATES))).order_by(_RUN.c.created_at_ms, _RUN.c.id)
_LEFT = (
    select(_RUN.c.id, _RUN.c.state, _RUN.c.health, _RUN.c.exposure, _RUN.c.protection, _RUN.c.sentence)
    .where(
        _RUN.c.state.not_in(sorted(ACTIVE_STATES)),
        or_(
            _RUN.c.exposure != Exposure.FLAT,
            _RUN.c.health != Health.OK,
            _RUN.c.protection == Protection.UNPROTECTED,
        ),
    )
    .order_by(_RUN.c.id)
)
_STATE = select(_RUN.c.state).where(_RUN.c.id == bindparam("run"))
_SET_FACTS = Prepared(
    update(_RUN)
    .where(_RUN.c.id == bindparam("run"))
    .values(
        {
            name: bindparam(name)
            for name in (
                "paused", "pause_reason", "health", "exposure", "protection", "stop_mode", "exit_reason",
                "sentence",
            )
        }
    )
)  # fmt: skip


def create_run(
    session: Session,
    run_id: str,
    *,
    wallet_id: int,
    version_id: int,
    settings: LaunchSettings,
    market: Market,
    author: Author,
    now_ms: int,
    why: str = "",
) -> Run:
    """Save a run in state NEW, with the first entry of its journal.

    Raises:
        RefusedError: an active run owns the wallet, or the wallet is archived.
    """
    wallet = wallets.wallet_by_id(session, wallet_id)
    owner = wallets.active_run_id(session, wallet_id)
    if owner is not None:
        raise RefusedError(
            f"Wallet {wallet.name} is in use by run {owner}; stop that run, or choose another wallet."
        )
    if wallet.archived_at_ms is not None:
        raise RefusedError(f"Wallet {wallet.name} is archived; choose another wallet.")
    session.execute(
        insert(_RUN),
        {
            "id": run_id,
            "wallet_id": wallet_id,
            "version_id": version_id,
            "settings_json": settings.model_dump_json(),
            "state": RunState.NEW.value,
            **_facts_columns(SideFacts()),
            "parent_run_id": settings.parent_run_id,
            "created_at_ms": now_ms,
            "market_json": market.model_dump_json(),
            "first_bars_json": "{}",
        },
    )
    journal.append_events(
        session,
        run_id,
        [Transitioned(old=None, new=RunState.NEW, why=why)],
        author=author,
        venue_time_ms=None,
        local_time_ms=now_ms,
    )
    return get_run(session, run_id)


def transition(
    session: Session,
    run_id: str,
    new: RunState,
    why: str,
    *,
    author: Author,
    local_time_ms: int,
    venue_time_ms: int | None = None,
    stop_mode: StopMode | None = None,
    hazard: Hazard | None = None,
) -> int:
    """Change a run's state, append the journal entry, and return its sequence.

    The equity of a run that becomes final is packed.

    Raises:
        IllegalTransitionError: the table of ``trading.runs`` does not allow it.
        WrongUseError: there is no such run.
    """
    old = state_of(session, run_id)
    columns: dict[str, Any] = {"state": move_run(old, new).value}
    if new is RunState.RUNNING:
        columns["started_at_ms"] = local_time_ms
    if new.is_final:
        columns["ended_at_ms"] = local_time_ms
    if stop_mode is not None:
        columns["stop_mode"] = stop_mode.value
    session.execute(update(_RUN).where(_RUN.c.id == run_id).values(columns))
    if new.is_final:
        pack_equity(session, run_id)
    return journal.append_events(
        session,
        run_id,
        [Transitioned(old=old, new=new, why=why, stop_mode=stop_mode, hazard=hazard)],
        author=author,
        venue_time_ms=venue_time_ms,
        local_time_ms=local_time_ms,
    )


def update_side_facts(session: Session, run_id: str, facts: SideFacts) -> None:
    """Replace the facts beside the state."""
    _SET_FACTS.execute(session, {"run": run_id, **_facts_columns(facts)})


def set_first_bars(session: Session, run_id: str, first_bars: Mapping[Timeframe, int]) -> None:
    """Save the open time of the first bar used, by timeframe."""
    session.execute(
        update(_RUN).where(_RUN.c.id == run_id).values(first_bars_json=json.dumps(dict(first_bars)))
    )


def state_of(session: Session, run_id: str) -> RunState:
    """Return a run's state.

    Raises:
        WrongUseError: there is no such run.
    """
    state = session.execute(_STATE, {"run": run_id}).scalar()
    if state is None:
        raise _no_run(run_id)
    with row(f"run {run_id}"):
        return RunState(state)


def full_run_id(session: Session, text: str) -> str:
    """Return the id of the one run whose id begins with ``text``, in upper or lower case.

    Raises:
        WrongUseError: no run's id begins with it, or several do, or ``text`` is empty.
    """
    alike = [run_id for run_id in all_run_ids(session) if text and run_id.startswith(text.lower())]
    if not alike:
        raise _no_run(text)
    if len(alike) > 1:
        some = ", ".join(alike[:4])
        raise WrongUseError(f"Several runs begin with {quoted(text)}; write more of the id: {some}.")
    return alike[0]


def get_run(session: Session, run_id: str) -> Run:
    """Return a run by its id, or by the beginning of it as in ``full_run_id``.

    Raises:
        WrongUseError: there is no such run, or there are several.
        DamagedRowError: it cannot be read.
    """
    run = find_run(session, run_id) or find_run(session, full_run_id(session, run_id))
    if run is None:
        raise _no_run(run_id)
    return run


def find_run(session: Session, run_id: str) -> Run | None:
    """Return the run of exactly that id, or None."""
    found = session.execute(_ONE, {"run": run_id}).one_or_none()
    return None if found is None else _view(found)


def list_runs(
    session: Session,
    *,
    wallet_id: int | None = None,
    limit: int | None = None,
    damaged: list[DamagedRun] | None = None,
) -> list[Run]:
    """Return runs, newest first. Those that cannot be read are appended to ``damaged`` instead."""
    statement = _VIEW.order_by(_RUN.c.created_at_ms.desc(), _RUN.c.id).limit(limit)
    if wallet_id is not None:
        statement = statement.where(_RUN.c.wallet_id == wallet_id)
    return _views(session.execute(statement).all(), damaged)


def active_runs(session: Session, *, damaged: list[DamagedRun] | None = None) -> list[Run]:
    """Return the runs that own their wallet, oldest first; ``damaged`` as in ``list_runs``."""
    return _views(session.execute(_ACTIVE).all(), damaged)


def left_facts(session: Session) -> tuple[tuple[str, ...], ...]:
    """Return the facts of ended runs that have left something; those of the others do not change."""
    return tuple(tuple(found) for found in session.execute(_LEFT))


def sentence_of(session: Session, run_id: str) -> str:
    """Return the run's sentence for an operator; empty: there is none, or no such run."""
    return session.execute(select(_RUN.c.sentence).where(_RUN.c.id == run_id)).scalar() or ""


def wallet_of(session: Session, run_id: str) -> wallets.Wallet:
    """Return the wallet of a run; the rest of the run's row need not be readable.

    Raises:
        WrongUseError: there is no such run.
    """
    wallet_id = session.execute(select(_RUN.c.wallet_id).where(_RUN.c.id == run_id)).scalar()
    if wallet_id is None:
        raise _no_run(run_id)
    return wallets.wallet_by_id(session, wallet_id)


def set_unknown(session: Session, run_id: str, sentence: str) -> None:
    """Set the run's health to unknown, with the reason; the rest of the row need not be readable."""
    changed = {"health": Health.UNKNOWN.value, "sentence": sentence}
    session.execute(update(_RUN).where(_RUN.c.id == run_id).values(changed))


def active_run_ids(session: Session) -> list[str]:
    """Return the ids of the runs that own their wallet, oldest first."""
    statement = (
        select(_RUN.c.id)
        .where(_RUN.c.state.in_(sorted(ACTIVE_STATES)))
        .order_by(_RUN.c.created_at_ms, _RUN.c.id)
    )
    return list(session.execute(statement).scalars())


def all_run_ids(session: Session) -> list[str]:
    """Return the ids of all runs, newest first."""
    return list(session.execute(select(_RUN.c.id).order_by(_RUN.c.created_at_ms.desc())).scalars())


def ids_of_wallet(session: Session, wallet_id: int) -> list[str]:
    """Return the ids of all runs of the wallet, finished ones too."""
    return list(session.execute(select(_RUN.c.id).where(_RUN.c.wallet_id == wallet_id)).scalars())


def ids_by_version(session: Session) -> dict[int, tuple[str, ...]]:
    """Return the ids of all runs by the version that they run, the newest first."""
    found: dict[int, list[str]] = {}
    statement = select(_RUN.c.version_id, _RUN.c.id).order_by(_RUN.c.created_at_ms.desc(), _RUN.c.id)
    for version_id, run_id in session.execute(statement):
        found.setdefault(version_id, []).append(run_id)
    return {version_id: tuple(ids) for version_id, ids in found.items()}


def _no_run(text: str) -> WrongUseError:
    return WrongUseError(f"There is no run {quoted(text)}; see them with: firstwatch run list.")


def _facts_columns(facts: SideFacts) -> dict[str, Any]:
    return {
        "paused": facts.paused,
        "pause_reason": facts.pause_reason,
        "health": facts.health.value,
        "exposure": facts.exposure.value,
        "protection": facts.protection.value,
        "stop_mode": None if facts.stop_mode is None else facts.stop_mode.value,
        "exit_reason": None if facts.exit_reason is None else facts.exit_reason.value,
        "sentence": facts.sentence,
    }


# Settings and market never change after launch; the screen reads fifty runs four times a second.
@lru_cache(maxsize=1024)
def _settings(text: str, algorithm: str) -> LaunchSettings:
    settings = LaunchSettings.model_validate_json(text)
    return (
        settings if settings.algorithm == algorithm else settings.model_copy(update={"algorithm": algorithm})
    )


@lru_cache(maxsize=256)
def _market(text: str) -> Market:
    return Market.model_validate_json(text)


def _views(rows: Iterable[Row[Any]], damaged: list[DamagedRun] | None) -> list[Run]:
    readable: list[Run] = []
    for found in rows:
        try:
            readable.append(_view(found))
        except DamagedRowError as error:
            if damaged is not None:
                state = RunState(found.state) if found.state in RunState.__members__ else RunState.FAILED
                created_ms = found.created_at_ms if isinstance(found.created_at_ms, int) else 0
                damaged.append(DamagedRun(found.id, found.wallet, state, str(error), created_ms))
    return readable


# The screen reads all active runs again and again, and few of them have changed.
@lru_cache(maxsize=1024)
def _view(found: Row[Any]) -> Run:
    with row(f"run {found.id}"):
        return _readable(sound(found, _RUN))


def _readable(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        wallet=row.wallet,
        wallet_id=row.wallet_id,
        venue=row.venue,
        account=row.account,
        version_id=row.version_id,
        sha256=row.sha256,
        settings=_settings(row.settings_json, row.algorithm),
        market=_market(row.market_json),
        state=RunState(row.state),
        facts=SideFacts(
            paused=row.paused,
            pause_reason=row.pause_reason,
            health=Health(row.health),
            exposure=Exposure(row.exposure),
            protection=Protection(row.protection),
            stop_mode=None if row.stop_mode is None else StopMode(row.stop_mode),
            exit_reason=None if row.exit_reason is None else ExitReason(row.exit_reason),
            sentence=row.sentence,
        ),
        parent_run_id=row.parent_run_id,
        created_at_ms=row.created_at_ms,
        started_at_ms=row.started_at_ms,
        ended_at_ms=row.ended_at_ms,
        first_bars={Timeframe(name): time_ms for name, time_ms in json.loads(row.first_bars_json).items()},
    )
