"""The mistakes in a launch draft, and the operator's next step before a start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from firstwatch.manager.snapshot import ManagerSnapshot
from firstwatch.manager.views import CommandView
from firstwatch.trading.commands import CommandOutcome
from firstwatch.trading.launch import (
    GuardAction,
    Guards,
    LaunchPreview,
    LaunchSettings,
    OnDiverged,
    OnExhausted,
    ResetMode,
    ResetSettings,
    SessionPolicy,
    SessionSettings,
)
from firstwatch.trading.runs import StopMode
from firstwatch.tui.formats import READING
from firstwatch.tui.launch_form.draft import (
    FIELD_BY_ID,
    FIELDS,
    INSIDE,
    YES,
    LaunchDraft,
    chosen_algorithm,
    has_reset,
    has_session,
    has_weekly_hours,
)
from firstwatch.tui.launch_form.outcome import names_of
from firstwatch.tui.launch_form.remedies import REMEDIES

Take = Callable[[str], Any]
"""Reads a field of the draft; None, and a sentence among the errors, if it cannot be read."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """A sentence for each wrong field, and the settings if none is wrong."""

    errors: Mapping[str, str]
    settings: LaunchSettings | None


def assess(draft: LaunchDraft, snapshot: ManagerSnapshot) -> Assessment:
    """Check the draft as far as it can be checked without the engine."""
    errors: dict[str, str] = {}

    def take(field: str) -> Any:
        try:
            return FIELD_BY_ID[field].read(draft.value(field).strip())
        except ValueError as error:
            errors[field] = str(error)
            return None

    algorithm = chosen_algorithm(draft, snapshot)
    if not draft.algorithm:
        errors["algorithm"] = "choose an algorithm"
    elif algorithm is None:
        errors["algorithm"] = f"no stored version {draft.algorithm}"
    wallet = snapshot.wallet(draft.wallet)
    if not draft.wallet:
        errors["wallet"] = "choose a wallet"
    elif wallet is None:
        errors["wallet"] = f"no wallet {draft.wallet}"
    elif wallet.active_run_id is not None:
        errors["wallet"] = f"in use by run {wallet.active_run_id[:8]}; stop it or choose another"
    if not draft.symbol.strip():
        errors["symbol"] = "choose a market"
    elif algorithm and algorithm.symbol and draft.symbol != algorithm.symbol:
        errors["symbol"] = f"{algorithm.name} trades {algorithm.symbol} only"
    capital = take("capital")
    if capital is not None and wallet and wallet.free is not None and capital > wallet.free:
        errors["capital"] = f"above what {wallet.name} has free: {wallet.free:,.2f}"
    leverage = take("leverage")
    trades_limit = take("trades_limit")
    closes = draft.close_position_on_exit == YES
    if not closes and algorithm and not algorithm.has_stop and not draft.without_stop_reason.strip():
        errors["without_stop_reason"] = "the algorithm has no stop: write why"
    if not closes and draft.session_policy == SessionPolicy.FLATTEN:
        errors["session_policy"] = 'it closes the position, and "Close on exit" is off: switch that on'
    session = _session(draft, take)
    reset = _reset(draft, take)
    guards = Guards(
        drawdown=take("drawdown"),
        drawdown_action=GuardAction(draft.drawdown_action),
        daily_loss=take("daily_loss"),
        daily_loss_action=GuardAction(draft.daily_loss_action),
        losing_trades=take("losing_trades"),
        losing_trades_action=GuardAction(draft.losing_trades_action),
        stop_mode=StopMode(draft.guard_stop_mode),
    )
    if errors or algorithm is None:
        return Assessment(errors, None)
    settings = LaunchSettings(
        algorithm=algorithm.name,
        version=algorithm.version,
        wallet=draft.wallet,
        symbol=draft.symbol.strip(),
        capital=capital,
        leverage=leverage,
        trades_limit=trades_limit,
        assume_position_now=draft.assume_position_now == YES,
        close_position_on_exit=closes,
        without_stop_reason=draft.without_stop_reason.strip() or None,
        session=session,
        reset=reset,
        guards=guards,
        on_diverged=OnDiverged(draft.on_diverged),
        accepted_warnings=draft.accepted_warnings.strip() or None,
        parent_run_id=draft.parent_run_id or None,
    )
    return Assessment(errors, settings)


def problem_with(draft: LaunchDraft, snapshot: ManagerSnapshot, field: str, value: str) -> str:
    """Return what would be wrong with a field if it held that value; empty: nothing."""
    return assess(draft.with_value(field, value.strip()), snapshot).errors.get(field, "")


class Readiness(StrEnum):
    """How ready the launch is."""

    BLOCKED = "blocked"
    WAITING = "waiting"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class NextStep:
    """The operator's next step, as a sentence."""

    readiness: Readiness
    sentence: str
    needs_reason: bool = False
    """Only soft checks failed: a written reason is all that is missing."""
    field: str = ""
    """The field that it is about."""
    check: str = ""
    """The check that it is about."""


