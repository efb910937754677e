"""What is wrong with a launch draft, and what the operator has to do next before a start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from firstwatch.manager.views import CommandView, ManagerSnapshot
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
from firstwatch.tui.launch_form import parse
from firstwatch.tui.launch_form.draft import (
    FIELDS,
    NO,
    YES,
    LaunchDraft,
    chosen_algorithm,
    has_reset,
    has_session,
)


@dataclass(frozen=True, slots=True)
class Assessment:
    """A sentence for each wrong field, and the settings if none is wrong."""

    errors: Mapping[str, str]
    settings: LaunchSettings | None


def assess(draft: LaunchDraft, snapshot: ManagerSnapshot) -> Assessment:
    """Check the draft as far as it can be checked without the engine."""
    errors: dict[str, str] = {}

    def take(field: str, parse: Callable[[str], Any]) -> Any:
        try:
            return parse(draft.value(field).strip())
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
        errors["symbol"] = "choose a symbol"
    elif algorithm and algorithm.symbol and draft.symbol != algorithm.symbol:
        errors["symbol"] = f"{algorithm.name} trades {algorithm.symbol} only"
    capital = take("capital", parse.positive)
    if capital is not None and wallet and wallet.free is not None and capital > wallet.free:
        errors["capital"] = f"above what {wallet.name} has free: {wallet.free:,.2f}"
    leverage = take("leverage", parse.leverage)
    trades_limit = take("trades_limit", parse.count_or_none)
    if draft.close_position_on_exit == NO and algorithm and not algorithm.has_stop:
        take("without_stop_reason", parse.reason)
    session = _session(draft, take, errors)
    reset = _reset(draft, take, errors)
    guards = Guards(
        drawdown=take("drawdown", parse.percent),
        drawdown_action=GuardAction(draft.drawdown_action),
        daily_loss=take("daily_loss", parse.percent),
        daily_loss_action=GuardAction(draft.daily_loss_action),
        losing_trades=take("losing_trades", parse.count_or_none),
        losing_trades_action=GuardAction(draft.losing_trades_action),
        stop_mode=StopMode(draft.guard_stop_mode),
    )
    if errors or algorithm is None:
        return Assessment(errors, None)
    try:
        settings = LaunchSettings(
            algorithm=algorithm.name,
            version=algorithm.version,
            wallet=draft.wallet,
            symbol=draft.symbol.strip(),
            capital=capital,
            leverage=leverage,
            trades_limit=trades_limit,
            assume_position_now=draft.assume_position_now == YES,
            close_position_on_exit=draft.close_position_on_exit == YES,
            without_stop_reason=draft.without_stop_reason.strip() or None,
            session=session,
            reset=reset,
            guards=guards,
            on_diverged=OnDiverged(draft.on_diverged),
            accepted_warnings=draft.accepted_warnings.strip() or None,
            parent_run_id=draft.parent_run_id or None,
        )
    except ValidationError as error:
        return Assessment({"session_policy": parse.first_sentence(error)}, None)
    return Assessment(errors, settings)


def problem_with(draft: LaunchDraft, snapshot: ManagerSnapshot, field: str, value: str) -> str:
    """Return what would be wrong with a field if it held that value; empty: nothing."""
    return assess(draft.with_value(field, value.strip()), snapshot).errors.get(field, "")


class Readiness(StrEnum):
    """How far the launch is."""

    BLOCKED = "blocked"
    WAITING = "waiting"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next thing that the operator has to do, as a sentence."""

    readiness: Readiness
    sentence: str
    needs_reason: bool = False
    """Only soft checks failed: a written reason is all that is missing."""


def next_step(
    draft: LaunchDraft,
    assessment: Assessment,
    snapshot: ManagerSnapshot,
    check: CommandView | None,
    *,
    is_current: bool,
) -> NextStep:
    """Return what the operator has to do next before a start.

    ``check`` is the last preview; ``is_current``: it was made for just this draft.
    """
    blocked = Readiness.BLOCKED
    if not snapshot.is_ready:
        return NextStep(Readiness.WAITING, "Reading the store…")
    if not snapshot.algorithms:
        return NextStep(blocked, "Store an algorithm: firstwatch algorithm add FILE")
    if not snapshot.wallets:
        return NextStep(blocked, "Create a wallet: press w")
    if assessment.settings is None:
        field = next(field for field in FIELDS if field.id in assessment.errors)
        return NextStep(blocked, f"{field.label}: {assessment.errors[field.id]}")
    if not snapshot.engine.takes_commands:
        return NextStep(blocked, f"No engine to start it: {snapshot.engine.sentence}")
    if check is None or not is_current or check.outcome in (CommandOutcome.PENDING, CommandOutcome.ACCEPTED):
        return NextStep(Readiness.WAITING, "The engine is checking the launch…")
    if check.preview is None:
        return NextStep(blocked, f"The checks did not run: {check.sentence}")
    return _after_checks(draft, check.preview)


def _after_checks(draft: LaunchDraft, preview: LaunchPreview) -> NextStep:
    if preview.refused_by:
        first = preview.reasons[0]
        return NextStep(Readiness.BLOCKED, f"{first.name}: {first.remedy or first.found}")
    if preview.warnings and not draft.accepted_warnings.strip():
        names = ", ".join(check.name for check in preview.warnings)
        sentence = f"Press g and write why you start despite: {names}"
        return NextStep(Readiness.BLOCKED, sentence, needs_reason=True)
    return NextStep(Readiness.READY, "All hard checks passed: press g to start")


def _session(
    draft: LaunchDraft, take: Callable[[str, Callable[[str], Any]], Any], errors: dict[str, str]
) -> SessionSettings:
    if not has_session(draft):
        return SessionSettings()
    windows = take("session_windows", parse.windows)
    lead = take("session_lead", parse.count)
    if windows is None or lead is None:
        return SessionSettings()
    try:
        return SessionSettings(
            policy=SessionPolicy(draft.session_policy),
            timezone=draft.session_timezone.strip(),
            windows=windows,
            trading="inside" if draft.session_trading == "inside" else "outside",
            lead_minutes=lead,
        )
    except ValidationError as error:
        first = error.errors()[0]["loc"]
        field = {"timezone": "session_timezone", "lead_minutes": "session_lead"}.get(
            str(first[0]) if first else ""
        )
        errors[field or "session_windows"] = parse.first_sentence(error)
        return SessionSettings()


def _reset(
    draft: LaunchDraft, take: Callable[[str, Callable[[str], Any]], Any], errors: dict[str, str]
) -> ResetSettings | None:
    if not has_reset(draft):
        return None
    cooldown = take("cooldown_bars", parse.count)
    chain = take("follow_up", parse.chain)
    if cooldown is None or chain is None:
        return None
    return ResetSettings(
        mode=ResetMode(draft.reset_mode),
        cooldown_bars=cooldown,
        on_exhausted=OnExhausted(draft.on_exhausted),
        follow_up=chain,
    )
