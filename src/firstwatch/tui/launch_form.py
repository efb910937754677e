"""The launch form without a screen: a draft of texts, what is wrong with it, and what to do next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from firstwatch.manager.views import AlgorithmView, CommandView, ManagerSnapshot
from firstwatch.trading.commands import CommandOutcome
from firstwatch.trading.launch import (
    GuardAction,
    Guards,
    LaunchPreview,
    LaunchSettings,
    OnExhausted,
    ResetMode,
    ResetSettings,
    SessionPolicy,
    SessionSettings,
)
from firstwatch.trading.runs import StopMode
from firstwatch.tui import launch_text

VERSIONS_OWN = "version's own"
YES, NO = "on", "off"


@dataclass(frozen=True, slots=True)
class LaunchDraft:
    """What stands in the fields, as text."""

    algorithm: str = ""
    """``name@version``"""
    wallet: str = ""
    symbol: str = ""
    capital: str = ""
    leverage: str = "1"
    trades_limit: str = ""
    assume_position_now: str = NO
    close_position_on_exit: str = YES
    without_stop_reason: str = ""
    session_policy: str = SessionPolicy.OFF.value
    session_windows: str = ""
    session_timezone: str = "UTC"
    session_trading: str = "inside"
    session_lead: str = "0"
    reset_mode: str = VERSIONS_OWN
    cooldown_bars: str = "0"
    on_exhausted: str = OnExhausted.RESET.value
    follow_up: str = ""
    drawdown: str = ""
    drawdown_action: str = GuardAction.STOP.value
    daily_loss: str = ""
    daily_loss_action: str = GuardAction.PAUSE.value
    losing_trades: str = ""
    losing_trades_action: str = GuardAction.PAUSE.value
    guard_stop_mode: str = StopMode.CLOSE.value
    accepted_warnings: str = ""
    parent_run_id: str = ""

    def with_value(self, field: str, value: str) -> "LaunchDraft":
        """Return the draft with one field changed."""
        changes: dict[str, Any] = {field: value}
        return replace(self, **changes)

    def value(self, field: str) -> str:
        """Return what stands in the field."""
        return str(getattr(self, field))


Options = Callable[[LaunchDraft, ManagerSnapshot], tuple[str, ...]]
Shown = Callable[[LaunchDraft], bool]


@dataclass(frozen=True, slots=True)
class FormField:
    """One line of the form. With ``options`` it is a choice, else a text."""

    id: str
    label: str
    hint: str
    options: Options | None = None
    is_free: bool = False
    """A choice that also takes a text of the operator's own."""
    shown: Shown = lambda _draft: True


def _of(*values: str) -> Options:
    return lambda _draft, _snapshot: values