def next_step(
    draft: LaunchDraft,
    assessment: Assessment,
    snapshot: ManagerSnapshot,
    check: CommandView | None,
    *,
    is_current: bool,
    key_of: Callable[[str], str],
) -> NextStep:
    """Return what the operator has to do next before a start.

    ``check``: the last preview; ``is_current``: it was made for exactly this draft; ``key_of``: returns the
    key of an action.
    """
    blocked = Readiness.BLOCKED
    if not snapshot.is_ready:
        return NextStep(Readiness.WAITING, READING)
    if not snapshot.offered:
        mode = key_of("view.mode")
        return NextStep(
            blocked, f"Store an algorithm: {mode}, then b, begins one; or firstwatch algorithm add FILE"
        )
    if not snapshot.wallets:
        pane, create = key_of("view.wallets"), key_of("wallet.create")
        return NextStep(blocked, f"Create a wallet: press {pane}, then {create}")
    if assessment.settings is None:
        field = next(field for field in FIELDS if field.id in assessment.errors)
        return NextStep(blocked, f"{field.label}: {assessment.errors[field.id]}", field=field.id)
    if not snapshot.engine.takes_commands:
        return NextStep(blocked, f"No engine to start it: {snapshot.engine.sentence}")
    if check is None or not is_current or check.outcome in (CommandOutcome.PENDING, CommandOutcome.ACCEPTED):
        return NextStep(Readiness.WAITING, "The engine is checking the launch…")
    if check.preview is None:
        return NextStep(blocked, f"The checks did not run: {check.sentence}")
    return _after_checks(draft, check.preview, key_of("run.start"))


def _after_checks(draft: LaunchDraft, preview: LaunchPreview, start: str) -> NextStep:
    if preview.refused_by:
        first = preview.reasons[0]
        remedy = REMEDIES.get(first.name)
        here = f" (Enter on the check: {remedy.hint})" if remedy else ""
        sentence = f"{first.name}: {first.remedy or first.found}{here}"
        return NextStep(Readiness.BLOCKED, sentence, check=first.name)
    if preview.warnings and not draft.accepted_warnings.strip():
        sentence = f"Press {start} and write why you start despite: {names_of(preview.warnings)}"
        return NextStep(Readiness.BLOCKED, sentence, needs_reason=True, check=preview.warnings[0].name)
    return NextStep(Readiness.READY, f"All hard checks passed: press {start} to start")


def _session(draft: LaunchDraft, take: Take) -> SessionSettings:
    if not has_session(draft):
        return SessionSettings()
    is_weekly = has_weekly_hours(draft)
    windows, zone = (take("session_windows"), take("session_timezone")) if is_weekly else ((), "UTC")
    lead, exchange = take("session_lead"), take("session_calendar")
    if windows is None or lead is None or zone is None or (exchange is None and not is_weekly):
        return SessionSettings()
    return SessionSettings(
        policy=SessionPolicy(draft.session_policy),
        timezone=zone,
        windows=windows,
        calendar=exchange,
        trading="inside" if draft.session_trading == INSIDE else "outside",
        lead_minutes=lead,
    )


def _reset(draft: LaunchDraft, take: Take) -> ResetSettings | None:
    if not has_reset(draft):
        return None
    cooldown, chain = take("cooldown_bars"), take("follow_up")
    if cooldown is None or chain is None:
        return None
    return ResetSettings(
        mode=ResetMode(draft.reset_mode),
        cooldown_bars=cooldown,
        on_exhausted=OnExhausted(draft.on_exhausted),
        follow_up=chain,
    )