def _algorithms(_draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
    return tuple(f"{each.name}@{each.version}" for each in snapshot.algorithms)


def _wallets(_draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
    return tuple(wallet.name for wallet in snapshot.wallets)


def _symbols(draft: LaunchDraft, snapshot: ManagerSnapshot) -> tuple[str, ...]:
    algorithm = chosen_algorithm(draft, snapshot)
    return (algorithm.symbol,) if algorithm and algorithm.symbol else snapshot.symbols


def _has_session(draft: LaunchDraft) -> bool:
    return draft.session_policy != SessionPolicy.OFF


def _has_reset(draft: LaunchDraft) -> bool:
    return draft.reset_mode != VERSIONS_OWN


def _has_guard(draft: LaunchDraft) -> bool:
    pairs = (
        (draft.drawdown, draft.drawdown_action),
        (draft.daily_loss, draft.daily_loss_action),
        (draft.losing_trades, draft.losing_trades_action),
    )
    return any(limit.strip() and action == GuardAction.STOP for limit, action in pairs)


def _filled(field: str) -> Shown:
    return lambda draft: bool(draft.value(field).strip())


_ACTIONS = _of(*GuardAction)

FIELDS: tuple[FormField, ...] = (
    FormField("algorithm", "Algorithm", "a stored version", _algorithms),
    FormField("wallet", "Run wallet", "holds one active run at most", _wallets),
    FormField("symbol", "Symbol", "like BTC/USDC:USDC", _symbols, is_free=True),
    FormField("capital", "Capital", "quote; where run equity starts"),
    FormField("leverage", "Leverage", "1 to the market's maximum"),
    FormField("trades_limit", "Trades limit", "empty: none; counts entries"),
    FormField("assume_position_now", "Assume position now", "adopt or enter at once", _of(NO, YES)),
    FormField(
        "close_position_on_exit", "Close position on exit", "off: an exit only alerts", _of(YES, NO)
    ),
    FormField(
        "without_stop_reason", "Why without a stop", "needed when the algorithm has no stop",
        shown=lambda draft: draft.close_position_on_exit == NO,
    ),
    FormField("session_policy", "Session policy", "when the calendar pauses", _of(*SessionPolicy)),
    FormField(
        "session_windows", "Windows", "mon-fri 09:30-16:00; sat 10:00-12:00", shown=_has_session
    ),
    FormField("session_timezone", "Time zone", "like America/New_York", shown=_has_session),
    FormField(
        "session_trading", "Trade", "inside or outside of the windows", _of("inside", "outside"),
        shown=_has_session,
    ),
    FormField("session_lead", "Lead minutes", "before each pause", shown=_has_session),
    FormField("reset_mode", "Reset", "overrides the version's", _of(VERSIONS_OWN, *ResetMode)),
    FormField("cooldown_bars", "Cooldown bars", "bars without decision", shown=_has_reset),
    FormField("on_exhausted", "Chain exhausted", "then", _of(*OnExhausted), shown=_has_reset),
    FormField(
        "follow_up", "Follow-up chain", "stop_loss same 5-20 signal x0.5; …", shown=_has_reset
    ),
    FormField("drawdown", "Max drawdown %", "of the peak of run equity"),
    FormField("drawdown_action", "… then", "", _ACTIONS, shown=_filled("drawdown")),
    FormField("daily_loss", "Max daily loss %", "of the day's first run equity"),
    FormField("daily_loss_action", "… then", "", _ACTIONS, shown=_filled("daily_loss")),
    FormField("losing_trades", "Losing trades", "in a row"),
    FormField(
        "losing_trades_action", "… then", "", _ACTIONS, shown=_filled("losing_trades")
    ),
    FormField("guard_stop_mode", "Guard stop mode", "", _of(*StopMode), shown=_has_guard),
    FormField("accepted_warnings", "Reason for warnings", "lands in the journal"),
)  # fmt: skip

FIELD_BY_ID: Mapping[str, FormField] = {field.id: field for field in FIELDS}


def chosen_algorithm(draft: LaunchDraft, snapshot: ManagerSnapshot) -> AlgorithmView | None:
    """Return the stored version that the draft names."""
    return next(
        (each for each in snapshot.algorithms if f"{each.name}@{each.version}" == draft.algorithm), None
    )


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is wrong, by field, and the settings when nothing is."""

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
    capital = take("capital", launch_text.positive)
    if capital is not None and wallet and wallet.free is not None and capital > wallet.free:
        errors["capital"] = f"above what {wallet.name} has free: {wallet.free:,.2f}"
    leverage = take("leverage", launch_text.leverage)
    trades_limit = take("trades_limit", launch_text.count_or_none)
    if draft.close_position_on_exit == NO and algorithm and not algorithm.has_stop:
        take("without_stop_reason", launch_text.reason)
    session = _session(draft, take, errors)
    reset = _reset(draft, take, errors)
    guards = Guards(
        drawdown=take("drawdown", launch_text.percent),
        drawdown_action=GuardAction(draft.drawdown_action),
        daily_loss=take("daily_loss", launch_text.percent),
        daily_loss_action=GuardAction(draft.daily_loss_action),
        losing_trades=take("losing_trades", launch_text.count_or_none),
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
            accepted_warnings=draft.accepted_warnings.strip() or None,
            parent_run_id=draft.parent_run_id or None,
        )
    except ValidationError as error:
        return Assessment({"session_policy": launch_text.first_sentence(error)}, None)
    return Assessment(errors, settings)


class Readiness(StrEnum):
    """How far the launch is."""

    BLOCKED = "blocked"
    WAITING = "waiting"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next required action, in words."""

    readiness: Readiness
    sentence: str
    needs_reason: bool = False
    """Only soft checks stand in the way: a written reason is all that lacks."""


def next_step(
    draft: LaunchDraft,
    assessment: Assessment,
    snapshot: ManagerSnapshot,
    check: CommandView | None,
    *,
    is_current: bool,
) -> NextStep:
    """Say what the operator has to do next before a start.

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
        sentence = f"Press g and write why you start in spite of: {names}"
        return NextStep(Readiness.BLOCKED, sentence, needs_reason=True)
    return NextStep(Readiness.READY, "All hard checks passed: press g to start")


def draft_of(settings: LaunchSettings, *, parent_run_id: str | None) -> LaunchDraft:
    """Return the draft that launches the same again, as a child of that run."""
    session, reset, guards = settings.session, settings.reset, settings.guards
    draft = LaunchDraft(
        algorithm=f"{settings.algorithm}@{settings.version}",
        wallet=settings.wallet,
        symbol=settings.symbol,
        capital=f"{settings.capital:f}",
        leverage=f"{settings.leverage:f}",
        trades_limit=launch_text.count_text(settings.trades_limit),
        assume_position_now=YES if settings.assume_position_now else NO,
        close_position_on_exit=YES if settings.close_position_on_exit else NO,
        without_stop_reason=settings.without_stop_reason or "",
        session_policy=session.policy.value,
        session_windows="; ".join(launch_text.window_text(window) for window in session.windows),
        session_timezone=session.timezone,
        session_trading=session.trading,
        session_lead=str(session.lead_minutes),
        drawdown=launch_text.percent_text(guards.drawdown),
        drawdown_action=guards.drawdown_action.value,
        daily_loss=launch_text.percent_text(guards.daily_loss),
        daily_loss_action=guards.daily_loss_action.value,
        losing_trades=launch_text.count_text(guards.losing_trades),
        losing_trades_action=guards.losing_trades_action.value,
        guard_stop_mode=guards.stop_mode.value,
        accepted_warnings=settings.accepted_warnings or "",
        parent_run_id=parent_run_id or "",
    )
    if reset is None:
        return draft
    return replace(
        draft,
        reset_mode=reset.mode.value,
        cooldown_bars=str(reset.cooldown_bars),
        on_exhausted=reset.on_exhausted.value,
        follow_up="; ".join(launch_text.link_text(link) for link in reset.follow_up),
    )


def _session(
    draft: LaunchDraft, take: Callable[[str, Callable[[str], Any]], Any], errors: dict[str, str]
) -> SessionSettings:
    if not _has_session(draft):
        return SessionSettings()
    windows = take("session_windows", launch_text.windows)
    lead = take("session_lead", launch_text.count)
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
        errors[field or "session_windows"] = launch_text.first_sentence(error)
        return SessionSettings()


def _reset(
    draft: LaunchDraft, take: Callable[[str, Callable[[str], Any]], Any], errors: dict[str, str]
) -> ResetSettings | None:
    if not _has_reset(draft):
        return None
    cooldown = take("cooldown_bars", launch_text.count)
    chain = take("follow_up", launch_text.chain)
    if cooldown is None or chain is None:
        return None
    return ResetSettings(
        mode=ResetMode(draft.reset_mode),
        cooldown_bars=cooldown,
        on_exhausted=OnExhausted(draft.on_exhausted),
        follow_up=chain,
    )
